//! Reads where other processes have what they map: the shared buffer of the file service lies there.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    trespass::read("another process's memory", 0x2_0000_0000);
}
