//! The process of the supervisor: asks init who died, and answers what becomes of it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};

use ipc::broker::{BrokerClient, Death, Policy, Status};
use ipc::{Error, SignalOn};
use rt::{Cap, Env, Kind, NOTIFICATION, Retype, Timer};
use supervisor::{Act, Schedule};

rt::entry!(run);

/// Bit of the own Notification: a component died.
const DIED: u64 = 1;
/// Bit of the own Notification: it is time for a restart.
const DUE: u64 = 2;

fn run(env: &'static Env) -> Result<(), String> {
    let broker = BrokerClient(env.cap("use:broker").map_err(|error| error.to_string())?);
    let slot = rt::alloc_slot().map_err(|_| "no free slot")?;
    rt::MEMORY.retype(Kind::Timer, Retype::default(), rt::TABLE, slot).map_err(|error| format!("timer: {error}"))?;
    let timer = Cap::<Timer>::from_slot(slot);
    let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("notification: {error}"))?;
    broker.watch(SignalOn { notification, bits: DIED }).map_err(failed)?;
    let mut schedule = Schedule::default();
    loop {
        look(&broker, &mut schedule)?;
        while let Some((component, epoch)) = schedule.due(rt::now_nanoseconds()) {
            forgive(broker.restart(component, epoch))?;
        }
        if let Some(due) = schedule.next() {
            let deadline = rt::now_ticks() + ticks(due.saturating_sub(rt::now_nanoseconds()));
            timer.arm(deadline, NOTIFICATION, DUE).map_err(|error| format!("timer: {error}"))?;
        }
        NOTIFICATION.wait().map_err(|error| format!("notification: {error}"))?;
    }
}

/// Ticks of so many nanoseconds, rounded up.
fn ticks(nanoseconds: u64) -> u64 {
    let ticks = u128::from(nanoseconds) * u128::from(rt::ticks_per_second()) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1)
}

/// Decides about all who died since the last look.
fn look(broker: &BrokerClient, schedule: &mut Schedule) -> Result<(), String> {
    let mut after = 0;
    while let Some(death) = broker.death(after).map_err(failed)? {
        after = death.component;
        match schedule.note(noted(&death), rt::now_nanoseconds()) {
            Some(Act::GiveUp(why)) => forgive(broker.give_up(death.component, death.epoch, why))?,
            Some(Act::Restart { after: wait @ 1.. }) => {
                log::warn!("{} is started again in {} ms", death.name.as_str(), wait / 1_000_000);
            }
            Some(Act::Restart { after: 0 }) | None => {}
        }
    }
    Ok(())
}

fn noted(death: &Death) -> supervisor::Death {
    let policy = match death.policy {
        Policy::Never => supervisor::Policy::Never,
        Policy::Once => supervisor::Policy::Once,
        Policy::Always => supervisor::Policy::Always,
    };
    supervisor::Death { component: death.component, epoch: death.epoch, policy, ran: death.ran }
}

/// What was decided may come too late: init went on without it.
fn forgive(result: Result<(), Error<Status>>) -> Result<(), String> {
    match result {
        Ok(()) | Err(Error::Status(Status::NoComponent)) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: Error<Status>) -> String {
    format!("broker: {error}")
}
