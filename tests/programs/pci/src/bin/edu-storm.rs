//! Has its device raise its line and does not serve it. If the command line says `edu-storm.silent=1`, it does not acknowledge the
//! interrupt either; else it does, each time.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::Interrupt;
use kit::mmio::Mmio;
use kit::pci::Function;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError> {
    // So that the driver of the bus knows the instance.
    Function::open(env)?;
    let interrupt = Interrupt::named(env, "intx")?;
    pci_programs::raise(&Mmio::named(env, "bar0")?)?;
    log::info!("its line is raised");
    let acknowledges = env.argument("arg:silent") != Some(1);
    kit::spawn(async move {
        loop {
            // What fired before is acknowledged here.
            interrupt.wait().await;
            if !acknowledges {
                core::future::pending::<()>().await;
            }
        }
    });
    Ok(ipc::run())
}
