//! Returns to where nobody called from.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    log::info!("trespass: returning to where nobody called from");
    trespass::forge();
}
