//! The ITS's own tables: of devices, in two steps where it can, and of collections (ARM IHI 0069, 5.2 and 12.19.1).

use abi::layout::PAGE;

use super::{BASER, NOT_CACHED, Registers, SHARED, VALID};
use crate::gate::MAX_CORES;
use crate::mm::regions::Regions;
use crate::mm::{Mem, Phys};

/// Kinds of tables.
const DEVICES: u64 = 1;
const COLLECTIONS: u64 = 4;
/// The table has a second step.
const INDIRECT: u64 = 1 << 62;
/// Tables of the second step, each for as many devices in a row as a page has entries.
const SECOND_STEPS: u64 = 4;
/// Bytes of a table of devices of one step, where all of them do not take less.
const FLAT_BYTES: u64 = 16 << 10;
/// Bytes of an entry of the first step.
const POINTER: u64 = 8;

/// Why an ITS cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It does not come to rest.
    Rest,
    /// It makes no physical interrupts.
    Physical,
    /// It has no place for a table of devices.
    Devices,
    /// It knows too few collections: one for each core is needed.
    Collections,
    /// Too little memory.
    Memory,
}

impl core::fmt::Display for Lack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Rest => "it does not come to rest",
            Self::Physical => "it makes no physical interrupts",
            Self::Devices => "it has no table of devices",
            Self::Collections => "it has too few collections",
            Self::Memory => "no memory for its tables",
        })
    }
}

/// Zeroed memory that stays the ITS's.
pub(super) fn take(mem: &mut Mem, free: &mut Regions, bytes: u64, align: u64) -> Result<Phys, Lack> {
    let place = free.take(bytes, align).map(Phys).ok_or(Lack::Memory)?;
    mem.zero(place, bytes);
    Ok(place)
}

fn publish(mem: &Mem, place: Phys, bytes: u64, coherent: bool) {
    if !coherent {
        mem.clean_invalidate(place, bytes / PAGE);
    }
}

/// The table of devices.
#[derive(Debug)]
pub(super) struct Devices {
    /// The only table, or that of the first step.
    table: Phys,
    /// Devices of an entry of the first step; of the only table there is one.
    run: u32,
    /// One more than the highest device.
    end: u64,
    /// Bytes of each table of the second step.
    step: u64,
    /// The next of them, one behind the other, and how many are left.
    spare: Phys,
    left: u64,
}

impl Devices {
    fn pointer(&self, device: u32) -> Phys {
        Phys(self.table.0 + u64::from(device / self.run) * POINTER)
    }

    fn is_flat(&self) -> bool {
        self.step == 0
    }

    /// Whether a device has an entry or can have one.
    pub fn has_room(&self, mem: &Mem, device: u32) -> bool {
        u64::from(device) < self.end && (self.is_flat() || self.left > 0 || mem.read_u64(self.pointer(device)) != 0)
    }

    /// Sees to it that a device has an entry.
    pub fn make_room(&mut self, mem: &mut Mem, device: u32, coherent: bool) -> bool {
        if !self.has_room(mem, device) {
            return false;
        }
        let pointer = self.pointer(device);
        if !self.is_flat() && mem.read_u64(pointer) == 0 {
            mem.write_u64(pointer, VALID | self.spare.0);
            (self.spare, self.left) = (Phys(self.spare.0 + self.step), self.left - 1);
            publish(mem, Phys(pointer.0 & !(PAGE - 1)), PAGE, coherent);
        }
        true
    }
}

/// A place for a table.
struct Place {
    offset: usize,
    /// What it is a table of, and the size of its entries: bits that cannot be changed.
    fixed: u64,
    /// Bytes of a page of it.
    page: u64,
}

impl Place {
    /// What the bits say when they are read that only the ITS sets.
    const FIXED: u64 = 7 << 56 | 31 << 48;

    fn entry(&self) -> u64 {
        (self.fixed >> 48 & 31) + 1
    }

    /// Finds the place for a kind of table, and the size of pages that it takes: the smallest.
    fn find(registers: &mut impl Registers, kind: u64) -> Option<Self> {
        let offset =
            (0..8).map(|number| BASER + number * 8).find(|&offset| registers.read_long(offset) >> 56 & 7 == kind)?;
        let fixed = registers.read_long(offset) & Self::FIXED;
        (0..3u64).find_map(|size| {
            registers.write_long(offset, fixed | size << 8);
            let taken = registers.read_long(offset) >> 8 & 3 == size;
            taken.then_some(Self { offset, fixed, page: [4 << 10, 16 << 10, 64 << 10][size as usize] })
        })
    }

    fn size_code(&self) -> u64 {
        match self.page {
            0x1000 => 0,
            0x4000 => 1,
            _ => 2,
        }
    }

    /// The table lies there.
    fn set(&self, registers: &mut impl Registers, table: Phys, bytes: u64, flags: u64, coherent: bool) {
        let memory = if coherent { SHARED } else { NOT_CACHED };
        let value = self.fixed | flags | memory | table.0 | self.size_code() << 8 | (bytes / self.page - 1);
        registers.write_long(self.offset, value | VALID);
    }

    fn takes_indirect(&self, registers: &mut impl Registers) -> bool {
        registers.write_long(self.offset, self.fixed | INDIRECT | self.size_code() << 8);
        registers.read_long(self.offset) & INDIRECT != 0
    }
}

/// Gives an ITS its tables.
pub(super) fn set_up(
    registers: &mut impl Registers,
    mem: &mut Mem,
    free: &mut Regions,
    device_bits: u32,
    coherent: bool,
) -> Result<Devices, Lack> {
    let place = Place::find(registers, DEVICES).ok_or(Lack::Devices)?;
    let devices = set_up_devices(&place, registers, mem, free, device_bits, coherent)?;
    let inside = registers.read_long(super::TYPER) >> 24 & 255;
    if let Some(place) = Place::find(registers, COLLECTIONS) {
        let bytes = (MAX_CORES as u64 * place.entry()).next_multiple_of(place.page);
        let table = take(mem, free, bytes, place.page)?;
        publish(mem, table, bytes, coherent);
        place.set(registers, table, bytes, 0, coherent);
    } else if inside < MAX_CORES as u64 {
        return Err(Lack::Collections);
    }
    Ok(devices)
}

fn set_up_devices(
    place: &Place,
    registers: &mut impl Registers,
    mem: &mut Mem,
    free: &mut Regions,
    bits: u32,
    coherent: bool,
) -> Result<Devices, Lack> {
    let (entry, all) = (place.entry(), 1u64 << bits);
    if all * entry > FLAT_BYTES.max(place.page) && place.takes_indirect(registers) {
        let run = place.page / entry;
        let table = take(mem, free, place.page, place.page)?;
        // A larger page has entries for more devices than a board has.
        let left = if place.page == PAGE { SECOND_STEPS } else { 1 };
        let spare = take(mem, free, left * place.page, place.page)?;
        publish(mem, spare, left * place.page, coherent);
        publish(mem, table, place.page, coherent);
        place.set(registers, table, place.page, INDIRECT, coherent);
        let end = all.min((place.page / POINTER).saturating_mul(run));
        return Ok(Devices { table, run: run as u32, end, step: place.page, spare, left });
    }
    let bytes = (all * entry).min(FLAT_BYTES).next_multiple_of(place.page);
    let table = take(mem, free, bytes, place.page)?;
    publish(mem, table, bytes, coherent);
    place.set(registers, table, bytes, 0, coherent);
    Ok(Devices { table, run: 1, end: all.min(bytes / entry), step: 0, spare: Phys(0), left: 0 })
}
