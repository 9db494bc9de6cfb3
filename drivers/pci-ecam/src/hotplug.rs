//! Devices that come and go while the machine runs.

use alloc::rc::Rc;
use core::time::Duration;

use ipc::devices::{DevicesClient, Status};
use ipc::{Call, Error};
use kit::{Event, Shared};

use crate::Bus;
use crate::config::Address;
use crate::report::tell_of;
use crate::slot::Change;

/// How long a link may take until it is active, and how long a device may take after that (Base Specification 5.0, 6.6.1).
const LINK: Duration = Duration::from_secs(1);
const READY: Duration = Duration::from_millis(100);
/// How long a command to a slot may take (7.5.3.10 leaves it a second; an event that is seen late is seen by the next interrupt).
const COMMAND: Duration = Duration::from_millis(20);
/// How often the link is looked at meanwhile.
const LOOKS: u32 = 20;

/// Serves the slots for ever. `event`: something happened at one.
pub async fn serve<C: Call>(devices: Rc<DevicesClient<C>>, bus: Shared<Bus>, event: Event) {
    start(&devices, &bus);
    loop {
        event.wait().await;
        loop {
            let next = bus.borrow_mut().next_change();
            let Some((port, change)) = next else { break };
            match change {
                Change::None => {}
                Change::Leaves => leave(&devices, &bus, port),
                Change::Comes => come(&devices, &bus, port).await,
            }
            // An event that comes with the end of a command may not interrupt (QEMU 7.2 does not).
            kit::sleep(COMMAND).await;
            bus.borrow_mut().look(port);
        }
    }
}

/// Has the ports interrupt.
fn start(devices: &DevicesClient<impl Call>, bus: &Shared<Bus>) {
    let slots = bus.borrow_mut().slots();
    for (port, (device, pin)) in slots {
        match devices.line(device, pin) {
            Ok(Some(line)) => {
                forget(devices, &bus.borrow_mut().nothing_at(port));
                bus.borrow_mut().listen(port, line);
            }
            Ok(None) => log::warn!("{port}: it has no interrupt: devices behind it cannot come and go"),
            Err(error) => log::error!("{port}: {error}"),
        }
    }
}

/// These are not there. Of a function that was no good devmgr does not know.
fn forget(devices: &DevicesClient<impl Call>, nothing: &[Address]) {
    for at in nothing {
        match devices.gone(at.0) {
            Ok(()) => log::warn!("{at}: it is gone"),
            Err(Error::Status(Status::NoNode)) => {}
            Err(error) => log::error!("{at}: {error}"),
        }
    }
}

/// What is behind a port has no driver any more, and no power.
fn leave(devices: &DevicesClient<impl Call>, bus: &Shared<Bus>, port: Address) {
    // While they are quiet, their drivers end.
    let gone = bus.borrow_mut().take_behind(port);
    forget(devices, &gone);
    bus.borrow_mut().power(port, false);
}

/// What is behind a port has power, and drivers.
async fn come<C: Call>(devices: &DevicesClient<C>, bus: &Shared<Bus>, port: Address) {
    bus.borrow_mut().power(port, true);
    for _ in 0..LOOKS {
        if bus.borrow_mut().is_active(port) {
            break;
        }
        kit::sleep(LINK / LOOKS).await;
    }
    kit::sleep(READY).await;
    let new = bus.borrow_mut().plug(port);
    if new.is_empty() {
        log::warn!("{port}: a device came, and answers nothing");
    }
    for index in new {
        tell_of(devices, &mut bus.borrow_mut(), index);
    }
}
