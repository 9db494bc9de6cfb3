//! The clients: a session each, with a shared buffer and open files.

use ipc::file::{self, Entry, Kind, MAX_PAGES, Opened, Path, Status};
use ipc::{Buffer, Client, NoSession, Sessions};
use rt::SharedBuffer;

use crate::fat::{Directory, File, Node, Volume};
use crate::{BlockRead, Cache, Result};

/// Most clients.
const CLIENTS: usize = 8;
/// Most open files of a client.
const HANDLES: usize = 16;
/// Where clients' buffers are mapped, each in a range of its own.
const BUFFERS: u64 = 0x3000_0000;

/// The file service on a disk.
#[derive(Debug)]
pub struct Service<D> {
    disk: Cache<D>,
    mount: Mount,
    sessions: Sessions<Session, CLIENTS>,
}

/// What is known of the volume.
#[derive(Clone, Copy, Debug)]
enum Mount {
    /// Nothing, and nothing is open.
    Never,
    Mounted(Volume),
    /// The disk failed; what is open stays so if the same volume comes back.
    Lost(Volume),
}

#[derive(Debug)]
struct Session {
    buffer: SharedBuffer,
    nodes: [Option<Node>; HANDLES],
}

/// Why ATTACH failed.
struct Refused(Status);

impl From<NoSession> for Refused {
    fn from(_: NoSession) -> Self {
        Self(Status::TooManySessions)
    }
}

impl<D: BlockRead> Service<D> {
    /// A service without clients. The disk is not touched before the first of them opens something.
    pub fn new(disk: D) -> Self {
        Self { disk: Cache::new(disk), mount: Mount::Never, sessions: Sessions::new() }
    }

    /// The disk.
    pub fn device(&mut self) -> &mut D {
        self.disk.device()
    }

    /// Takes note of what a refusal says of the disk.
    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(Status::DeviceError | Status::NoVolume) = result {
            self.disk.clear();
            if let Mount::Mounted(volume) = self.mount {
                self.mount = Mount::Lost(volume);
            }
        }
        result
    }

    fn begin(&mut self, client: Client, buffer: Buffer) -> Result<()> {
        if buffer.pages == 0 || buffer.pages > MAX_PAGES {
            return Err(Status::Range);
        }
        if let Some(session) = self.sessions.close(client) {
            session.end();
        }
        let begun = self.sessions.open(client, |place| Session::new(place, buffer).map_err(Refused));
        begun.map(drop).map_err(|Refused(status)| status)
    }

    fn opened(&mut self, client: Client, path: &str) -> Result<Opened> {
        let volume = self.mounted()?;
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        let free = session.nodes.iter().position(Option::is_none).ok_or(Status::TooManyHandles)?;
        let node = volume.open(&mut self.disk, path)?;
        session.nodes[free] = Some(node);
        let (size, kind) = match node {
            Node::File(file) => (file.size().into(), Kind::File),
            Node::Directory(_) => (0, Kind::Directory),
        };
        Ok(Opened { handle: free as u32, size, kind })
    }

    fn copied(&mut self, client: Client, handle: u32, position: u64, bytes: u32, offset: u32) -> Result<u32> {
        let volume = self.mounted()?;
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        let (buffer, file) = session.file(handle)?;
        let (bytes, offset) = (bytes as usize, offset as usize);
        if offset.checked_add(bytes).is_none_or(|end| end > buffer.len()) {
            return Err(Status::Range);
        }
        let count = volume.read(&mut self.disk, file, position, bytes, |data, skip, count, at| {
            // The buffer goes with its owner, who may have been killed while we waited for the disk.
            if !buffer.is_mapped() {
                return Err(Status::NotAttached);
            }
            data.send(skip, buffer, offset + at, count)
        })?;
        Ok(count as u32)
    }

    fn found(&mut self, client: Client, handle: u32, cursor: u64) -> Result<Option<Entry>> {
        let volume = self.mounted()?;
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        let directory = session.directory(handle)?;
        let Ok(cursor) = u32::try_from(cursor) else { return Ok(None) };
        let found = volume.entry(&mut self.disk, directory, cursor)?;
        Ok(found.map(|found| Entry {
            next: found.next.into(),
            size: found.size.into(),
            kind: found.kind,
            name: found.name,
        }))
    }

    /// The volume, mounted if it is not yet or no longer.
    fn mounted(&mut self) -> Result<Volume> {
        if let Mount::Mounted(volume) = self.mount {
            return Ok(volume);
        }
        let volume = Volume::mount(&mut self.disk)?;
        if matches!(self.mount, Mount::Lost(before) if before != volume) {
            self.sessions.iter_mut().for_each(|session| session.nodes = [None; HANDLES]);
        }
        self.mount = Mount::Mounted(volume);
        Ok(volume)
    }
}

impl<D: BlockRead> file::File for Service<D> {
    fn attach(&mut self, client: Client, buffer: Buffer) -> Result<()> {
        self.begin(client, buffer)
    }

    fn open(&mut self, client: Client, path: Path) -> Result<Opened> {
        let opened = self.opened(client, &path);
        self.noted(opened)
    }

    fn read(&mut self, client: Client, handle: u32, position: u64, bytes: u32, offset: u32) -> Result<u32> {
        let count = self.copied(client, handle, position, bytes, offset);
        self.noted(count)
    }

    fn entry(&mut self, client: Client, handle: u32, cursor: u64) -> Result<Option<Entry>> {
        let found = self.found(client, handle, cursor);
        self.noted(found)
    }

    fn close(&mut self, client: Client, handle: u32) -> Result<()> {
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        session.nodes.get_mut(handle as usize).and_then(Option::take).map(drop).ok_or(Status::BadHandle)
    }

    fn volume(&mut self) -> Result<file::Volume> {
        let volume = self.mounted();
        self.noted(volume).map(|volume| file::Volume { size: volume.size(), label: volume.label() })
    }
}

impl Session {
    /// Maps a client's Frame into the range of this session; it is taken only if that works.
    fn new(place: usize, buffer: Buffer) -> Result<Self> {
        let address = BUFFERS + place as u64 * u64::from(MAX_PAGES) * 4096;
        let mapped = SharedBuffer::map_at(buffer.frame.cap(), address, buffer.pages.into());
        let mapped = mapped.map_err(|_| Status::BadCapability)?;
        buffer.frame.keep();
        Ok(Self { buffer: mapped, nodes: [None; HANDLES] })
    }

    /// Gives the buffer back.
    fn end(self) {
        let frame = self.buffer.frame();
        let _ = self.buffer.unmap();
        ipc::discard(frame);
    }

    fn file(&mut self, handle: u32) -> Result<(&SharedBuffer, &mut File)> {
        match self.nodes.get_mut(handle as usize) {
            Some(Some(Node::File(file))) => Ok((&self.buffer, file)),
            Some(Some(Node::Directory(_))) => Err(Status::IsDirectory),
            _ => Err(Status::BadHandle),
        }
    }

    fn directory(&mut self, handle: u32) -> Result<&mut Directory> {
        match self.nodes.get_mut(handle as usize) {
            Some(Some(Node::Directory(directory))) => Ok(directory),
            Some(Some(Node::File(_))) => Err(Status::NotDirectory),
            _ => Err(Status::BadHandle),
        }
    }
}
