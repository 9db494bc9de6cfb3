//! What the service needs of a disk.

use ipc::block::SECTOR;
use ipc::file::Status;
use rt::SharedBuffer;

use crate::Result;

/// Most bytes that one [`BlockRead::fetch`] brings.
pub const MAX_FETCH: usize = 128 * 1024;

/// A disk of 512-byte sectors. Its refusals: `NoVolume` (there is no disk), `DeviceError`.
pub trait BlockRead {
    /// How many sectors it has.
    ///
    /// # Errors
    /// `NoVolume`, `DeviceError`.
    fn sectors(&mut self) -> Result<u64>;

    /// Reads sectors, at most [`MAX_FETCH`] bytes of them, into the disk's own buffer, where they stay until the next
    /// call.
    ///
    /// # Errors
    /// `NoVolume`, `DeviceError`; also when the sectors do not exist.
    fn fetch(&mut self, sector: u64, sectors: usize) -> Result<Fetched<'_>>;

    /// The driver has ended: what it was asked for does not come.
    fn driver_ended(&mut self) {}
}

/// Sectors in the buffer of a disk. The driver may change them at any moment: they are copied, then looked at.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    buffer: &'a SharedBuffer,
    offset: usize,
    bytes: usize,
}

impl<'a> Fetched<'a> {
    /// `bytes` bytes of this buffer from `offset` on.
    pub fn new(buffer: &'a SharedBuffer, offset: usize, bytes: usize) -> Self {
        Self { buffer, offset, bytes }
    }

    /// Copies bytes from `skip` on out.
    ///
    /// # Errors
    /// `DeviceError`: so many were not fetched.
    pub fn read(&self, skip: usize, out: &mut [u8]) -> Result<()> {
        let from = self.place(skip, out.len())?;
        self.buffer.read(from, out).map_err(|_| Status::DeviceError)
    }

    /// Copies `count` bytes from `skip` on to byte `at` of another buffer.
    ///
    /// # Errors
    /// `DeviceError`: so many were not fetched; `Range`: they do not fit.
    pub fn send(&self, skip: usize, to: &SharedBuffer, at: usize, count: usize) -> Result<()> {
        let from = self.place(skip, count)?;
        to.write_from(at, self.buffer, from, count).map_err(|_| Status::Range)
    }

    fn place(&self, skip: usize, count: usize) -> Result<usize> {
        match skip.checked_add(count) {
            Some(end) if end <= self.bytes => Ok(self.offset + skip),
            _ => Err(Status::DeviceError),
        }
    }
}

/// Sectors that hold `bytes` bytes.
pub(crate) const fn sectors_for(bytes: usize) -> usize {
    bytes.div_ceil(SECTOR)
}
