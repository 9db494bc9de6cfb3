//! A disk in memory.

use ipc::block::SECTOR;
use ipc::file::Status;
use rt::SharedBuffer;

use crate::{BlockRead, Fetched, MAX_FETCH, Result};

/// A disk in memory, which counts what is asked of it and refuses what lies outside.
pub struct MemoryDisk {
    pub bytes: Vec<u8>,
    pub fetches: usize,
    pub fetched: usize,
    /// The status of all fetches, when there is one.
    pub broken: Option<Status>,
    buffer: SharedBuffer,
}

impl MemoryDisk {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, fetches: 0, fetched: 0, broken: None, buffer: SharedBuffer::fake(MAX_FETCH) }
    }
}

impl BlockRead for MemoryDisk {
    fn sectors(&mut self) -> Result<u64> {
        self.broken.map_or(Ok((self.bytes.len() / SECTOR) as u64), Err)
    }

    fn fetch(&mut self, sector: u64, sectors: usize) -> Result<Fetched<'_>> {
        if let Some(status) = self.broken {
            return Err(status);
        }
        self.fetches += 1;
        self.fetched += sectors * SECTOR;
        let end = self.bytes.len() as u64 / SECTOR as u64;
        // A driver refuses sectors outside the disk; no request of ours may come to that.
        assert!(sector.checked_add(sectors as u64).is_some_and(|last| last <= end), "sector {sector} + {sectors}");
        assert!(sectors * SECTOR <= MAX_FETCH && sectors > 0);
        let from = sector as usize * SECTOR;
        self.buffer.write(0, &self.bytes[from..from + sectors * SECTOR]).map_err(|_| Status::DeviceError)?;
        Ok(Fetched::new(&self.buffer, 0, sectors * SECTOR))
    }
}
