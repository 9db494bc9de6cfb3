//! block: sectors of 512 bytes, read and written through a buffer both sides share. A request is accepted at once; that
//! it is done is told by an entry in the completion ring at the start of the buffer, and a signal.

use rt::{Cap, Endpoint, Frame, Message, Notification};

use crate::call::{Call, Error, ask};
use crate::codec::{small, words};
use crate::status::statuses;

mod ring;

pub use ring::{BadRing, Completion, DATA, RingReader, RingWriter, SLOTS};

/// Method numbers; permanent.
pub mod method {
    /// → word 0 = sectors, word 1 = flags ([`super::READ_ONLY`]).
    pub const INFO: u32 = 1;
    /// Capability 0 = Frame (read, write, DMA), capability 1 = Notification (signal), word 0 = pages of the Frame, word 1
    /// = bits. The Frame begins with the completion ring ([`super::RingReader`]); data lies from [`super::DATA`] on.
    pub const ATTACH: u32 = 2;
    /// Word 0 = first sector, word 1 = sectors, word 2 = byte of the Frame the data goes to (at least [`super::DATA`], a
    /// multiple of 512), word 3 = tag (32 bits), which the completion repeats. The answer says that it was accepted.
    pub const READ: u32 = 3;
    /// As READ, from the Frame to the device.
    pub const WRITE: u32 = 4;
}

/// Bytes of a sector, whatever the device's own block size is.
pub const SECTOR: usize = 512;
/// Flag of INFO: the device cannot be written.
pub const READ_ONLY: u64 = 1;

statuses! {
    /// No ATTACH came before, or it came to a server that has ended since.
    NotAttached = 1, "not attached to the block device";
    /// So many requests are under way that this one has no place: wait for a completion.
    Full = 2, "the block device's queue is full";
    /// Sectors past the end of the device, or bytes outside the shared buffer.
    Range = 3, "sectors or buffer out of range";
    /// WRITE to a device that cannot be written.
    ReadOnly = 4, "the block device is read-only";
    /// Other components have all the sessions.
    TooManySessions = 5, "the block device serves no more clients";
    /// A capability that ATTACH needs did not arrive, or could not be used.
    BadCapability = 6, "the server could not use the buffer or the notification";
    /// The device failed and takes no requests any more.
    DeviceError = 7, "the block device does not answer";
}

/// What failed on the client's side.
pub type Result<T> = core::result::Result<T, Error<Status>>;

/// What the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Sectors of [`SECTOR`] bytes.
    pub sectors: u64,
    /// It cannot be written.
    pub read_only: bool,
}

impl Info {
    /// The answer to INFO.
    pub fn encode(&self) -> Message {
        Message::new(0, [self.sectors, if self.read_only { READ_ONLY } else { 0 }])
    }

    fn decode(answer: &Message) -> Option<Self> {
        words(answer, 2).map(|()| Self { sectors: answer.word(0), read_only: answer.word(1) & READ_ONLY != 0 })
    }
}

/// Which sectors go to or come from which place of the shared buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// First sector.
    pub sector: u64,
    /// How many.
    pub sectors: u32,
    /// First byte in the shared buffer.
    pub offset: u32,
    /// Repeated by the completion.
    pub tag: u32,
}

impl Transfer {
    fn encode(&self, method: u32) -> Message {
        Message::new(method, [self.sector, self.sectors.into(), self.offset.into(), self.tag.into()])
    }

    fn decode(message: &Message) -> Option<Self> {
        words(message, 4)?;
        Some(Self {
            sector: message.word(0),
            sectors: small(message, 1)?,
            offset: small(message, 2)?,
            tag: small(message, 3)?,
        })
    }

    /// Whether it is a transfer that a server can carry out: at least a sector, all of them on a device of `sectors`
    /// sectors, and data inside a buffer of `bytes` bytes, behind the ring and at a multiple of 512.
    ///
    /// # Errors
    /// `Range`.
    pub fn check(&self, sectors: u64, bytes: usize) -> core::result::Result<(), Status> {
        let end = self.sector.checked_add(self.sectors.into());
        let last = (self.sectors as usize).checked_mul(SECTOR).and_then(|data| data.checked_add(self.offset as usize));
        let fits = self.sectors > 0
            && end.is_some_and(|end| end <= sectors)
            && last.is_some_and(|last| last <= bytes)
            && self.offset as usize >= DATA
            && (self.offset as usize).is_multiple_of(SECTOR);
        fits.then_some(()).ok_or(Status::Range)
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`method::INFO`].
    Info,
    /// See [`method::ATTACH`].
    Attach {
        /// Pages of the Frame, as the client claims.
        pages: u32,
        /// Bits to signal.
        bits: u64,
    },
    /// See [`method::READ`]. Not checked yet: [`Transfer::check`].
    Read(Transfer),
    /// See [`method::WRITE`]. Not checked yet: [`Transfer::check`].
    Write(Transfer),
}

