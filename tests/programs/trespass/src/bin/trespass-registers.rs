//! Writes the data register of the UART at its physical address, as a driver of another kernel would.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(_: &'static rt::Env) {
    trespass::write("another driver's registers", 0x0900_0000);
}
