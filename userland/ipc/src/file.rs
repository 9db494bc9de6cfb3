//! file: folders and files of one volume. What is read goes into a buffer both sides share.

use rt::{Cap, Endpoint, Frame, Message};

use crate::call::{Call, Error, ask};
use crate::codec::{Text, small, words};
use crate::status::statuses;

/// Method numbers; permanent.
pub mod method {
    /// Capability 0 = Frame (read, write), word 0 = pages of it: what READ fills. Ends the session that this client had.
    pub const ATTACH: u32 = 1;
    /// Word 0 = bytes, a path follows (UTF-8, `/` between names, from the volume's root) → word 0 = handle, word 1 =
    /// bytes of the file, word 2 = kind.
    pub const OPEN: u32 = 2;
    /// Word 0 = handle of a file, word 1 = first byte of it, word 2 = bytes, word 3 = byte of the Frame → word 0 = bytes
    /// read, fewer at the end of the file and where the server reads only so much at once; 0: the end.
    pub const READ: u32 = 3;
    /// Word 0 = handle of a directory, word 1 = cursor (0: the first entry) → word 0 = next cursor, word 1 = bytes of the
    /// file, word 2 = kind, word 3 = bytes, the name follows. Status `End` behind the last.
    pub const ENTRY: u32 = 4;
    /// Word 0 = handle.
    pub const CLOSE: u32 = 5;
    /// → word 0 = bytes of the volume, word 1 = bytes, its label follows.
    pub const VOLUME: u32 = 6;
}

/// Longest path in bytes.
pub const MAX_PATH: usize = 504;
/// Longest name of an entry in bytes.
pub const MAX_NAME: usize = 480;
/// Most pages of a shared buffer that a server must take.
pub const MAX_PAGES: u32 = 128;

/// A path.
pub type Path = Text<MAX_PATH>;
/// The name of an entry.
pub type Name = Text<MAX_NAME>;

statuses! {
    /// Behind the last entry of a directory.
    End = 1, "no more entries";
    /// No such file or directory.
    NotFound = 2, "no such file or directory";
    /// A file is wanted and this is a directory.
    IsDirectory = 3, "is a directory";
    /// A directory is wanted, at the end or in the middle of a path, and this is a file.
    NotDirectory = 4, "is not a directory";
    /// There is no disk, or no volume on it that the server reads.
    NoVolume = 5, "no disk with a volume that can be read";
    /// The volume contradicts itself here.
    Corrupt = 6, "the volume is damaged";
    /// The block device failed, or its driver ended.
    DeviceError = 7, "the disk does not answer";
    /// No such handle.
    BadHandle = 8, "no such open file";
    /// The client has as many handles as it may.
    TooManyHandles = 9, "too many open files";
    /// A path or name is too long.
    NameTooLong = 10, "name too long";
    /// READ without ATTACH, or the client's session ended with a server.
    NotAttached = 11, "not attached to the file service";
    /// Bytes outside the shared buffer.
    Range = 12, "outside the shared buffer";
    /// Other components have all the sessions.
    TooManySessions = 13, "the file service serves no more clients";
    /// The Frame that ATTACH needs did not arrive, or could not be mapped.
    BadCapability = 14, "the server could not use the shared buffer";
}

/// What failed on the client's side.
pub type Result<T> = core::result::Result<T, Error<Status>>;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Kind {
    /// A file.
    File = 0,
    /// A directory.
    Directory = 1,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::File),
            1 => Some(Self::Directory),
            _ => None,
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`method::ATTACH`].
    Attach {
        /// Pages of the Frame, as the client claims.
        pages: u32,
    },
    /// See [`method::OPEN`].
    Open(Path),
    /// See [`method::READ`].
    Read {
        /// An open file.
        handle: u32,
        /// First byte of the file.
        position: u64,
        /// Bytes wanted.
        bytes: u32,
        /// Where they go in the shared buffer.
        offset: u32,
    },
    /// See [`method::ENTRY`].
    Entry {
        /// An open directory.
        handle: u32,
        /// 0, or what the last answer said.
        cursor: u64,
    },
    /// See [`method::CLOSE`].
    Close {
        /// An open file or directory.
        handle: u32,
    },
    /// See [`method::VOLUME`].
    Volume,
}