impl Request {
    /// The message, without capabilities.
    pub fn encode(&self) -> Message {
        match self {
            Self::Info => Message::new(method::INFO, []),
            Self::Attach { pages, bits } => Message::new(method::ATTACH, [(*pages).into(), *bits]),
            Self::Read(transfer) => transfer.encode(method::READ),
            Self::Write(transfer) => transfer.encode(method::WRITE),
        }
    }

    /// Reads a message from outside.
    ///
    /// # Errors
    /// `UnknownMethod`, `BadMessage`.
    pub fn decode(message: &Message) -> core::result::Result<Self, Status> {
        let request = match message.label {
            method::INFO => Some(Self::Info),
            method::ATTACH => Self::decode_attach(message),
            method::READ => Transfer::decode(message).map(Self::Read),
            method::WRITE => Transfer::decode(message).map(Self::Write),
            _ => return Err(Status::UnknownMethod),
        };
        request.ok_or(Status::BadMessage)
    }

    fn decode_attach(message: &Message) -> Option<Self> {
        words(message, 2)?;
        Some(Self::Attach { pages: small(message, 0)?, bits: message.word(1) })
    }
}

/// The answer to ATTACH, READ and WRITE.
pub fn accepted() -> Message {
    Message::new(0, [])
}

/// The client. Completions are read with [`RingReader`].
#[derive(Clone, Copy, Debug)]
pub struct Block<C = Cap<Endpoint>>(pub C);

impl<C: Call> Block<C> {
    /// What the device is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn info(&self) -> Result<Info> {
        let answer = ask(&self.0, &Request::Info.encode())?;
        Info::decode(&answer).ok_or(Error::Malformed)
    }

    /// Shares a buffer. Replaces the session this client had; requests of that one may still complete, but not here.
    ///
    /// # Errors
    /// [`Error`].
    pub fn attach(&self, buffer: Cap<Frame>, pages: u32, notification: Cap<Notification>, bits: u64) -> Result<()> {
        let message = Request::Attach { pages, bits }.encode().with_caps(&[buffer.slot(), notification.slot()]);
        ask(&self.0, &message).map(drop)
    }

    /// Asks for sectors; they are there when the completion is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, transfer: Transfer) -> Result<()> {
        ask(&self.0, &Request::Read(transfer).encode()).map(drop)
    }

    /// Asks for sectors to be written; they are on the device when the completion is there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn write(&self, transfer: Transfer) -> Result<()> {
        ask(&self.0, &Request::Write(transfer).encode()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loopback;

    const TRANSFER: Transfer = Transfer { sector: 1 << 40, sectors: 256, offset: 4096, tag: u32::MAX };

    #[test]
    fn requests_round_trip() {
        for request in
            [Request::Info, Request::Attach { pages: 33, bits: 2 }, Request::Read(TRANSFER), Request::Write(TRANSFER)]
        {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn answers_round_trip() {
        let info = Info { sectors: 99, read_only: true };
        let block = Block(Loopback(|request: &Message| match Request::decode(request) {
            Ok(Request::Info) => info.encode(),
            Ok(Request::Read(transfer)) => transfer.check(99, 8192).map_or_else(Status::answer, |()| accepted()),
            _ => Status::ReadOnly.answer(),
        }));
        assert_eq!(block.info(), Ok(info));
        assert_eq!(block.read(Transfer { sector: 91, sectors: 8, ..TRANSFER }), Ok(()));
        assert_eq!(block.read(TRANSFER), Err(Error::Status(Status::Range)));
        assert_eq!(block.write(TRANSFER), Err(Error::Status(Status::ReadOnly)));
    }

    #[test]
    fn transfers_are_checked() {
        let good = Transfer { sector: 0, sectors: 1, offset: 4096, tag: 0 };
        assert_eq!(good.check(1, 4608), Ok(()));
        for bad in [
            Transfer { sectors: 0, ..good },
            Transfer { sector: 1, ..good },
            Transfer { sector: u64::MAX, ..good },
            Transfer { sectors: u32::MAX, ..good },
            Transfer { offset: 0, ..good },
            Transfer { offset: 4097, ..good },
            Transfer { offset: 4608, ..good },
            Transfer { offset: !511, ..good },
        ] {
            assert_eq!(bad.check(1, 4608), Err(Status::Range), "{bad:?}");
        }
    }
}
