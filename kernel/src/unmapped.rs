//! The tables of a core that must not have the kernel mapped while a process runs (decision 0019): a copy of the kernel's
//! with nothing global, and one that maps a single page of code.

use core::ops::Range;

use crate::arch::pte;
use crate::audit::{UPPER, Unsound};
use crate::mm::regions::Regions;
use crate::mm::{Mem, Phys};

/// Bytes of a table.
const TABLE: u64 = 4096;

/// The two roots: one pair of pages, of which the second is for the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Roots(u64);

impl Roots {
    /// The pair, of which this is the kernel's.
    pub const fn of_full(root: Phys) -> Self {
        Self(root.0 & !TABLE)
    }

    /// For the kernel.
    pub const fn full(self) -> Phys {
        Phys(self.0 | TABLE)
    }

    /// For user space.
    pub const fn thin(self) -> Phys {
        Phys(self.0)
    }
}

/// Entry of a table for an address.
const fn entry(table: Phys, level: u32, address: u64) -> Phys {
    Phys(table.0 + (address >> (39 - 9 * level) & 511) * 8)
}

/// What of the kernel is where.
#[derive(Clone, Debug)]
pub struct Places {
    /// The page of code that user space keeps.
    pub page: u64,
    /// What is not mapped any more when these tables come into use.
    pub gone: Range<u64>,
}

/// Makes both out of the kernel's own. `None`: there is too little memory, or no such page.
pub fn build(mem: &mut Mem, free: &mut Regions, root: Phys, places: &Places) -> Option<Roots> {
    let pair = Phys(free.take(2 * TABLE, 2 * TABLE)?);
    mem.zero(pair, 2 * TABLE);
    let roots = Roots(pair.0);
    copy(mem, free, (root, roots.full()), (0, UPPER), places)?;
    map(mem, free, root, roots.thin(), places.page)?;
    Some(roots)
}

fn new_table(mem: &mut Mem, free: &mut Regions) -> Option<Phys> {
    let table = Phys(free.take(TABLE, TABLE)?);
    mem.zero(table, TABLE);
    Some(table)
}

/// Copies a table and those below it: (level, address of its first entry).
fn copy(
    mem: &mut Mem,
    free: &mut Regions,
    (from, to): (Phys, Phys),
    (level, base): (u32, u64),
    places: &Places,
) -> Option<()> {
    for index in 0..512 {
        let value = mem.read_u64(Phys(from.0 + index * 8));
        let address = base + (index << (39 - 9 * level));
        let copied = if pte::is_leaf(value, level) {
            match address {
                _ if places.gone.contains(&address) => 0,
                _ if address == places.page => value,
                _ => pte::not_global(value),
            }
        } else if level < 3 && pte::is_table(value) {
            let table = new_table(mem, free)?;
            copy(mem, free, (pte::address(value), table), (level + 1, address), places)?;
            pte::table(table)
        } else {
            0
        };
        mem.write_u64(Phys(to.0 + index * 8), copied);
    }
    Some(())
}

/// Maps one page as `root` does.
fn map(mem: &mut Mem, free: &mut Regions, root: Phys, thin: Phys, page: u64) -> Option<()> {
    let (mut from, mut to) = (root, thin);
    for level in 0..3 {
        let value = mem.read_u64(entry(from, level, page));
        if !pte::is_table(value) {
            return None;
        }
        let table = new_table(mem, free)?;
        mem.write_u64(entry(to, level, page), pte::table(table));
        (from, to) = (pte::address(value), table);
    }
    let leaf = mem.read_u64(entry(from, 3, page));
    if !pte::is_leaf(leaf, 3) || !pte::is_sound_for_kernel(leaf) || pte::is_writable(leaf) {
        return None;
    }
    mem.write_u64(entry(to, 3, page), leaf);
    Some(())
}

