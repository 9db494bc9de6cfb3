//! Telling devmgr what was found.

use ipc::Call;
use ipc::devices::{DevicesClient, Function};

use crate::{Address, Fault};

/// Tells it of all functions; what is wrong with one is said in the log, and keeps no other from being told.
pub fn tell(devices: &DevicesClient<impl Call>, found: &[Result<Function, Fault>]) {
    for found in found {
        match found {
            Err(fault) => log::error!("{fault}"),
            Ok(it) => {
                if let Err(error) = devices.found(*it) {
                    log::error!("{}: {error}", Address(it.address));
                }
            }
        }
    }
}
