//! The lines that functions interrupt on (INTx). The driver of the bus has them as well as the drivers of the functions: while it has
//! not acknowledged, a line does not fire again, whoever else does.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::time::Duration;

use ipc::Call;
use ipc::devices::DevicesClient;
use kit::{Cause, Error, Event, Interrupt, Shared};
use rt::Env;

use crate::storm::Storm;
use crate::{Bus, hotplug};

/// How long a line that functions raise may not fire.
const STUCK: Duration = Duration::from_secs(2);

/// A line, and what its two tasks know of each other.
struct Line<C> {
    number: u32,
    interrupt: Interrupt,
    bus: Shared<Bus>,
    devices: Rc<DevicesClient<C>>,
    /// How often it fired.
    fired: Cell<u64>,
    /// It did.
    event: Event,
    /// Bits for what happened at a slot.
    plugged: u64,
}

/// Listens to all lines that this process was given.
///
/// # Errors
/// The kernel refused one.
pub fn listen<C: Call + 'static>(env: &Env, devices: &Rc<DevicesClient<C>>, bus: &Shared<Bus>) -> kit::Result<()> {
    let plugged = Event::new()?;
    let plugged_bits = plugged.bits();
    for (number, interrupt) in (0..).zip(open(env)?) {
        let (bus, devices) = (bus.clone(), devices.clone());
        let (fired, event) = (Cell::new(0), Event::new()?);
        let line = Rc::new(Line { number, interrupt, bus, devices, fired, event, plugged: plugged_bits });
        kit::spawn(attend(line.clone()));
        kit::spawn(watch(line));
    }
    kit::spawn(hotplug::serve(devices.clone(), bus.clone(), plugged));
    Ok(())
}

/// The lines, in the order of what devmgr calls them.
fn open(env: &Env) -> kit::Result<Vec<Interrupt>> {
    let mut lines = Vec::new();
    loop {
        match Interrupt::open(env, lines.len()) {
            Ok(line) => lines.push(line),
            Err(Error { cause: Cause::Missing | Cause::Limit, .. }) => return Ok(lines),
            Err(error) => return Err(error),
        }
    }
}

/// Lets the line fire again each time, and cuts off who raises it without end.
async fn attend<C: Call + 'static>(line: Rc<Line<C>>) {
    let mut storm = Storm::default();
    loop {
        // What fired before is acknowledged here.
        line.interrupt.wait().await;
        if line.bus.borrow_mut().slots_fired(line.number) {
            rt::task::raise(line.plugged);
        }
        if let Some(pause) = storm.fired(rt::now_nanoseconds()) {
            kit::sleep(pause).await;
            let raising = line.bus.borrow_mut().raising(line.number);
            let guilty = storm.looked(&raising);
            guilty.into_iter().for_each(|at| line.bus.borrow_mut().cut_off(at));
        }
        line.fired.set(line.fired.get() + 1);
        rt::task::raise(line.event.bits());
    }
}

/// Notices when it does not fire although it is raised: then a driver did not acknowledge it.
async fn watch<C: Call + 'static>(line: Rc<Line<C>>) {
    loop {
        line.event.wait().await;
        loop {
            let fired = line.fired.get();
            kit::sleep(STUCK).await;
            if line.fired.get() != fired {
                continue;
            }
            let raising = line.bus.borrow_mut().raising(line.number);
            let Some(at) = raising.first() else { break };
            match line.devices.stuck(line.number) {
                Ok(0) => {}
                Ok(drivers) => log::error!("{at} and its line were not served: ended {drivers} that held it"),
                Err(error) => log::error!("devmgr: {error}"),
            }
            break;
        }
    }
}