/// Judges both: user space has the one page and nothing else, and the kernel what `root`, the boot's, has, but nothing else is
/// global.
///
/// # Errors
/// The first leaf that is not in order.
pub fn audit(mem: &Mem, roots: Roots, root: Phys, page: u64) -> Result<(), Unsound> {
    let mut found = false;
    leaves(mem, roots.thin(), (0, UPPER), &mut |address, value| {
        found |= address == page;
        address == page && pte::is_sound_for_kernel(value) && !pte::is_writable(value)
    })?;
    if !found {
        return Err(Unsound { address: page, value: 0 });
    }
    leaves(mem, root, (0, UPPER), &mut |address, _| leaf_at(mem, roots.full(), address) != 0)?;
    leaves(mem, roots.full(), (0, UPPER), &mut |address, value| {
        let global = leaf_at(mem, root, address);
        value == if address == page { global } else { pte::not_global(global) }
    })
}

/// The last entry on the way to an address.
fn leaf_at(mem: &Mem, mut table: Phys, address: u64) -> u64 {
    for level in 0..3 {
        let value = mem.read_u64(entry(table, level, address));
        if !pte::is_table(value) {
            return value;
        }
        table = pte::address(value);
    }
    mem.read_u64(entry(table, 3, address))
}

fn leaves(
    mem: &Mem,
    table: Phys,
    (level, base): (u32, u64),
    sound: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), Unsound> {
    for index in 0..512 {
        let value = mem.read_u64(Phys(table.0 + index * 8));
        let address = base + (index << (39 - 9 * level));
        if pte::is_leaf(value, level) {
            if !sound(address, value) {
                return Err(Unsound { address, value });
            }
        } else if level < 3 && pte::is_table(value) {
            leaves(mem, pte::address(value), (level + 1, address), sound)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::arena;
    use crate::mm::regions;

    const RAM: u64 = 0x4000_0000;
    const PAGES: u64 = 64;
    const PAGE: u64 = 0xffff_ffff_8000_3000;
    /// Nothing is gone.
    const PLACES: Places = Places { page: PAGE, gone: 0..0 };

    /// Memory, what of it is free, and a kernel's tables: code, data, a block of 2 MiB, one of 1 GiB.
    fn kernel() -> (Mem, Regions, Phys) {
        let mut mem = arena(Phys(RAM), (PAGES * TABLE) as usize);
        let mut free = Regions::new();
        free.add(regions::Range { start: RAM, end: RAM + PAGES * TABLE }).unwrap();
        let root = new_table(&mut mem, &mut free).unwrap();
        for (address, level, attributes) in [
            (0xffff_ffff_8000_2000, 3, pte::KERNEL_CODE),
            (PAGE, 3, pte::KERNEL_CODE),
            (0xffff_ffff_8000_4000, 3, pte::KERNEL_DATA),
            (0xffff_ffff_c000_0000, 2, pte::KERNEL_READ_ONLY),
            (0xffff_8000_0000_0000, 1, pte::KERNEL_DATA),
            (0xffff_ffff_c200_0000, 3, pte::KERNEL_DEVICE),
        ] {
            let mut table = root;
            for above in 0..level {
                let place = entry(table, above, address);
                if mem.read_u64(place) == 0 {
                    let below = new_table(&mut mem, &mut free).unwrap();
                    mem.write_u64(place, pte::table(below));
                }
                table = pte::address(mem.read_u64(place));
            }
            mem.write_u64(entry(table, level, address), pte::leaf(0x8000_0000, level, attributes));
        }
        (mem, free, root)
    }

    fn all(mem: &Mem, root: Phys) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        leaves(mem, root, (0, UPPER), &mut |address, value| {
            found.push((address, value));
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn user_space_keeps_one_page_and_the_kernel_all_of_them() {
        let (mut mem, mut free, root) = kernel();
        let before = all(&mem, root);
        let roots = build(&mut mem, &mut free, root, &PLACES).unwrap();
        assert_eq!(all(&mem, root), before, "other cores' tables are as they were");
        assert_eq!(all(&mem, roots.thin()), before.iter().copied().filter(|leaf| leaf.0 == PAGE).collect::<Vec<_>>());
        let full = all(&mem, roots.full());
        assert_eq!(full.len(), 6);
        for (have, was) in full.iter().zip(&before) {
            let same = if was.0 == PAGE { was.1 } else { pte::not_global(was.1) };
            assert_eq!(*have, (was.0, same));
        }
        assert!(roots.thin().0.is_multiple_of(2 * TABLE) && roots.full().0 == roots.thin().0 + TABLE);
        assert_eq!(Roots::of_full(roots.full()), roots);
        assert_eq!(audit(&mem, roots, root, PAGE), Ok(()));
    }

    #[test]
    fn a_second_page_for_user_space_and_a_global_one_are_found() {
        let (mut mem, mut free, root) = kernel();
        let roots = build(&mut mem, &mut free, root, &PLACES).unwrap();
        let last = |mem: &Mem, root: Phys| {
            (0..3).fold(root, |table, level| pte::address(mem.read_u64(entry(table, level, PAGE))))
        };
        let more = entry(last(&mem, roots.thin()), 3, PAGE + 0x1000);
        let value = pte::leaf(0x8000_0000, 3, pte::KERNEL_DATA);
        mem.write_u64(more, value);
        assert_eq!(audit(&mem, roots, root, PAGE), Err(Unsound { address: PAGE + 0x1000, value }));
        mem.write_u64(more, 0);
        assert_eq!(audit(&mem, roots, root, PAGE), Ok(()));
        mem.write_u64(entry(last(&mem, roots.full()), 3, PAGE + 0x1000), value);
        assert_eq!(audit(&mem, roots, root, PAGE), Err(Unsound { address: PAGE + 0x1000, value }));
        let only = entry(last(&mem, roots.thin()), 3, PAGE);
        mem.write_u64(only, 0);
        assert_eq!(audit(&mem, roots, root, PAGE), Err(Unsound { address: PAGE, value: 0 }));
    }

    #[test]
    fn what_is_gone_by_then_is_not_in_them() {
        let (mut mem, mut free, root) = kernel();
        let places = Places { page: PAGE, gone: 0xffff_ffff_8000_0000..PAGE };
        let roots = build(&mut mem, &mut free, root, &places).unwrap();
        let full = all(&mem, roots.full());
        assert!(full.len() == 5 && full.iter().all(|(address, _)| !places.gone.contains(address)), "{full:x?}");
        // As long as it is not gone, the kernel lacks a page; had that not been said, it would have one too many afterwards.
        let gone = PAGE - 0x1000;
        assert_eq!(audit(&mem, roots, root, PAGE).map_err(|found| found.address), Err(gone));
        let too_many = build(&mut mem, &mut free, root, &PLACES).unwrap();
        let last = (0..3).fold(root, |table, level| pte::address(mem.read_u64(entry(table, level, PAGE))));
        mem.write_u64(entry(last, 3, gone), 0);
        assert_eq!(audit(&mem, roots, root, PAGE), Ok(()));
        assert_eq!(audit(&mem, too_many, root, PAGE).map_err(|found| found.address), Err(gone));
    }

    #[test]
    fn without_memory_or_without_the_page_there_are_none() {
        let (mut mem, free, root) = kernel();
        let needed = (0..).find(|&pages| {
            let mut some = Regions::new();
            let start = free.as_slice()[0].start.next_multiple_of(2 * TABLE);
            some.add(regions::Range { start, end: start + pages * TABLE }).unwrap();
            build(&mut mem, &mut some, root, &PLACES).is_some()
        });
        // Two roots, three tables for the page, and as many as the kernel has below its root.
        assert_eq!(needed, Some(2 + 3 + 6));
        for missing in [0xffff_ffff_8000_7000, 0xffff_ffff_c000_0000, 0xffff_8000_0000_0000, 0xffff_ffff_8000_4000] {
            let places = Places { page: missing, ..PLACES };
            assert_eq!(build(&mut mem, &mut free.clone(), root, &places), None, "{missing:#x}");
        }
    }
}
