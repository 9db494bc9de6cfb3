//! serial: bytes in and out of a terminal line.

use crate::{Bytes, Client, Signal};

/// Bytes in and out of a terminal line.
#[crate::protocol(name = "serial", version = 1)]
pub trait Serial {
    /// Begins a session, in the place of the one this client had. It is signalled when input arrives, and when there is room again
    /// after a write that was cut short.
    #[method(1)]
    fn attach(&mut self, client: Client, signal: Signal) -> Result<(), Status>;

    /// Offers bytes; says how many were taken. Fewer than given: there is no room for the rest now.
    #[method(2)]
    fn write(&mut self, client: Client, data: Data) -> Result<u32, Status>;

    /// The bytes that have arrived, at most `most` of them; none: nothing has.
    #[method(3)]
    fn read(&mut self, client: Client, most: u32) -> Result<Data, Status>;
}

crate::statuses! {
    /// No `attach` came before.
    NotAttached = 1, "not attached to the line";
    /// Other components have all the sessions.
    TooManySessions = 2, "the line serves no more clients";
}

/// Most bytes of a write or a read.
pub const MAX_BYTES: usize = 504;

/// The bytes of a write or a read.
pub type Data = Bytes<MAX_BYTES>;
