//! A request, which may take several commands, one after the other.

use ipc::block::SECTOR;

use crate::command::Data;

/// A request under way.
#[derive(Debug)]
pub struct Transfer<D> {
    /// Its number.
    pub id: usize,
    /// To the card or from it.
    pub way: Data,
    /// The sector with which the command under way begins.
    pub sector: u64,
    /// What the host has of it.
    pub data: D,
    bytes: usize,
    /// Bytes that are done.
    done: usize,
    /// How often the command under way was tried.
    pub tries: u32,
}

impl<D> Transfer<D> {
    /// Begins a request of so many bytes.
    pub const fn new(id: usize, way: Data, sector: u64, data: D, bytes: usize) -> Self {
        Self { id, way, sector, data, bytes, done: 0, tries: 0 }
    }

    /// Where in its data that of the next command begins, which has at most `most` bytes, and how many it has.
    pub fn part(&self, most: usize) -> (usize, usize) {
        (self.done, (self.bytes - self.done).min(most))
    }

    /// The command, of at most `most` bytes, is done. `true`: it was not the last one.
    pub fn goes_on(&mut self, most: usize) -> bool {
        let (_, bytes) = self.part(most);
        self.done += bytes;
        self.sector += (bytes / SECTOR) as u64;
        self.tries = 0;
        self.done < self.bytes
    }
}
