//! The endpoint of every service: init creates it and keeps it, so that it outlives its servers. A protocol's first server is
//! the service of that name, the next `NAME.1`, and so on.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use rt::{Badge, Cap, Endpoint, Kind, Rights, SyscallError, TABLE};

use crate::Fatal;
use crate::memory::{Memory, slot};

/// Most servers of a protocol.
pub const MOST: usize = 4;

/// Why a service's endpoint is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Closed {
    /// The machine has no device for its server.
    NoDevice = 1,
    /// Its server crashed too often or ended.
    GivenUp = 2,
}

struct Service {
    name: String,
    endpoint: Cap<Endpoint>,
    /// A component is its server, whether it runs or not.
    served: bool,
    /// Nobody ever will.
    hopeless: bool,
}

/// All services of the bundle.
#[derive(Default)]
pub struct Services(Vec<Service>);

/// The service of a protocol's server with this index.
pub fn service(protocol: &str, index: usize) -> String {
    if index == 0 { protocol.into() } else { format!("{protocol}.{index}") }
}

/// Whether what a manifest says in `uses` means this service: `NAME*` are all of a protocol.
pub fn means(used: &str, name: &str) -> bool {
    match used.strip_suffix('*') {
        None => used == name,
        Some(protocol) => (0..MOST).any(|index| service(protocol, index) == name),
    }
}

/// The services that are meant by what a manifest says in `uses`.
pub fn meant(used: &str) -> impl Iterator<Item = String> {
    let (protocol, count) = used.strip_suffix('*').map_or((used, 1), |protocol| (protocol, MOST));
    (0..count).map(move |index| service(protocol, index))
}

impl Services {
    /// Creates the endpoint of a service, if it has none yet.
    ///
    /// # Errors
    /// No memory for it.
    pub fn declare(&mut self, name: &str, memory: &mut Memory) -> Result<(), Fatal> {
        if self.find(name).is_none() {
            let endpoint = memory.object(Kind::Endpoint).map_err(|error| format!("endpoint of `{name}`: {error}"))?;
            self.0.push(Service { name: name.into(), endpoint, served: false, hopeless: false });
        }
        Ok(())
    }

    /// Takes this service for a server, unless another has it.
    pub fn claim(&mut self, name: &str) -> bool {
        let service = self.0.iter_mut().find(|service| service.name == name && !service.served);
        service.map(|service| service.served = true).is_some()
    }

    /// Takes the first service of a protocol that no server has.
    ///
    /// # Errors
    /// All have one, or there is no memory for another.
    pub fn claim_next(&mut self, protocol: &str, memory: &mut Memory) -> Result<String, Fatal> {
        for index in 0..MOST {
            let name = service(protocol, index);
            self.declare(&name, memory)?;
            if self.claim(&name) {
                return Ok(name);
            }
        }
        Err(format!("`{protocol}` has {MOST} servers already"))
    }

    /// Gives services back that were claimed.
    pub fn disclaim(&mut self, names: &[String]) {
        self.0.iter_mut().filter(|service| names.contains(&service.name)).for_each(|service| service.served = false);
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
    pub fn close(&mut self, name: &str, why: Closed) {
        if let Some(service) = self.0.iter_mut().find(|service| service.name == name) {
            service.hopeless = why == Closed::GivenUp;
            let _ = service.endpoint.close(why as u32);
        }
    }

    /// Closes the services that have no server. One that was closed because its server was given up stays so.
    pub fn close_unserved(&mut self) {
        for service in self.0.iter().filter(|service| !service.served && !service.hopeless) {
            let _ = service.endpoint.close(Closed::NoDevice as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_protocol_are_counted() {
        assert_eq!((service("block", 0), service("block", 2)), ("block".into(), "block.2".into()));
        assert_eq!(meant("block").collect::<Vec<_>>(), ["block"]);
        assert_eq!(meant("block*").collect::<Vec<_>>(), ["block", "block.1", "block.2", "block.3"]);
        assert!(means("block", "block") && !means("block", "block.1") && !means("block*", "blocks"));
        assert!(means("block*", "block") && means("block*", "block.3") && !means("block*", "block.4"));
    }
}