impl Request {
    /// The message, without capabilities.
    pub fn encode(&self) -> Message {
        match *self {
            Self::Attach { pages } => Message::new(method::ATTACH, [pages.into()]),
            Self::Open(path) => {
                let mut message = Message::new(method::OPEN, [0]);
                path.encode(&mut message, 0);
                message
            }
            Self::Read { handle, position, bytes, offset } => {
                Message::new(method::READ, [handle.into(), position, bytes.into(), offset.into()])
            }
            Self::Entry { handle, cursor } => Message::new(method::ENTRY, [handle.into(), cursor]),
            Self::Close { handle } => Message::new(method::CLOSE, [handle.into()]),
            Self::Volume => Message::new(method::VOLUME, []),
        }
    }

    /// Reads a message from outside.
    ///
    /// # Errors
    /// `UnknownMethod`, `BadMessage`.
    pub fn decode(message: &Message) -> core::result::Result<Self, Status> {
        let request = match message.label {
            method::ATTACH => words(message, 1).and_then(|()| Some(Self::Attach { pages: small(message, 0)? })),
            method::OPEN => Text::decode(message, 0, 1).map(Self::Open),
            method::READ => Self::decode_read(message),
            method::ENTRY => Self::decode_entry(message),
            method::CLOSE => words(message, 1).and_then(|()| Some(Self::Close { handle: small(message, 0)? })),
            method::VOLUME => Some(Self::Volume),
            _ => return Err(Status::UnknownMethod),
        };
        request.ok_or(Status::BadMessage)
    }

    fn decode_read(message: &Message) -> Option<Self> {
        words(message, 4)?;
        Some(Self::Read {
            handle: small(message, 0)?,
            position: message.word(1),
            bytes: small(message, 2)?,
            offset: small(message, 3)?,
        })
    }

    fn decode_entry(message: &Message) -> Option<Self> {
        words(message, 2)?;
        Some(Self::Entry { handle: small(message, 0)?, cursor: message.word(1) })
    }
}

/// The answer to ATTACH and CLOSE.
pub fn done() -> Message {
    Message::new(0, [])
}

/// The answer to READ.
pub fn read(bytes: usize) -> Message {
    Message::new(0, [bytes as u64])
}

/// The answer to OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Names it until CLOSE.
    pub handle: u32,
    /// Bytes of the file; 0 for a directory.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
}

impl Opened {
    /// The message.
    pub fn encode(&self) -> Message {
        Message::new(0, [self.handle.into(), self.size, self.kind as u64])
    }

    fn decode(answer: &Message) -> Option<Self> {
        words(answer, 3)?;
        Some(Self { handle: small(answer, 0)?, size: answer.word(1), kind: Kind::from_number(answer.word(2))? })
    }
}

/// The answer to ENTRY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Leads to the entry behind this one.
    pub next: u64,
    /// Bytes of the file; 0 for a directory.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
}

impl Entry {
    /// The message.
    pub fn encode(&self) -> Message {
        let mut message = Message::new(0, [self.next, self.size, self.kind as u64, 0]);
        self.name.encode(&mut message, 3);
        message
    }

    fn decode(answer: &Message) -> Option<Self> {
        Some(Self {
            next: answer.word(0),
            size: answer.word(1),
            kind: Kind::from_number(answer.word(2))?,
            name: Text::decode(answer, 3, 4)?,
        })
    }
}

/// The answer to VOLUME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Bytes that its files can take in all.
    pub size: u64,
    /// Its label; may be empty.
    pub label: Name,
}

impl Volume {
    /// The message.
    pub fn encode(&self) -> Message {
        let mut message = Message::new(0, [self.size, 0]);
        self.label.encode(&mut message, 1);
        message
    }

    fn decode(answer: &Message) -> Option<Self> {
        Some(Self { size: answer.word(0), label: Text::decode(answer, 1, 2)? })
    }
}

/// The client.
#[derive(Clone, Copy, Debug)]
pub struct Files<C = Cap<Endpoint>>(pub C);

impl<C: Call> Files<C> {
    /// Shares a buffer of at most [`MAX_PAGES`] pages. Handles of an earlier session are gone.
    ///
    /// # Errors
    /// [`Error`].
    pub fn attach(&self, buffer: Cap<Frame>, pages: u32) -> Result<()> {
        ask(&self.0, &Request::Attach { pages }.encode().with_caps(&[buffer.slot()])).map(drop)
    }

