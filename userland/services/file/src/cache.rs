//! A few windows of sectors kept in private memory: partition tables, file allocation tables, folders. File data does
//! not pass through here.

use alloc::{boxed::Box, vec};

use ipc::block::SECTOR;
use ipc::file::Status;

use crate::{BlockRead, Result};

const WINDOWS: usize = 4;
const WINDOW_SECTORS: usize = 16;

/// A disk with its cache.
#[derive(Debug)]
pub struct Cache<D> {
    device: D,
    windows: [Window; WINDOWS],
    /// The window that is replaced next.
    oldest: usize,
}

#[derive(Debug)]
struct Window {
    /// A multiple of `WINDOW_SECTORS`.
    first: u64,
    /// 0: empty.
    sectors: usize,
    data: Box<[u8]>,
}

impl Window {
    fn new() -> Self {
        Self { first: 0, sectors: 0, data: vec![0; WINDOW_SECTORS * SECTOR].into_boxed_slice() }
    }

    fn sector(&self, sector: u64) -> Option<&[u8; SECTOR]> {
        let index = usize::try_from(sector.checked_sub(self.first)?).ok().filter(|&index| index < self.sectors)?;
        self.data.get(index * SECTOR..)?.first_chunk()
    }
}

impl<D: BlockRead> Cache<D> {
    /// An empty cache.
    pub fn new(device: D) -> Self {
        Self { device, windows: core::array::from_fn(|_| Window::new()), oldest: 0 }
    }

    /// The disk itself.
    pub fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// Forgets all sectors: the disk may be another.
    pub fn clear(&mut self) {
        for window in &mut self.windows {
            window.sectors = 0;
        }
    }

    /// A sector.
    ///
    /// # Errors
    /// `Corrupt`: the disk has no such sector; those of the disk.
    pub fn sector(&mut self, sector: u64) -> Result<&[u8; SECTOR]> {
        let index = match self.windows.iter().position(|window| window.sector(sector).is_some()) {
            Some(index) => index,
            None => self.load(sector)?,
        };
        self.windows[index].sector(sector).ok_or(Status::Corrupt)
    }

    /// Replaces the oldest window by the one around this sector; returns its index.
    fn load(&mut self, sector: u64) -> Result<usize> {
        let first = sector - sector % WINDOW_SECTORS as u64;
        let end = self.device.sectors()?;
        let sectors = end.saturating_sub(first).min(WINDOW_SECTORS as u64) as usize;
        if sectors == 0 {
            return Err(Status::Corrupt);
        }
        let index = self.oldest;
        let window = &mut self.windows[index];
        window.sectors = 0;
        self.device.fetch(first, sectors)?.read(0, &mut window.data[..sectors * SECTOR])?;
        (window.first, window.sectors) = (first, sectors);
        self.oldest = (index + 1) % WINDOWS;
        Ok(index)
    }
}
