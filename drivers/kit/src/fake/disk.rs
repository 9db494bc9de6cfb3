//! A disk in memory.

use alloc::rc::Rc;
use core::cell::RefCell;

use crate::sectors::{SECTOR, Sectors};

/// A disk, zeroed at first. Clones are the same disk.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::fake;
/// use kit::sectors::Sectors;
///
/// # futures::executor::block_on(async {
/// let mut disk = fake::Disk::new(8);
/// disk.write(7, &[1; 512]).await.unwrap();
/// assert!(disk.write(7, &[1; 1024]).await.is_err());
/// assert_eq!(disk.content()[7 * 512..], [1; 512]);
/// # })
/// ```
#[derive(Clone, Debug)]
pub struct Disk(Rc<RefCell<Vec<u8>>>);

/// Sectors that are not on the disk, or bytes that are no whole sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOnDisk;

impl core::fmt::Display for NotOnDisk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("these are no sectors of the disk")
    }
}

impl core::error::Error for NotOnDisk {}

impl Disk {
    /// A disk of so many sectors.
    pub fn new(sectors: usize) -> Self {
        Self(Rc::new(RefCell::new(vec![0; sectors * SECTOR])))
    }

    /// All of its bytes.
    pub fn content(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    fn range(&self, first: u64, bytes: usize) -> Result<core::ops::Range<usize>, NotOnDisk> {
        let start = usize::try_from(first).ok().and_then(|first| first.checked_mul(SECTOR)).ok_or(NotOnDisk)?;
        let end = start.checked_add(bytes).filter(|&end| end <= self.0.borrow().len()).ok_or(NotOnDisk)?;
        if bytes.is_multiple_of(SECTOR) { Ok(start..end) } else { Err(NotOnDisk) }
    }
}

impl Sectors for Disk {
    type Error = NotOnDisk;

    fn count(&self) -> u64 {
        (self.0.borrow().len() / SECTOR) as u64
    }

    async fn read(&mut self, first: u64, out: &mut [u8]) -> Result<(), NotOnDisk> {
        out.copy_from_slice(&self.0.borrow()[self.range(first, out.len())?]);
        Ok(())
    }

    async fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), NotOnDisk> {
        let range = self.range(first, bytes.len())?;
        self.0.borrow_mut()[range].copy_from_slice(bytes);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), NotOnDisk> {
        Ok(())
    }
}
