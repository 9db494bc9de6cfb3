//! The protocols between components, one module each: method numbers, what a request and an answer look like on the
//! wire, a typed client, and the decoder a server puts in front of its logic.
//!
//! A client is a struct around its endpoint, `Serial(cap)`; its methods return the answer or an [`Error`]. A server
//! calls `Request::decode` on whatever arrives: it copies what it needs out of the message and answers anything it
//! cannot read with a [`serial::Status`] and its like. Encoder and decoder of a message stand side by side.
//!
//! Words from the ninth on and capability slots live in the thread's one message page, which the next system call
//! overwrites: requests are sent right after they are encoded, and decoded before anything else is called.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
// A request that carries text is decoded, served and gone; boxing it would only cost an allocation.
#![allow(clippy::large_enum_variant)]

mod call;
mod codec;
mod session;
mod status;
mod window;

pub mod block;
pub mod file;
pub mod log;
pub mod serial;
pub mod supervisor;
pub mod trace;

pub use call::{Call, Error, Loopback};
pub use codec::{Bytes, Text};
pub use session::{NoSession, Sessions};
pub use status::StatusLabel;
pub use window::{CapWindow, WindowError, discard, signal_only};

/// Bit that the supervisor signals on the Notification (slot 9) of every component that uses a protocol whose server
/// has just ended: completions it still owed will not come, and its sessions are gone.
pub const SERVER_ENDED: u64 = 1 << 63;

#[cfg(test)]
mod fuzz;
