//! A function of PCI, for its driver: configuration space, which the driver of its host bridge has, and what the function says it
//! can do. Its registers are [`Mmio`] blocks `bar0` to `bar5`, its interrupt line is `intx`.
//!
//! ```no_run
//! # use tutti_kit as kit;
//! # fn run(env: &rt::Env) -> Result<(), kit::Error> {
//! let function = kit::pci::Function::open(env)?;
//! let registers = kit::mmio::Mmio::named(env, "bar0")?;
//! // … what is in the registers is set up …
//! function.set_master(true)?;
//! # Ok(())
//! # }
//! ```

mod messages;

use alloc::vec::Vec;
use core::fmt;

use ipc::pci::{PciClient, Status};
use ipc::{Call, Error as CallFailed};
use rt::{Cap, Endpoint, Env, ErrorCode};

use crate::error::{Cause, Error};
#[cfg(doc)]
use crate::mmio::Mmio;

/// The host bridges that a driver may be behind: `uses = ["pci*"]`.
const BRIDGES: [&str; 4] = ["use:pci", "use:pci.1", "use:pci.2", "use:pci.3"];
/// How often a call is made again whose server died meanwhile. All of them can be.
const TRIES: usize = 3;

/// Command and status, and the bit of the status that says that there is a list.
const COMMAND: u16 = 0x04;
const HAS_LIST: u32 = 1 << 20;
/// Where the list begins.
const FIRST: u16 = 0x34;
/// The first byte behind the header.
const HEADER_END: u16 = 0x40;

/// The function that this component drives.
#[derive(Debug)]
pub struct Function<C>(PciClient<C>);

impl Function<Cap<Endpoint>> {
    /// Finds the host bridge that the function is behind.
    ///
    /// # Errors
    /// The manifest does not say `uses = ["pci*"]`; there is no such bridge, or its driver does not run any more.
    pub fn open(env: &Env) -> Result<Self, Error> {
        let mut failed = Error::new("use:pci", Cause::Missing);
        for name in BRIDGES {
            let Ok(bridge) = env.cap(name) else { break };
            let function = Self(PciClient(bridge));
            match function.read(0) {
                Ok(_) => return Ok(function),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

impl<C: Call> Function<C> {
    /// The function that whatever carries calls leads to.
    pub const fn new(client: PciClient<C>) -> Self {
        Self(client)
    }

    /// 32 bits of its configuration space, at a multiple of 4 below 4096.
    ///
    /// # Errors
    /// It is gone, or there is no such register.
    pub fn read(&self, register: u16) -> Result<u32, Error> {
        again(|| self.0.read(register))
    }

    /// Writes 32 bits, of which those arrive that are the driver's ([`ipc::pci::Pci::write`]).
    ///
    /// # Errors
    /// As [`Self::read`]; none of the register's bits is the driver's.
    pub fn write(&self, register: u16, value: u32) -> Result<(), Error> {
        again(|| self.0.write(register, value))
    }

    /// Lets it read and write memory, or no longer.
    ///
    /// # Errors
    /// It is gone, or the manifest does not say `dma = true`.
    pub fn set_master(&self, on: bool) -> Result<(), Error> {
        again(|| self.0.set_master(on))
    }

    /// Makes it quiet: it masters no bus and sends no messages.
    ///
    /// # Errors
    /// It is gone.
    pub fn reset(&self) -> Result<(), Error> {
        again(|| self.0.reset())
    }

    /// What it can do beyond its header, in the order of its list.
    ///
    /// # Errors
    /// It is gone, or its list is none.
    pub fn capabilities(&self) -> Result<Vec<Capability>, Error> {
        capabilities(|register| self.read(register))
    }
}

fn again<T>(mut call: impl FnMut() -> Result<T, CallFailed<Status>>) -> Result<T, Error> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match call() {
            Err(CallFailed::Call(failed)) if failed.error.code == ErrorCode::PeerGone && tries > 0 => {}
            result => return result.map_err(|error| Error::new("use:pci", Cause::Pci(error))),
        }
    }
}

/// A capability (PCI Local Bus Specification 3.0, 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Which.
    pub id: u8,
    /// Its first register, from 0x40 on and below 0x100.
    pub at: u16,
}

/// A list that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadList {
    /// It leads into the header.
    Header(u16),
    /// It runs in a circle.
    Circle(u16),
}

impl fmt::Display for BadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(at) => write!(f, "the list of capabilities leads into the header, to {at:#x}"),
            Self::Circle(at) => write!(f, "the list of capabilities comes to {at:#x} twice"),
        }
    }
}

impl From<BadList> for Error {
    fn from(bad: BadList) -> Self {
        Self::new("configuration space", Cause::List(bad))
    }
}

/// The capabilities of a function whose configuration space `read` reads, in the order of its list.
///
/// # Errors
/// [`BadList`], and those of `read`.
pub fn capabilities<E: From<BadList>>(mut read: impl FnMut(u16) -> Result<u32, E>) -> Result<Vec<Capability>, E> {
    let mut list: Vec<Capability> = Vec::new();
    if read(COMMAND)? & HAS_LIST == 0 {
        return Ok(list);
    }
    let pointer = |word: u32| word as u16 & 0xfc;
    let mut next = pointer(read(FIRST)?);
    while next != 0 {
        if next < HEADER_END {
            return Err(BadList::Header(next).into());
        }
        // So that it ends: there are 48 places.
        if list.iter().any(|it| it.at == next) {
            return Err(BadList::Circle(next).into());
        }
        let word = read(next)?;
        list.push(Capability { id: word as u8, at: next });
        next = pointer(word >> 8);
    }
    Ok(list)
}