    /// Opens a file or directory.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(&self, path: &str) -> Result<Opened> {
        let path = Path::exact(path).ok_or(Error::Status(Status::NameTooLong))?;
        Opened::decode(&ask(&self.0, &Request::Open(path).encode())?).ok_or(Error::Malformed)
    }

    /// Reads bytes from `position` of the file to `offset` of the shared buffer; says how many, 0 at the end.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, handle: u32, position: u64, bytes: u32, offset: u32) -> Result<usize> {
        let answer = ask(&self.0, &Request::Read { handle, position, bytes, offset }.encode())?;
        usize::try_from(answer.word(0)).ok().filter(|&read| read <= bytes as usize).ok_or(Error::Malformed)
    }

    /// The entry of a directory at `cursor` (0: the first); `None` behind the last.
    ///
    /// # Errors
    /// [`Error`].
    pub fn entry(&self, handle: u32, cursor: u64) -> Result<Option<Entry>> {
        match ask(&self.0, &Request::Entry { handle, cursor }.encode()) {
            Ok(answer) => Entry::decode(&answer).map(Some).ok_or(Error::Malformed),
            Err(Error::Status(Status::End)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a handle back.
    ///
    /// # Errors
    /// [`Error`].
    pub fn close(&self, handle: u32) -> Result<()> {
        ask(&self.0, &Request::Close { handle }.encode()).map(drop)
    }

    /// What volume this is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn volume(&self) -> Result<Volume> {
        Volume::decode(&ask(&self.0, &Request::Volume.encode())?).ok_or(Error::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loopback;

    fn long(count: usize) -> String {
        "ü".repeat(count / 2)
    }

    #[test]
    fn requests_round_trip() {
        for request in [
            Request::Attach { pages: 16 },
            Request::Open(Path::exact("/").unwrap()),
            Request::Open(Path::exact(&long(MAX_PATH)).unwrap()),
            Request::Read { handle: 15, position: u64::MAX, bytes: u32::MAX, offset: 4096 },
            Request::Entry { handle: 3, cursor: u64::MAX },
            Request::Close { handle: u32::MAX },
            Request::Volume,
        ] {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn answers_round_trip() {
        let opened = Opened { handle: 4, size: 1 << 40, kind: Kind::Directory };
        let entry = Entry { next: 9, size: 5, kind: Kind::File, name: Name::exact(&long(MAX_NAME)).unwrap() };
        let volume = Volume { size: 77, label: Name::exact("TUTTI").unwrap() };
        let files = Files(Loopback(|request: &Message| match Request::decode(request) {
            Ok(Request::Open(_)) => opened.encode(),
            Ok(Request::Entry { cursor: 0, .. }) => entry.encode(),
            Ok(Request::Entry { .. }) => Status::End.answer(),
            Ok(Request::Read { bytes, .. }) => read(bytes as usize),
            Ok(Request::Volume) => volume.encode(),
            Ok(_) => done(),
            Err(status) => status.answer(),
        }));
        assert_eq!(files.attach(Cap::from_slot(20), 4), Ok(()));
        assert_eq!(files.open("/a b/ä"), Ok(opened));
        assert_eq!(files.open(&long(MAX_PATH + 2)), Err(Error::Status(Status::NameTooLong)));
        assert_eq!(files.entry(4, 0), Ok(Some(entry)));
        assert_eq!(files.entry(4, 9), Ok(None));
        assert_eq!(files.read(4, 0, 100, 0), Ok(100));
        assert_eq!(files.close(4), Ok(()));
        assert_eq!(files.volume(), Ok(volume));
    }

    #[test]
    fn a_server_that_lies_is_noticed() {
        let files = Files(Loopback(|_: &Message| Message::new(0, [u64::MAX; 8])));
        assert_eq!(files.open("/"), Err(Error::Malformed));
        assert_eq!(files.entry(0, 0), Err(Error::Malformed));
        assert_eq!(files.read(0, 0, 1, 0), Err(Error::Malformed));
        assert_eq!(files.volume(), Err(Error::Malformed));
    }
}
