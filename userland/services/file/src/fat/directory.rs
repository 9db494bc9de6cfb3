//! Folders: records of 32 bytes, in a chain of clusters or (the root of FAT16) in sectors of their own.

use ipc::block::SECTOR;
use ipc::file::{Kind, Name, Status};

use super::boot::{Layout, Root};
use super::chain::Chain;
use super::name::{LongName, RECORD, same, short_name};
use crate::{BlockRead, Cache, Result};

/// Most records of a folder: the format's own limit.
const MAX_RECORDS: u32 = 65536;

const HIDDEN_LABEL: u8 = 8;
const DIRECTORY: u8 = 16;
/// Read-only, hidden, system and label at once: a piece of a long name.
const LONG_NAME: u8 = 15;

/// An open folder.
#[derive(Clone, Copy, Debug)]
pub struct Directory(Place);

#[derive(Clone, Copy, Debug)]
enum Place {
    Sectors { first: u64, records: u32 },
    Chain(Chain),
}

/// A record of a folder.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The long name, or the short one where there is no long one or it does not fit into a message.
    pub name: Name,
    /// The short name; empty where it is not one that can stand in a path.
    pub short: Name,
    /// What it is.
    pub kind: Kind,
    /// Bytes; 0 for a folder.
    pub size: u32,
    /// The first cluster, not checked yet; 0 for an empty file.
    pub first: u32,
    /// The number of the record behind it.
    pub next: u32,
}

impl Directory {
    pub(super) fn root(layout: &Layout) -> Self {
        match layout.root {
            Root::Sectors { first, bytes } => Self(Place::Sectors { first, records: bytes / RECORD as u32 }),
            Root::Cluster(first) => Self(Place::Chain(Chain::new(first))),
        }
    }

    pub(super) fn at(cluster: u32) -> Self {
        Self(Place::Chain(Chain::new(cluster)))
    }

    /// The first entry from record `cursor` on that people see: not deleted, no label, not `.` and `..`.
    ///
    /// # Errors
    /// `Corrupt`; those of the disk.
    pub(super) fn next<D: BlockRead>(
        &mut self,
        layout: &Layout,
        disk: &mut Cache<D>,
        cursor: u32,
    ) -> Result<Option<Entry>> {
        let mut long = LongName::new();
        let mut number = cursor;
        while let Some(record) = self.record(layout, disk, number)? {
            number += 1;
            match (record[0], record[11] & 63) {
                (0, _) => return Ok(None),
                (0xe5, _) => long.clear(),
                (_, LONG_NAME) => long.add(&record),
                (_, attributes) if attributes & HIDDEN_LABEL != 0 => long.clear(),
                (b'.', _) => long.clear(),
                _ => {
                    if let Some(entry) = Entry::decode(&record, &long, number) {
                        return Ok(Some(entry));
                    }
                    long.clear();
                }
            }
        }
        Ok(None)
    }

    /// The entry with this name, upper and lower case being equal.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`; those of the disk.
    pub(super) fn find<D: BlockRead>(&mut self, layout: &Layout, disk: &mut Cache<D>, name: &str) -> Result<Entry> {
        let mut cursor = 0;
        while let Some(entry) = self.next(layout, disk, cursor)? {
            if same(&entry.name, name) || same(&entry.short, name) {
                return Ok(entry);
            }
            cursor = entry.next;
        }
        Err(Status::NotFound)
    }

    /// A copy of the record with this number; `None` behind the last.
    fn record<D: BlockRead>(
        &mut self,
        layout: &Layout,
        disk: &mut Cache<D>,
        number: u32,
    ) -> Result<Option<[u8; RECORD]>> {
        let Some(sector) = self.sector(layout, disk, number)? else { return Ok(None) };
        let at = number as usize % (SECTOR / RECORD) * RECORD;
        disk.sector(sector)?.get(at..).and_then(<[u8]>::first_chunk).copied().map(Some).ok_or(Status::Corrupt)
    }

    /// The sector of the record with this number.
    fn sector<D: BlockRead>(&mut self, layout: &Layout, disk: &mut Cache<D>, number: u32) -> Result<Option<u64>> {
        match &mut self.0 {
            Place::Sectors { first, records } => {
                Ok((number < *records).then(|| *first + u64::from(number) / (SECTOR / RECORD) as u64))
            }
            Place::Chain(_) if number >= MAX_RECORDS => Ok(None),
            Place::Chain(chain) => {
                let byte = number * RECORD as u32;
                let (index, inner) = (byte / layout.cluster_bytes(), byte % layout.cluster_bytes());
                let cluster = chain.seek(layout, disk, index)?;
                Ok(cluster.map(|cluster| layout.sector_of(cluster) + u64::from(inner) / SECTOR as u64))
            }
        }
    }
}

impl Entry {
    /// `None` when it has no name that could stand in a path.
    fn decode(record: &[u8; RECORD], long: &LongName, next: u32) -> Option<Self> {
        let half = |at: usize| u32::from(u16::from_le_bytes([record[at], record[at + 1]]));
        let short = short_name(record);
        let name = record.first_chunk().and_then(|short| long.finish(short)).or(short)?;
        let kind = if record[11] & DIRECTORY != 0 { Kind::Directory } else { Kind::File };
        let size = if kind == Kind::File { half(28) | half(30) << 16 } else { 0 };
        let first = half(26) | half(20) << 16;
        Some(Self { name, short: short.unwrap_or_default(), kind, size, first, next })
    }
}
