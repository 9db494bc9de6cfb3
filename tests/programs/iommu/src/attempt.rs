//! One attempt after the other.

use ipc::Call;
use kit::dma::{Memory, Space};

use crate::victim::{SECRET, TARGETS, VictimClient};

/// A device that its driver does not mean well with.
pub trait Device {
    /// Has the device write to a bus address. Says whether it claims to have done so.
    fn write_to(&mut self, address: u64) -> bool;

    /// Has the device read from a bus address, of which the driver learns the first bytes, if it can.
    fn read_from(&mut self, address: u64) -> Option<[u8; 16]>;
}

/// How long an event takes to be heard.
const PATIENCE: u64 = 300_000_000;

/// Has the device of this component do what it may not: the attempt whose number is that of the instance.
pub fn run(env: &rt::Env, space: Space, device: &mut impl Device) -> Result<(), kit::Error> {
    let victim = VictimClient::from_env(env)?;
    let attempt = env.start_info().epoch.saturating_sub(1) as usize;
    let (writes, target) = (attempt.is_multiple_of(2), attempt / 2);
    let (what, address) = match TARGETS.get(target) {
        Some(what) => (*what, victim.target(target as u32).ok().flatten()),
        None if target == TARGETS.len() => ("memory that it gave back", Some(given_back(space)?)),
        None => return over(&victim),
    };
    let Some(address) = address else {
        log::error!("attack: where {what} lies is not known");
        return Ok(());
    };
    if writes {
        log::info!("attack {attempt}: the device writes to {what}, {address:#x}");
        let done = device.write_to(address);
        wait();
        log::warn!("attack {attempt}: the device {} it wrote to {what}", says(done));
    } else {
        log::info!("attack {attempt}: the device reads {what}, {address:#x}");
        let seen = device.read_from(address);
        wait();
        // A device may be given part of it alone, and change what it is given.
        let secret = seen.is_some_and(|seen| seen[2..6] == SECRET[2..6]);
        log::warn!(
            "attack {attempt}: the device {} it read {what}{}",
            says(seen.is_some()),
            if secret { ": a secret" } else { "" }
        );
    }
    state(&victim);
    // The next instance goes on.
    panic!("nobody stopped it")
}

const fn says(done: bool) -> &'static str {
    if done { "says that" } else { "does not say that" }
}

fn over(victim: &VictimClient<impl Call>) -> Result<(), kit::Error> {
    state(victim);
    log::info!("attack: all was tried");
    Ok(())
}

fn state(victim: &VictimClient<impl Call>) {
    match victim.is_intact() {
        Ok(true) => log::info!("attack: what was reached for is as it was"),
        Ok(false) => log::warn!("attack: what was reached for CHANGED"),
        Err(error) => log::error!("attack: {error}"),
    }
}

/// The bus address of memory that was the driver's.
fn given_back(space: Space) -> Result<u64, kit::Error> {
    Memory::new(space, 1).map(|memory| memory.bus())
}

fn wait() {
    let end = rt::now_nanoseconds() + PATIENCE;
    while rt::now_nanoseconds() < end {
        core::hint::spin_loop();
    }
}
