//! A mounted volume: paths, files, folders.

use alloc::vec::Vec;

use ipc::block::SECTOR;
use ipc::file::{Kind, Name, Status};

use super::boot::Layout;
use super::chain::Chain;
use super::directory::{Directory, Entry};
use crate::block::{Fetched, MAX_FETCH, sectors_for};
use crate::{BlockRead, Cache, Result, gpt};

/// A mounted volume. The disk it is on is handed to each operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    layout: Layout,
}

/// An open file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    chain: Chain,
    size: u32,
}

/// What a path led to.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// A file.
    File(File),
    /// A folder.
    Directory(Directory),
}

impl File {
    /// Bytes.
    pub fn size(&self) -> u32 {
        self.size
    }
}

impl Volume {
    /// The first FAT volume of a disk.
    ///
    /// # Errors
    /// `NoVolume`, `Corrupt` (there is one, and it is damaged); those of the disk.
    pub fn mount<D: BlockRead>(disk: &mut Cache<D>) -> Result<Self> {
        let mut refusal = Status::NoVolume;
        for extent in gpt::extents(disk)? {
            match Layout::read(disk.sector(extent.first)?, extent) {
                Ok(layout) => return Ok(Self { layout }),
                Err(Status::Corrupt) => refusal = Status::Corrupt,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// Bytes of all clusters.
    pub fn size(&self) -> u64 {
        u64::from(self.layout.last_cluster - 1) * u64::from(self.layout.cluster_bytes())
    }

    /// The label in the volume's first sector.
    pub fn label(&self) -> Name {
        let label = self.layout.label;
        let text = core::str::from_utf8(&label).unwrap_or_default().trim_end();
        let plain = text.chars().all(|character| !character.is_control());
        Name::cut(if plain && text != "NO NAME" { text } else { "" })
    }

    /// Follows a path from the root; upper and lower case are equal, `.` and `..` are understood.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `Corrupt`; those of the disk.
    pub fn open<D: BlockRead>(&self, disk: &mut Cache<D>, path: &str) -> Result<Node> {
        let mut node = Node::Directory(Directory::root(&self.layout));
        for name in components(path) {
            let Node::Directory(mut directory) = node else { return Err(Status::NotDirectory) };
            node = self.node(directory.find(&self.layout, disk, name)?)?;
        }
        match node {
            Node::File(_) if path.ends_with('/') => Err(Status::NotDirectory),
            node => Ok(node),
        }
    }

    fn node(&self, entry: Entry) -> Result<Node> {
        match entry.kind {
            Kind::File => Ok(Node::File(File { chain: Chain::new(entry.first), size: entry.size })),
            Kind::Directory if self.layout.has(entry.first) => Ok(Node::Directory(Directory::at(entry.first))),
            Kind::Directory => Err(Status::Corrupt),
        }
    }

    /// The first entry of a folder from record `cursor` on; `None` behind the last.
    ///
    /// # Errors
    /// `Corrupt`; those of the disk.
    pub fn entry<D: BlockRead>(
        &self,
        disk: &mut Cache<D>,
        directory: &mut Directory,
        cursor: u32,
    ) -> Result<Option<Entry>> {
        directory.next(&self.layout, disk, cursor)
    }

    /// Reads `bytes` bytes from `position` on, fewer at the end of the file, and says how many. `sink` is given each
    /// piece as it lies in the disk's buffer: sectors, bytes to skip in them, bytes that count, and where in the request
    /// they belong.
    ///
    /// # Errors
    /// `Corrupt`: the chain is shorter than the file; those of the disk and of `sink`.
    pub fn read<D: BlockRead>(
        &self,
        disk: &mut Cache<D>,
        file: &mut File,
        position: u64,
        bytes: usize,
        mut sink: impl FnMut(Fetched<'_>, usize, usize, usize) -> Result<()>,
    ) -> Result<usize> {
        let left = u64::from(file.size).saturating_sub(position);
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(bytes);
        let mut done = 0;
        while done < bytes {
            // Below the file's size, so it has 32 bits.
            let at = (position + done as u64) as u32;
            let piece = self.locate(disk, file, at, bytes - done)?;
            let data = disk.device().fetch(piece.sector, sectors_for(piece.skip + piece.bytes))?;
            sink(data, piece.skip, piece.bytes, done)?;
            done += piece.bytes;
        }
        Ok(done)
    }

    /// The longest piece of the file from byte `at` on that one fetch brings, at most `bytes` (not 0).
    fn locate<D: BlockRead>(&self, disk: &mut Cache<D>, file: &mut File, at: u32, bytes: usize) -> Result<Piece> {
        let cluster_bytes = self.layout.cluster_bytes();
        let (index, inner) = (at / cluster_bytes, at % cluster_bytes);
        let cluster = file.chain.seek(&self.layout, disk, index)?.ok_or(Status::Corrupt)?;
        let (into, skip) = (inner as usize / SECTOR, inner as usize % SECTOR);
        let bytes = bytes.min(MAX_FETCH - skip);
        let wanted = (inner as usize + bytes).div_ceil(cluster_bytes as usize) as u32;
        let run = file.chain.run(&self.layout, disk, wanted)?;
        let reach = run as usize * cluster_bytes as usize - inner as usize;
        Ok(Piece { sector: self.layout.sector_of(cluster) + into as u64, skip, bytes: bytes.min(reach) })
    }
}

struct Piece {
    sector: u64,
    /// Bytes of the first sector that do not count.
    skip: usize,
    bytes: usize,
}

/// The names of a path, `.` and `..` resolved.
fn components(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}
