//! The endpoint of every service: init creates it and keeps it, so that it outlives its servers.

use alloc::vec::Vec;

use rt::{Badge, Cap, Endpoint, Kind, Rights, SyscallError, TABLE};

use crate::Fatal;
use crate::memory::{Memory, slot};

/// Why a service's endpoint is closed.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Closed {
    /// The machine has no device for its server.
    NoDevice = 1,
    /// Its server crashed too often or ended.
    GivenUp = 2,
}

struct Service {
    name: &'static str,
    endpoint: Cap<Endpoint>,
}

/// All services of the bundle.
#[derive(Default)]
pub struct Services(Vec<Service>);

impl Services {
    /// Creates the endpoint of a service, if it has none yet.
    ///
    /// # Errors
    /// No memory for it.
    pub fn declare(&mut self, name: &'static str, memory: &mut Memory) -> Result<(), Fatal> {
        if self.find(name).is_none() {
            let endpoint =
                memory.object(Kind::Endpoint).map_err(|error| alloc::format!("endpoint of `{name}`: {error}"))?;
            self.0.push(Service { name, endpoint });
        }
        Ok(())
    }

    /// The endpoint of a service.
    pub fn find(&self, name: &str) -> Option<Cap<Endpoint>> {
        self.0.iter().find(|service| service.name == name).map(|service| service.endpoint)
    }

    /// The capability that a server instance's own is derived from: revoking it takes the server's and all sessions it
    /// handed out.
    pub fn for_instance(&self, name: &str) -> Result<u32, SyscallError> {
        let endpoint = self.find(name).ok_or(SyscallError::from(rt::ErrorCode::EmptySlot))?;
        let derived = slot()?;
        TABLE.copy(derived, TABLE, endpoint.slot(), Rights::all_of(Kind::Endpoint), Badge(0)).map(|()| derived)
    }

    /// Opens a service for calls.
    pub fn open(&self, name: &str) {
        if let Some(endpoint) = self.find(name) {
            let _ = endpoint.open();
        }
    }

    /// Closes a service: nobody will answer.
    pub fn close(&self, name: &str, why: Closed) {
        if let Some(endpoint) = self.find(name) {
            let _ = endpoint.close(why as u32);
        }
    }
}
