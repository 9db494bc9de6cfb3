//! Telling devmgr what was found.

use alloc::rc::Rc;
use alloc::vec::Vec;

use ipc::Call;
use ipc::devices::{DevicesClient, Function, Route, Status};
use kit::{Event, Shared};

use crate::bus::Driver;
use crate::{Address, Bus};

/// Tells devmgr now, and whenever it was started again, as its successor knows nothing; and makes functions quiet whose driver
/// died.
///
/// # Errors
/// Another task waits for who ended.
pub fn keep_told<C: Call + 'static>(devices: &Rc<DevicesClient<C>>, bus: &Shared<Bus>) -> kit::Result<()> {
    let (server, client) = (Event::server_ended()?, Event::client_ended()?);
    let (asked, told) = (devices.clone(), bus.clone());
    kit::spawn(async move {
        loop {
            tell(&asked, &mut told.borrow_mut());
            server.wait().await;
        }
    });
    let (asked, kept) = (devices.clone(), bus.clone());
    kit::spawn(async move {
        loop {
            client.wait().await;
            quiet_the_dead(&asked, &mut kept.borrow_mut());
        }
    });
    Ok(())
}

/// Tells it of all functions, gives each to the driver that it says, and tells it that this was all. What is wrong with one is
/// said in the log, and keeps no other from being told.
pub(crate) fn tell(devices: &DevicesClient<impl Call>, bus: &mut Bus) {
    (0..bus.found().len()).for_each(|index| tell_of(devices, bus, index));
    if let Err(error) = devices.scanned() {
        log::error!("devmgr: {error}");
    }
    quiet_the_dead(devices, bus);
}

/// The same of one of what was found.
pub(crate) fn tell_of(devices: &DevicesClient<impl Call>, bus: &mut Bus, index: usize) {
    match bus.found().get(index) {
        Some(Ok(function)) => {
            let (function, at) = (*function, Address(function.address));
            match driver(devices, function, bus.route(&function), bus.pin(&function)) {
                Ok(driver) => bus.give(at, driver),
                Err(error) => log::error!("{at}: {error}"),
            }
        }
        Some(Err(fault)) => log::error!("{fault}"),
        None => {}
    }
}

/// Drivers have ended: those that devmgr says do not run leave their functions quiet.
pub(crate) fn quiet_the_dead(devices: &DevicesClient<impl Call>, bus: &mut Bus) {
    let drivers: Vec<u32> = bus.drivers().collect();
    for component in drivers {
        match devices.is_running(component) {
            Ok(true) => {}
            Ok(false) => bus.ended(component),
            Err(error) => log::error!("devmgr: {error}"),
        }
    }
}

/// Who drives a function.
fn driver(
    devices: &DevicesClient<impl Call>,
    function: Function,
    route: Option<Route>,
    (device, pin): (u16, u8),
) -> Result<Option<Driver>, ipc::Error<Status>> {
    let component = match route {
        None => devices.found(function)?,
        Some(route) => devices.found_behind(function, route)?,
    };
    let Some(component) = component else { return Ok(None) };
    Ok(Some(Driver { component, may_master: devices.may_master(component)?, line: devices.line(device, pin)? }))
}
