//! Reads the kernel's first bytes.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    trespass::read("the kernel", 0xffff_ffff_8000_0000);
}
