//! block: sectors of 512 bytes, read and written through a buffer both sides share.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::ring::{Asked, Pair, Served};
use crate::{Buffer, Client, Signal, Wire};

/// Sectors of 512 bytes, whatever the device's own block size is.
///
/// A client attaches with a buffer. Its first page holds two rings: requests, which the client puts in, and completions, which
/// the server puts in; the data lies from the second page on. The client puts requests in and calls `submit`, once for as many
/// as it likes. A request is done when its completion is there, in whatever order the device likes; the client is signalled
/// after the last of several. As many requests as the ring has places may be under way; one more is taken when a completion was
/// taken out.
///
/// ```text
/// +0       ring of 64 requests:    u64 sector, u32 sectors, u32 offset, u32 tag, u32 operation
/// +2048    ring of 64 completions: u32 tag, u32 status (0: done)
/// +4096    data
/// ```
#[crate::protocol(name = "block", version = 1)]
pub trait Block {
    /// What the device is.
    #[method(1)]
    fn info(&mut self) -> Result<Info, Status>;

    /// Begins a session with a buffer, of which the Frame can be read, written and used for DMA, and a signal for completions. It
    /// takes the place of the session this client had, whose requests may still be carried out but complete nowhere.
    #[method(2)]
    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status>;

    /// There are requests in the ring.
    #[method(3)]
    fn submit(&mut self, client: Client) -> Result<(), Status>;
}

crate::statuses! {
    /// No `attach` came before, or it came to a server that has ended since.
    NotAttached = 1, "not attached to the block device";
    /// The counts of the session's rings cannot be: it was ended.
    BadRing = 2, "the rings of the session are broken: it was ended";
    /// Other components have all the sessions.
    TooManySessions = 3, "the block device serves no more clients";
    /// The device failed and takes no requests any more.
    DeviceError = 4, "the block device does not answer";
}

/// Bytes of a sector, whatever the device's own block size is.
pub const SECTOR: usize = 512;
/// Places of a ring: at most so many requests may be under way.
pub const PLACES: usize = 64;
/// First byte of the shared buffer that is data.
pub const DATA: usize = 4096;

/// The rings, in the first page of the shared buffer.
pub const RINGS: Pair<Request, Completion, PLACES> = Pair::new(0, 2048, DATA);
/// The client's ends of the rings.
pub type ClientRings = Asked<Request, Completion, PLACES>;
/// The server's ends of the rings.
pub type ServerRings = Served<Request, Completion, PLACES>;

/// What the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Info {
    /// Sectors of [`SECTOR`] bytes.
    pub sectors: u64,
    /// It cannot be written.
    pub read_only: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Operation {
    /// From the device to the buffer.
    Read = 0,
    /// From the buffer to the device, which may keep it in a cache of its own.
    Write = 1,
    /// Onto the medium with everything whose completion was there before; `sector`, `sectors` and `offset` are 0.
    Flush = 2,
}

/// Sectors to or from a place of the shared buffer. What a client puts in is checked with [`Request::check`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Request {
    /// First sector.
    pub sector: u64,
    /// How many, at least one; 0 for a flush.
    pub sectors: u32,
    /// First byte in the shared buffer: from [`DATA`] on, a multiple of [`SECTOR`].
    pub offset: u32,
    /// Repeated by the completion.
    pub tag: u32,
    /// [`Operation`].
    pub operation: u32,
}

/// A request that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Completion {
    /// The tag of the request.
    pub tag: u32,
    /// 0: done; else one of [`outcome`], or below 256 the device's own number.
    pub status: u32,
}

/// What a completion says.
pub mod outcome {
    /// Done.
    pub const DONE: u32 = 0;
    /// The device failed.
    pub const DEVICE_FAILED: u32 = 0x100;
    /// Sectors past the end of the device, or bytes outside the shared buffer.
    pub const RANGE: u32 = 0x101;
    /// The device cannot be written.
    pub const READ_ONLY: u32 = 0x102;
    /// No such operation.
    pub const OPERATION: u32 = 0x103;
    /// The device's own blocks are larger than a sector, and the sectors do not begin and end with such blocks.
    pub const ALIGNMENT: u32 = 0x104;
}

impl Request {
    /// Bytes of its data.
    pub const fn bytes(&self) -> usize {
        self.sectors as usize * SECTOR
    }

    /// Whether a server can carry it out, on such a device and with a buffer of `bytes` bytes.
    ///
    /// # Errors
    /// One of [`outcome`].
    pub fn check(&self, info: Info, bytes: usize) -> Result<Operation, u32> {
        let end = self.sector.checked_add(self.sectors.into());
        let last = (self.sectors as usize).checked_mul(SECTOR).and_then(|data| data.checked_add(self.offset as usize));
        let fits = self.sectors > 0
            && end.is_some_and(|end| end <= info.sectors)
            && last.is_some_and(|last| last <= bytes)
            && self.offset as usize >= DATA
            && (self.offset as usize).is_multiple_of(SECTOR);
        match self.operation {
            2 if (self.sector, self.sectors, self.offset) == (0, 0, 0) => Ok(Operation::Flush),
            _ if !fits => Err(outcome::RANGE),
            0 => Ok(Operation::Read),
            1 if info.read_only => Err(outcome::READ_ONLY),
            1 => Ok(Operation::Write),
            _ => Err(outcome::OPERATION),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: Info = Info { sectors: 1, read_only: true };

    #[test]
    fn requests_are_checked() {
        let good = Request { sectors: 1, offset: 4096, ..Request::default() };
        assert_eq!(good.check(INFO, 4608), Ok(Operation::Read));
        for bad in [
            Request { sectors: 0, ..good },
            Request { sector: 1, ..good },
            Request { sector: u64::MAX, ..good },
            Request { sectors: u32::MAX, ..good },
            Request { offset: 0, ..good },
            Request { offset: 4097, ..good },
            Request { offset: 4608, ..good },
            Request { offset: !511, ..good },
        ] {
            assert_eq!(bad.check(INFO, 4608), Err(outcome::RANGE), "{bad:?}");
        }
        assert_eq!(Request { operation: 1, ..good }.check(INFO, 4608), Err(outcome::READ_ONLY));
        assert_eq!(Request { operation: 3, ..good }.check(INFO, 4608), Err(outcome::OPERATION));
        let flush = Request { operation: Operation::Flush as u32, ..Request::default() };
        assert_eq!(flush.check(INFO, 4608), Ok(Operation::Flush));
        assert!(Request { sectors: 1, offset: 4096, ..flush }.check(INFO, 4608).is_err(), "it names no sectors");
    }
}
