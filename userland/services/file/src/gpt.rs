//! Where on a disk volumes may be: the partitions of a GPT, else the whole disk and the partitions of an MBR.
//!
//! The primary header counts if it and its table have the right checksums, else the one in the last sector.

use alloc::vec::Vec;

use crc::Crc;
use gpt_disk_types::{Crc32, GptHeader, GptPartitionEntry, GptPartitionType, MasterBootRecord};
use ipc::block::SECTOR;
use ipc::file::Status;

use crate::{BlockRead, Cache, Result};

static CRC: Crc<u32> = Crc::<u32>::new(&Crc32::ALGORITHM);

/// Most bytes of a partition table that are read: eight times what the usual 128 entries take.
const MAX_TABLE: u64 = 128 * 1024;
/// Type of the one MBR partition that says: look for a GPT.
const PROTECTIVE: u8 = 0xee;
/// Last bytes of an MBR.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Types of MBR partitions that are FAT16, FAT32 or for EFI.
const FAT_TYPES: [u8; 6] = [0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef];

/// Sectors that may hold a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First sector.
    pub first: u64,
    /// How many.
    pub sectors: u64,
}

/// The places where a FAT volume may be, in the order in which to try them: partitions of a GPT for data and for EFI;
/// without a GPT the whole disk, then the FAT partitions of an MBR.
///
/// # Errors
/// `Corrupt`: there should be a GPT, and neither copy of it is sound; those of the disk.
pub fn extents<D: BlockRead>(disk: &mut Cache<D>) -> Result<Vec<Extent>> {
    let sectors = disk.device().sectors()?;
    if sectors == 0 {
        return Err(Status::NoVolume);
    }
    let record: MasterBootRecord = bytemuck::pod_read_unaligned(disk.sector(0)?);
    if !is_protective(&record) {
        let whole = Extent { first: 0, sectors };
        return Ok(core::iter::once(whole).chain(legacy(&record, sectors)).collect());
    }
    match table(disk, 1, sectors) {
        Err(Status::Corrupt) => table(disk, sectors - 1, sectors),
        result => result,
    }
}

fn is_protective(record: &MasterBootRecord) -> bool {
    record.signature == SIGNATURE && record.partitions.iter().any(|partition| partition.os_indicator == PROTECTIVE)
}

/// The partitions of an MBR that may hold a FAT volume and lie on the disk.
fn legacy(record: &MasterBootRecord, sectors: u64) -> impl Iterator<Item = Extent> {
    let partitions = if record.signature == SIGNATURE { &record.partitions[..] } else { &[] };
    partitions.iter().filter_map(move |partition| {
        let first = u64::from(partition.starting_lba.to_u32());
        let count = u64::from(partition.size_in_lba.to_u32());
        let fits = FAT_TYPES.contains(&partition.os_indicator) && first > 0 && count > 0 && first + count <= sectors;
        fits.then_some(Extent { first, sectors: count })
    })
}

/// The extents that the header in sector `at` leads to.
fn table<D: BlockRead>(disk: &mut Cache<D>, at: u64, sectors: u64) -> Result<Vec<Extent>> {
    let header = header(disk.sector(at)?, at).ok_or(Status::Corrupt)?;
    let entry_bytes = header.size_of_partition_entry.to_u32() as usize;
    let bytes = entry_bytes as u64 * u64::from(header.number_of_partition_entries.to_u32());
    if !entry_bytes.is_power_of_two() || !(128..=SECTOR).contains(&entry_bytes) || bytes > MAX_TABLE {
        return Err(Status::Corrupt);
    }
    let first = header.partition_entry_lba.to_u64();
    let mut digest = CRC.digest();
    let mut found = Vec::new();
    let mut left = bytes as usize;
    for index in 0..bytes.div_ceil(SECTOR as u64) {
        let data = disk.sector(first.checked_add(index).ok_or(Status::Corrupt)?)?;
        let data = &data[..left.min(SECTOR)];
        digest.update(data);
        found.extend(data.chunks_exact(entry_bytes).filter_map(|entry| extent(entry, sectors)));
        left -= data.len();
    }
    let sound = digest.finalize() == header.partition_entry_array_crc32.0.to_u32();
    sound.then_some(found).ok_or(Status::Corrupt)
}

/// The header in this sector, if it is one and its checksum is right.
fn header(sector: &[u8; SECTOR], at: u64) -> Option<GptHeader> {
    let header: GptHeader = bytemuck::pod_read_unaligned(sector.get(..size_of::<GptHeader>())?);
    let bytes = header.header_size.to_u32() as usize;
    if !header.is_signature_valid() || bytes < size_of::<GptHeader>() || header.my_lba.to_u64() != at {
        return None;
    }
    let checksum = core::mem::offset_of!(GptHeader, header_crc32);
    let mut digest = CRC.digest();
    digest.update(sector.get(..checksum)?);
    digest.update(&[0; 4]);
    digest.update(sector.get(checksum + 4..bytes)?);
    (digest.finalize() == header.header_crc32.0.to_u32()).then_some(header)
}

/// The extent of a table entry that may hold a FAT volume and lies on the disk.
fn extent(entry: &[u8], sectors: u64) -> Option<Extent> {
    let entry: GptPartitionEntry = bytemuck::pod_read_unaligned(entry.get(..size_of::<GptPartitionEntry>())?);
    let kind = entry.partition_type_guid;
    if kind != GptPartitionType::BASIC_DATA && kind != GptPartitionType::EFI_SYSTEM {
        return None;
    }
    let (first, last) = (entry.starting_lba.to_u64(), entry.ending_lba.to_u64());
    (first <= last && last < sectors).then(|| Extent { first, sectors: last - first + 1 })
}
