//! Telling devmgr what was found.

use ipc::Call;
use ipc::devices::{DevicesClient, Function};

use crate::{Address, Ecam, Fault, allow_interrupt};

/// Tells it of all functions, and lets those interrupt that have a driver. What is wrong with one is said in the log, and keeps no
/// other from being told.
pub fn tell(devices: &DevicesClient<impl Call>, ecam: &Ecam, found: &[Result<Function, Fault>]) {
    for found in found {
        match found {
            Err(fault) => log::error!("{fault}"),
            Ok(it) => match devices.found(*it) {
                Ok(driver) => allow_interrupt(ecam, Address(it.address), driver.is_some()),
                Err(error) => log::error!("{}: {error}", Address(it.address)),
            },
        }
    }
}
