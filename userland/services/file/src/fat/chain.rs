//! Chains of clusters through the file allocation table.

use ipc::block::SECTOR;
use ipc::file::Status;

use super::boot::{Layout, Width};
use crate::{BlockRead, Cache, Result};

/// A place in a chain. Going forward is cheap, going back starts anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    /// The place: `index` clusters behind the first.
    index: u32,
    cluster: u32,
    /// The cluster at the last index that was a power of two: whoever meets it again runs in a ring (Brent). What uses
    /// the chain bounds its length too.
    mark: u32,
}

impl Chain {
    /// The chain that begins with this cluster.
    pub fn new(first: u32) -> Self {
        Self { first, index: 0, cluster: first, mark: first }
    }

    /// The cluster with this index; `None` when the chain has fewer.
    ///
    /// # Errors
    /// `Corrupt`: it leaves the volume or is a ring; those of the disk.
    pub fn seek<D: BlockRead>(&mut self, layout: &Layout, disk: &mut Cache<D>, index: u32) -> Result<Option<u32>> {
        if index < self.index {
            *self = Self::new(self.first);
        }
        if !layout.has(self.cluster) {
            return Err(Status::Corrupt);
        }
        while self.index < index {
            let Some(next) = follow(layout, disk, self.cluster)? else { return Ok(None) };
            if next == self.mark {
                return Err(Status::Corrupt);
            }
            self.index += 1;
            self.cluster = next;
            if self.index.is_power_of_two() {
                self.mark = next;
            }
        }
        Ok(Some(self.cluster))
    }

    /// How many clusters from this place on lie one behind the other on the disk: at least 1, at most `most`.
    ///
    /// # Errors
    /// As [`Self::seek`].
    pub fn run<D: BlockRead>(&self, layout: &Layout, disk: &mut Cache<D>, most: u32) -> Result<u32> {
        let mut count = 1;
        while count < most {
            let last = self.cluster + (count - 1);
            if follow(layout, disk, last)? != Some(last + 1) {
                break;
            }
            count += 1;
        }
        Ok(count)
    }
}

/// The cluster behind this one; `None` at the end of a chain.
fn follow<D: BlockRead>(layout: &Layout, disk: &mut Cache<D>, cluster: u32) -> Result<Option<u32>> {
    let (bytes, end) = match layout.width {
        Width::Fat32 => (4, 0x0fff_fff8),
        Width::Fat16 => (2, 0xfff8),
    };
    let at = u64::from(cluster) * bytes;
    let sector = disk.sector(layout.table + at / SECTOR as u64)?;
    let entry = sector.get((at % SECTOR as u64) as usize..).ok_or(Status::Corrupt)?;
    let next = match layout.width {
        Width::Fat32 => entry.first_chunk().map(|word| u32::from_le_bytes(*word) & 0x0fff_ffff),
        Width::Fat16 => entry.first_chunk().map(|half| u16::from_le_bytes(*half).into()),
    };
    match next {
        Some(next) if next >= end => Ok(None),
        Some(next) if layout.has(next) => Ok(Some(next)),
        _ => Err(Status::Corrupt),
    }
}
