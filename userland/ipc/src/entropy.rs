//! entropy: bytes that nobody can guess.

use crate::{Bytes, Client, Signal};

/// Random bytes, fit for keys. No byte is given out twice.
///
/// Each client has a share of its own, which is filled as the source brings bytes, in turn with those of the others: whoever
/// reads without end empties its own alone.
#[crate::protocol(name = "entropy", version = 1)]
pub trait Entropy {
    /// Begins a session, in the place of the one this client had, whose share it keeps. It is signalled when there are bytes
    /// again after a read that was cut short.
    #[method(1)]
    fn attach(&mut self, client: Client, signal: Signal) -> Result<(), Status>;

    /// At most `most` bytes. Fewer, or none: the share has no more now.
    #[method(2)]
    fn read(&mut self, client: Client, most: u32) -> Result<Data, Status>;
}

crate::statuses! {
    /// No `attach` came before.
    NotAttached = 1, "not attached to the source of random bytes";
    /// Other components have all the sessions.
    TooManySessions = 2, "the source of random bytes serves no more clients";
    /// The source has failed, or what it brought was not random.
    DeviceError = 3, "the source of random bytes has failed";
}

/// Most bytes of a read.
pub const MAX_BYTES: usize = 504;

/// The bytes of a read.
pub type Data = Bytes<MAX_BYTES>;
