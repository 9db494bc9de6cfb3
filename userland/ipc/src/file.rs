//! file: folders and files of one volume. What is read goes into a buffer both sides share.

use crate::{Buffer, Client, Text, Wire};

/// Folders and files of one volume. What is read goes into a buffer that client and server share.
#[crate::protocol(name = "file", version = 1)]
pub trait File {
    /// Begins a session with a buffer of at most 128 pages, which `read` fills: it can be read and written. Handles of an earlier
    /// session are gone.
    #[method(1)]
    fn attach(&mut self, client: Client, buffer: Buffer) -> Result<(), Status>;

    /// Opens a file or directory: `/` between names, from the volume's root.
    #[method(2)]
    fn open(&mut self, client: Client, path: Path) -> Result<Opened, Status>;

    /// Reads bytes from `position` of a file to `offset` of the shared buffer; says how many: fewer at the end of the file and
    /// where the server reads only so much at once; 0 is the end.
    #[method(3)]
    fn read(&mut self, client: Client, handle: u32, position: u64, bytes: u32, offset: u32) -> Result<u32, Status>;

    /// The entry of a directory at `cursor` (0: the first); none behind the last.
    #[method(4)]
    fn entry(&mut self, client: Client, handle: u32, cursor: u64) -> Result<Option<Entry>, Status>;

    /// Gives a handle back.
    #[method(5)]
    fn close(&mut self, client: Client, handle: u32) -> Result<(), Status>;

    /// What volume this is.
    #[method(6)]
    fn volume(&mut self) -> Result<Volume, Status>;
}

/// Longest path in bytes.
pub const MAX_PATH: usize = 504;
/// Longest name of an entry in bytes.
pub const MAX_NAME: usize = 472;
/// Most pages of a shared buffer that a server must take.
pub const MAX_PAGES: u32 = 128;

/// A path.
pub type Path = Text<MAX_PATH>;
/// The name of an entry.
pub type Name = Text<MAX_NAME>;

crate::statuses! {
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
    /// `read` without `attach`, or the client's session ended with a server.
    NotAttached = 11, "not attached to the file service";
    /// Bytes outside the shared buffer.
    Range = 12, "outside the shared buffer";
    /// Other components have all the sessions.
    TooManySessions = 13, "the file service serves no more clients";
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Kind {
    /// A file.
    File = 0,
    /// A directory.
    Directory = 1,
}

/// A file or directory that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Opened {
    /// Names it until it is closed.
    pub handle: u32,
    /// Bytes of the file; 0 for a directory.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
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

/// A volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Volume {
    /// Bytes that its files can take in all.
    pub size: u64,
    /// Its label; may be empty.
    pub label: Name,
}
