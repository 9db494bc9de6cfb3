//! Protocols between components. Each is written once, as a documented trait:
//!
//! ```
//! /// The time of day.
//! #[ipc::protocol(name = "clock", version = 1)]
//! pub trait Clock {
//!     /// Seconds since 1970-01-01 00:00:00 UTC.
//!     #[method(1)]
//!     fn now(&mut self) -> Result<u64, Status>;
//! }
//!
//! ipc::statuses! {
//!     /// The battery is empty.
//!     NoPower = 1, "no power: the clock's battery is empty";
//! }
//!
//! // A server implements the trait,
//! struct Fixed(u64);
//!
//! impl Clock for Fixed {
//!     fn now(&mut self) -> Result<u64, Status> {
//!         Ok(self.0)
//!     }
//! }
//!
//! // a client calls its methods on whatever carries calls: an endpoint, or a server in the same test.
//! let clock = ClockClient(ipc::Loopback::new(ClockServer(Fixed(77))));
//! assert_eq!(clock.now(), Ok(77));
//! ```
//!
//! - Arguments and results are values of messages ([`Wire`]): integers, `bool`, enums and structs that derive it, [`Text`] and
//!   [`Bytes`] up to a length, capabilities as types ([`Owned`], [`Signal`], [`Buffer`]), and tuples of these. What fits into
//!   eight words stays in registers.
//! - An argument `client: Client` in front of the others tells the server who calls; the client does not send it.
//! - A method's number is permanent. To add a method is compatible; anything else is a new `version`. The layouts that were
//!   released stand in `released/`, and a test compares.
//! - A server never waits for hardware in a method: it notes what is to be done, and wakes the client with a [`Signal`] when it
//!   is. Interrupts, timers and the work between are tasks ([`rt::task`]) beside [`serve`], the loop of a process.
//! - Data goes through [`ring`]s in shared memory, control through calls.
//!
//! Words from the ninth on and capability slots live in the thread's one message page, which the next message overwrites:
//! requests are sent right after they are encoded, and decoded before anything else is called.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
extern crate self as ipc;

mod call;
mod codec;
#[cfg(not(target_os = "none"))]
pub mod fuzz;
mod incoming;
mod outgoing;
mod owned;
mod protocol;
mod server;
mod session;
mod status;
pub mod window;
mod wire;

pub mod block;
pub mod broker;
pub mod clock;
pub mod devices;
pub mod display;
pub mod entropy;
pub mod file;
pub mod gpio;
pub mod input;
pub mod log;
pub mod net;
pub mod pci;
pub mod pins;
pub mod ring;
pub mod serial;
pub mod supervisor;
pub mod surface;
pub mod trace;

pub use call::{Call, Error, GIVEN_UP, Loopback, NO_DEVICE, refusal};
pub use codec::{Bytes, Text};
pub use incoming::{Incoming, Source};
pub use ipc_macros::{Wire, protocol};
pub use outgoing::{Outgoing, Registers, Sink, TooLong};
#[cfg(not(target_os = "none"))]
pub use owned::fake;
pub use owned::{Buffer, Owned, Signal, SignalOn, discard};
pub use protocol::{Field, Method, Protocol, Shape, hash};
pub use server::{Client, Dispatch, Shared, answer, bad_message, bad_words, run, serve, serve_on, unknown};
pub use session::{NoSession, Sessions};
pub use status::{StatusLabel, common};
pub use window::{WindowError, signal_only};
pub use wire::{Laid, OfKind, Size, Wire, caps, fitting, in_registers, put_layout, sum, take_layout, words};

/// All protocols of this crate, for the documents and for the check of what was released.
pub const PROTOCOLS: &[&Protocol] = &[
    &block::BLOCK,
    &broker::BROKER,
    &clock::CLOCK,
    &devices::DEVICES,
    &display::DISPLAY,
    &entropy::ENTROPY,
    &file::FILE,
    &gpio::GPIO,
    &input::INPUT,
    &log::LOG,
    &net::NET,
    &pci::PCI,
    &pins::PINS,
    &serial::SERIAL,
    &supervisor::SUPERVISOR,
];

/// Bit that the supervisor signals on the Notification (slot 9) of every component that uses a protocol whose server
/// has just ended: completions it still owed will not come, and its sessions are gone.
pub const SERVER_ENDED: u64 = 1 << 63;

/// Bit that the supervisor signals on the Notification (slot 9) of every component that serves a protocol which a component that
/// has just ended uses, whether it called or not.
pub const CLIENT_ENDED: u64 = 1 << 60;

#[cfg(test)]
mod tests;
