//! The clients: a session each, with a shared buffer and open files.

use ipc::file::{Entry, Kind, MAX_PAGES, Opened, Request, Status, done, read};
use ipc::{NoSession, Sessions};
use rt::{Badge, Message, SharedBuffer};

use crate::fat::{Directory, File, Node, Volume};
use crate::{BlockRead, Cache, Result};

/// Most clients.
const CLIENTS: usize = 8;
/// Most open files of a client.
const HANDLES: usize = 16;

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

    /// The answer to a request. `map` maps the buffer that came with an ATTACH of so many pages, into the place with
    /// this number (below 8), which is free.
    pub fn answer(
        &mut self,
        badge: Badge,
        request: core::result::Result<Request, Status>,
        map: impl FnOnce(usize, u32) -> Result<SharedBuffer>,
    ) -> Message {
        let answer = request.and_then(|request| match request {
            Request::Attach { pages } => self.attach(badge, pages, map),
            Request::Open(path) => self.open(badge, &path),
            Request::Read { handle, position, bytes, offset } => self.read(badge, handle, position, bytes, offset),
            Request::Entry { handle, cursor } => self.entry(badge, handle, cursor),
            Request::Close { handle } => self.close(badge, handle),
            Request::Volume => self.volume(),
        });
        answer.unwrap_or_else(|status| self.refuse(status))
    }

    fn refuse(&mut self, status: Status) -> Message {
        if matches!(status, Status::DeviceError | Status::NoVolume) {
            self.disk.clear();
            if let Mount::Mounted(volume) = self.mount {
                self.mount = Mount::Lost(volume);
            }
        }
        status.answer()
    }

    fn attach(
        &mut self,
        badge: Badge,
        pages: u32,
        map: impl FnOnce(usize, u32) -> Result<SharedBuffer>,
    ) -> Result<Message> {
        if pages == 0 || pages > MAX_PAGES {
            return Err(Status::Range);
        }
        if let Some(session) = self.sessions.close(badge) {
            session.end();
        }
        let begin = |place| map(place, pages).map(Session::new).map_err(Refused);
        self.sessions.open(badge, begin).map_err(|Refused(status)| status)?;
        Ok(done())
    }

    fn open(&mut self, badge: Badge, path: &str) -> Result<Message> {
        let volume = self.mounted()?;
        let session = self.sessions.get(badge).ok_or(Status::NotAttached)?;
        let free = session.nodes.iter().position(Option::is_none).ok_or(Status::TooManyHandles)?;
        let node = volume.open(&mut self.disk, path)?;
        session.nodes[free] = Some(node);
        let (size, kind) = match node {
            Node::File(file) => (file.size().into(), Kind::File),
            Node::Directory(_) => (0, Kind::Directory),
        };
        Ok(Opened { handle: free as u32, size, kind }.encode())
    }

    fn read(&mut self, badge: Badge, handle: u32, position: u64, bytes: u32, offset: u32) -> Result<Message> {
        let volume = self.mounted()?;
        let session = self.sessions.get(badge).ok_or(Status::NotAttached)?;
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
        Ok(read(count))
    }

    fn entry(&mut self, badge: Badge, handle: u32, cursor: u64) -> Result<Message> {
        let volume = self.mounted()?;
        let session = self.sessions.get(badge).ok_or(Status::NotAttached)?;
        let cursor = u32::try_from(cursor).map_err(|_| Status::End)?;
        let found = volume.entry(&mut self.disk, session.directory(handle)?, cursor)?.ok_or(Status::End)?;
        let entry = Entry { next: found.next.into(), size: found.size.into(), kind: found.kind, name: found.name };
        Ok(entry.encode())
    }

    fn close(&mut self, badge: Badge, handle: u32) -> Result<Message> {
        let session = self.sessions.get(badge).ok_or(Status::NotAttached)?;
        session.nodes.get_mut(handle as usize).and_then(Option::take).ok_or(Status::BadHandle)?;
        Ok(done())
    }

    fn volume(&mut self) -> Result<Message> {
        let volume = self.mounted()?;
        Ok(ipc::file::Volume { size: volume.size(), label: volume.label() }.encode())
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

impl Session {
    fn new(buffer: SharedBuffer) -> Self {
        Self { buffer, nodes: [None; HANDLES] }
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

#[cfg(test)]
impl<D> Service<D> {
    /// The buffer of a client, as the client sees it.
    pub(crate) fn buffer_of(&mut self, badge: Badge) -> Option<&SharedBuffer> {
        self.sessions.get(badge).map(|session| &session.buffer)
    }
}
