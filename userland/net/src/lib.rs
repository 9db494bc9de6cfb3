//! A network interface for those who use it: [`Frames`], which a [`Port`] implements over the protocol `net`, and with the
//! feature `smoltcp` the adaptor that makes a device of `smoltcp` of it.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(not(target_os = "none"))]
mod cable;
mod frames;
mod port;

#[cfg(not(target_os = "none"))]
pub use cable::{Cable, cable};
pub use frames::Frames;
#[cfg(feature = "smoltcp")]
pub use frames::{Incoming, Outgoing, Phy};
pub use ipc::net::LONGEST;
pub use port::{OpenError, Port};
