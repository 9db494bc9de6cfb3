//! Has its device interrupt by its own message. If the command line names its device as the forger (`edu.forger=DEVICE`), it has it
//! send the messages of others before.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::Message;
use kit::time::{Delay, Kernel};
use pci_programs::Edu;

rt::entry!(run);

/// How many messages beside its own a forger sends.
const FORGED: u32 = 16;

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError> {
    let device = kit::Node::open(env)?.cells("reg")?.first().map(|reg| reg >> 11 & 31);
    let (edu, interrupt, own) = Edu::open(env)?;
    if env.argument("arg:forger") == device {
        forge(&edu, own)?;
    }
    edu.send(own)?;
    kit::spawn(async move {
        loop {
            interrupt.wait().await;
            match edu.serve() {
                Ok(true) => log::info!("its message arrived"),
                Ok(false) => log::info!("an interrupt that its device did not raise"),
                Err(error) => log::error!("{error}"),
            }
        }
    });
    Ok(ipc::run())
}

/// Sends what comes before and behind the own message, once the others listen.
fn forge(edu: &Edu, own: Message) -> kit::Result<()> {
    use embedded_hal::delay::DelayNs;
    Delay(Kernel::open()?).delay_ms(500);
    let first = own.data.saturating_sub(FORGED / 2);
    for data in (first..=first + FORGED).filter(|&data| data != own.data) {
        edu.send(Message { data, ..own })?;
        edu.serve()?;
    }
    log::info!("{FORGED} forged messages were sent");
    Ok(())
}
