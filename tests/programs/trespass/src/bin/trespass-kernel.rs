//! Reads memory where the kernel has all of it mapped.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    trespass::read("the kernel", 0xffff_8000_0000_0000);
}
