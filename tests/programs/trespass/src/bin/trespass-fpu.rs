//! Uses floating point without having asked for it.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    trespass::compute();
}
