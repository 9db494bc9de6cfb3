//! The tables of an address space: the way to an address, runs of entries made, changed and cleared, tables that come and
//! go. An entry that points to a table counts that table's entries in use; a table without any goes back to the pool.

use abi::{
    ErrorCode, Perms,
    layout::{PAGE, PAGE_BITS, USER_END},
};

use super::AddressSpace;
use crate::arch::pte;
use crate::kernel::Kernel;
use crate::mm::regions::Range;
use crate::mm::{Mem, Phys, Ref};

/// Entries worked on between two preemption points.
pub(super) const RUN: u64 = 32;

/// The first page of the object that can become a table below the root.
pub(super) const OWN: u32 = 2;

/// A part of a range of addresses and the memory to be found there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub address: u64,
    pub base: u64,
    pub pages: u64,
}

impl Piece {
    /// What is left of it behind some pages.
    pub const fn behind(self, pages: u64) -> Self {
        let bytes = pages << PAGE_BITS;
        Self { address: self.address + bytes, base: self.base + bytes, pages: self.pages - pages }
    }

    /// The level at which its front is one entry, the largest that fits: 1 GiB, 2 MiB, 4 KiB.
    pub const fn level(self) -> u32 {
        let place = self.address | self.base;
        if self.pages < 1 << 9 || place & ((1 << span_bits(2)) - 1) != 0 {
            3
        } else if self.pages < 1 << 18 || place & ((1 << span_bits(1)) - 1) != 0 {
            2
        } else {
            1
        }
    }
}

/// Where the way from the root to an address ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The entry that points to the last table of the way. None points to the root.
    pub above: Phys,
    /// The entry in that table.
    pub place: Phys,
    /// Its level.
    pub level: u32,
    /// What it is: a leaf, or 0.
    pub value: u64,
}

/// Tables that nothing points to any more; they are free once no translation cache remembers them.
#[derive(Debug, Default)]
pub(super) struct Freed {
    pages: [Phys; 12],
    count: usize,
}

impl Freed {
    fn add(&mut self, page: Phys) {
        if let Some(place) = self.pages.get_mut(self.count) {
            *place = page;
            self.count += 1;
        } else {
            debug_assert!(false, "more tables than one step can free");
        }
    }
}

/// log2 of what one entry of a table at this level covers.
pub(super) const fn span_bits(level: u32) -> u32 {
    PAGE_BITS + 9 * (3 - level)
}

/// The first address behind what the entry for an address at this level covers.
pub(super) const fn next_entry(address: u64, level: u32) -> u64 {
    (address | ((1 << span_bits(level)) - 1)) + 1
}

/// The number of the entry for an address in a table at this level.
const fn index(address: u64, level: u32) -> u64 {
    (address >> span_bits(level)) & 511
}

/// Where the entry for an address lies in a table at this level.
const fn entry(table: Phys, level: u32, address: u64) -> Phys {
    Phys(table.0 + index(address, level) * 8)
}

/// A table is free. The last of the space's own pages that was taken goes back to where it was; any other is linked.
pub(super) fn give_page(mem: &mut Mem, space: Ref<AddressSpace>, page: Phys) {
    let last = mem.address(space).0 + u64::from(mem[space].fresh - 1) * PAGE;
    let object = &mut mem[space];
    object.free_pages += 1;
    if page.0 == last {
        object.fresh -= 1;
        return;
    }
    let next = core::mem::replace(&mut object.free, page);
    mem.write_u64(page, next.0);
}

/// The pool has one.
pub(super) fn take_page(mem: &mut Mem, space: Ref<AddressSpace>) -> Phys {
    let place = mem.address(space);
    let object = &mut mem[space];
    assert!(object.free_pages > 0, "who takes a page has looked whether there is one");
    object.free_pages -= 1;
    let page = object.free;
    if page != Phys(0) {
        mem[space].free = Phys(mem.read_u64(page));
        mem.write_u64(page, 0);
        return page;
    }
    let page = Phys(place.0 + u64::from(object.fresh) * PAGE);
    object.fresh += 1;
    if object.dirty {
        mem.zero(page, PAGE);
    }
    page
}

impl Kernel {
    /// Where the entry for an address lies in a table at a level, and what it is.
    #[inline(always)]
    fn look(&self, table: Phys, level: u32, address: u64) -> (Phys, u64) {
        let place = entry(table, level, address);
        (place, self.mem.read_entry(place))
    }

    /// The way to an address.
    #[inline(never)]
    pub(super) fn way(&self, space: Ref<AddressSpace>, address: u64) -> Way {
        self.short_way(space, address)
    }

    /// [`Self::way`], for the operations that must be quick: no loop.
    #[inline(always)]
    pub(super) fn short_way(&self, space: Ref<AddressSpace>, address: u64) -> Way {
        let (place, value) = self.look(self.mem[space].root, 0, address);
        if !pte::is_table(value) {
            return Way { above: Phys(0), place, level: 0, value };
        }
        let (above, (place, value)) = (place, self.look(pte::address(value), 1, address));
        if !pte::is_table(value) {
            return Way { above, place, level: 1, value };
        }
        let (above, (place, value)) = (place, self.look(pte::address(value), 2, address));
        if !pte::is_table(value) {
            return Way { above, place, level: 2, value };
        }
        let (above, (place, value)) = (place, self.look(pte::address(value), 3, address));
        Way { above, place, level: 3, value }
    }

    /// Maps the front of a piece: as many entries of one table as there are pages for, at most `most`, or none at all.
    /// Returns how many pages that is.
    ///
    /// # Errors
    /// `Overlap`, `NoPool`: nothing was changed.
    #[inline(never)]
    pub(crate) fn map_run(
        &mut self,
        space: Ref<AddressSpace>,
        piece: Piece,
        attributes: u64,
        most: u64,
    ) -> Result<u64, ErrorCode> {
        // What a device reaches is pages: each can be taken away without a table for the others.
        let level = if self.mem[space].reach.stream().is_some() { 3 } else { piece.level() };
        match level {
            3 => self.map_entries::<3>(space, piece, attributes, most),
            2 => self.map_entries::<2>(space, piece, attributes, most),
            _ => self.map_entries::<1>(space, piece, attributes, most),
        }
    }

    /// [`Self::map_run`] of entries of this level.
    #[inline(always)]
    pub(super) fn map_entries<const LEVEL: u32>(
        &mut self,
        space: Ref<AddressSpace>,
        piece: Piece,
        attributes: u64,
        most: u64,
    ) -> Result<u64, ErrorCode> {
        let (above, table) = match self.table_at::<LEVEL>(space, piece.address) {
            Ok(found) => found,
            Err(way) => self.tables_for(space, way, piece.address, LEVEL)?,
        };
        let (first, bits) = (entry(table, LEVEL, piece.address), span_bits(LEVEL));
        let run = (piece.pages >> (bits - PAGE_BITS)).min(512 - index(piece.address, LEVEL)).min(most);
        let mut place = first;
        for _ in 0..run {
            if self.mem.read_entry(place) != 0 {
                return Err(ErrorCode::Overlap);
            }
            place.0 += 8;
        }
        let (mut place, mut value) = (first, pte::leaf(piece.base, LEVEL, attributes));
        for _ in 0..run {
            self.mem.write_entry(place, value);
            (place.0, value) = (place.0 + 8, value + (1 << bits));
        }
        self.mem.write_entry(above, pte::more_used(self.mem.read_entry(above), run));
        self.machine.tables_written();
        Ok(run << (bits - PAGE_BITS))
    }

    /// The table at a level, not 0, on the way to an address, and the entry that points to it, or where the way ends before.
    #[inline(always)]
    fn table_at<const LEVEL: u32>(&self, space: Ref<AddressSpace>, address: u64) -> Result<(Phys, Phys), Way> {
        let (place, value) = self.look(self.mem[space].root, 0, address);
        if !pte::is_table(value) {
            return Err(Way { above: Phys(0), place, level: 0, value });
        }
        if LEVEL == 1 {
            return Ok((place, pte::address(value)));
        }
        let (above, (place, value)) = (place, self.look(pte::address(value), 1, address));
        if !pte::is_table(value) {
            return Err(Way { above, place, level: 1, value });
        }
        if LEVEL == 2 {
            return Ok((place, pte::address(value)));
        }
        let (above, (place, value)) = (place, self.look(pte::address(value), 2, address));
        if !pte::is_table(value) {
            return Err(Way { above, place, level: 2, value });
        }
        Ok((place, pte::address(value)))
    }

    /// [`Self::table_at`] where the way ends before the level: the tables that are missing are made. Nothing lies in them, so
    /// whoever asked will not be refused any more.
    #[cold]
    fn tables_for(
        &mut self,
        space: Ref<AddressSpace>,
        way: Way,
        address: u64,
        level: u32,
    ) -> Result<(Phys, Phys), ErrorCode> {
        if way.value != 0 {
            return Err(ErrorCode::Overlap);
        }
        if self.mem[space].free_pages < level - way.level {
            return Err(ErrorCode::NoPool);
        }
        Ok(self.add_tables(space, way, address, level))
    }

    /// Makes the tables that are missing from the end of a way on, down to a level: the pool has them. Returns the last one
    /// and the entry that points to it.
    #[cold]
    fn add_tables(&mut self, space: Ref<AddressSpace>, way: Way, address: u64, level: u32) -> (Phys, Phys) {
        let Way { mut above, mut place, level: from, .. } = way;
        let mut table = Phys(0);
        for at in from..level {
            table = take_page(&mut self.mem, space);
            self.mem.write_entry(place, pte::table(table));
            if above != Phys(0) {
                self.mem.write_entry(above, pte::more_used(self.mem.read_entry(above), 1));
            }
            (above, place) = (place, entry(table, at + 1, address));
        }
        (above, table)
    }

    /// Maps one page where a way ends; the pool has the tables for it.
    pub(super) fn add_leaf(&mut self, space: Ref<AddressSpace>, way: Way, address: u64, leaf: u64) {
        let (mut above, mut place) = (way.above, way.place);
        if way.level < 3 {
            let (pointer, table) = self.add_tables(space, way, address, 3);
            (above, place) = (pointer, entry(table, 3, address));
        }
        self.mem.write_entry(place, leaf);
        self.mem.write_entry(above, pte::more_used(self.mem.read_entry(above), 1));
        self.machine.tables_written();
    }

    /// Clears the entry of a mapping of one page; `false`: nothing was done, the usual way does it.
    #[inline(always)]
    pub(super) fn clear_page(&mut self, space: Ref<AddressSpace>, address: u64) -> bool {
        let Way { above, place, level, value } = self.short_way(space, address);
        if level != 3 || value == 0 {
            return false;
        }
        let left = pte::fewer_used(self.mem.read_entry(above), 1);
        if pte::used(left) == 0 {
            return false;
        }
        self.mem.write_entry(place, 0);
        self.mem.write_entry(above, left);
        let ttbr = self.mem[space].ttbr;
        if pte::asid(ttbr) != 0 {
            self.machine.flush_page(ttbr, address);
        } else if self.mem[space].reach.stream().is_some() {
            self.invalidate_stream(space, address, 1, PAGE_BITS);
        }
        true
    }

    /// Clears entries at the end of a mapped range, of one table and at most [`RUN`]; returns how many pages that is.
    #[inline(always)]
    pub(super) fn clear_run(&mut self, space: Ref<AddressSpace>, address: u64, pages: u64) -> u64 {
        let last = address + ((pages - 1) << PAGE_BITS);
        let Way { above, place, level, value } = self.short_way(space, last);
        let (bits, own) = (span_bits(level), index(last, level));
        if value == 0 {
            // What is mapped is mapped whole; this cannot be, and must not be believed.
            return pages.min(((last & ((1 << bits) - 1)) >> PAGE_BITS) + 1);
        }
        let run = (pages >> (bits - PAGE_BITS)).clamp(1, (own + 1).min(RUN));
        let first = Phys(place.0 - (run - 1) * 8);
        let mut at = first;
        for _ in 0..run {
            self.mem.write_entry(at, 0);
            at.0 += 8;
        }
        let start = (last & !((1 << bits) - 1)) - ((run - 1) << bits);
        let left = pte::fewer_used(self.mem.read_entry(above), run);
        self.mem.write_entry(above, left);
        if pte::used(left) == 0 {
            self.flush_emptied(space, last, level, start, run);
        } else {
            self.flush(space, start, run, bits);
        }
        (run << (bits - PAGE_BITS)).min(pages)
    }

    /// Has entries at the end of an attached range, of one table and at most [`RUN`], lead to a page of the space's own; returns
    /// how many those are.
    pub(super) fn drain_run(&mut self, space: Ref<AddressSpace>, address: u64, pages: u64, drain: Phys) -> u64 {
        const READ_WRITE: u64 = pte::attributes(Perms::READ.union(Perms::WRITE), 0);
        let last = address + ((pages - 1) << PAGE_BITS);
        let Way { place, level, value, .. } = self.way(space, last);
        if level != 3 || value == 0 {
            // What is attached is attached whole; this cannot be, and must not be believed.
            return 1;
        }
        let run = pages.min((index(last, 3) + 1).min(RUN));
        let mut at = Phys(place.0 - (run - 1) * 8);
        for _ in 0..run {
            self.mem.write_entry(at, pte::leaf(drain.0, 3, READ_WRITE));
            at.0 += 8;
        }
        self.flush(space, last - ((run - 1) << PAGE_BITS), run, PAGE_BITS);
        run
    }

    /// Clears the entry for an address, if that leads to this page; returns how many pages are done with that.
    pub(super) fn clear_drained(&mut self, space: Ref<AddressSpace>, address: u64, drain: Phys) -> u64 {
        let Way { above, place, level, value } = self.way(space, address);
        if value == 0 {
            return (next_entry(address, level) - address) >> PAGE_BITS;
        }
        if pte::address(value) == drain {
            let mut freed = Freed::default();
            self.mem.write_entry(place, 0);
            self.entries_cleared(space, address, above, 1, &mut freed);
            self.flush(space, address, 1, PAGE_BITS);
            self.give_back_tables(space, &freed);
        }
        1
    }

    /// Drops the translations of entries that were the last ones of the table for an address at a level, and the table.
    #[cold]
    fn flush_emptied(&mut self, space: Ref<AddressSpace>, address: u64, level: u32, start: u64, entries: u64) {
        let mut freed = Freed::default();
        self.prune(space, address, level, &mut freed);
        self.flush(space, start, entries, span_bits(level));
        self.give_back_tables(space, &freed);
    }

    /// Entries of the last table on the way to an address, which `above` points to, were cleared: the table goes if it was the
    /// last ones.
    pub(super) fn entries_cleared(
        &mut self,
        space: Ref<AddressSpace>,
        address: u64,
        above: Phys,
        count: u64,
        freed: &mut Freed,
    ) {
        let left = pte::fewer_used(self.mem.read_entry(above), count);
        self.mem.write_entry(above, left);
        if pte::used(left) == 0 {
            self.prune(space, address, 3, freed);
        }
    }

    /// The table at this level on the way to an address is empty: it goes, and with it those above that led nowhere else.
    #[cold]
    fn prune(&mut self, space: Ref<AddressSpace>, address: u64, level: u32, freed: &mut Freed) {
        let (mut places, mut table) = ([Phys(0); 3], self.mem[space].root);
        for (at, place) in (0..level).zip(&mut places) {
            *place = entry(table, at, address);
            table = pte::address(self.mem.read_entry(*place));
        }
        for at in (0..level as usize).rev() {
            freed.add(pte::address(self.mem.read_entry(places[at])));
            self.mem.write_entry(places[at], 0);
            if at == 0 {
                break;
            }
            let left = pte::fewer_used(self.mem.read_entry(places[at - 1]), 1);
            self.mem.write_entry(places[at - 1], left);
            if pte::used(left) > 0 {
                break;
            }
        }
    }

    /// Nothing remembers these tables any more.
    pub(super) fn give_back_tables(&mut self, space: Ref<AddressSpace>, freed: &Freed) {
        for &page in &freed.pages[..freed.count] {
            give_page(&mut self.mem, space, page);
        }
    }

    /// Drops the translations of entries that were changed, and what led to them.
    fn flush(&mut self, space: Ref<AddressSpace>, start: u64, entries: u64, bits: u32) {
        let ttbr = self.mem[space].ttbr;
        if pte::asid(ttbr) != 0 {
            self.machine.flush_entries(ttbr, start, entries, bits);
        } else if self.mem[space].reach.stream().is_some() {
            self.invalidate_stream(space, start, entries, bits);
        }
    }

    /// Gives the leaves at the front of a mapped range other attributes, those of one table and at most [`RUN`]; returns how
    /// many pages that is.
    pub(super) fn change_run(&mut self, space: Ref<AddressSpace>, address: u64, pages: u64, attributes: u64) -> u64 {
        let Way { mut place, level, value, .. } = self.way(space, address);
        let bits = span_bits(level);
        if value == 0 {
            return pages.min((next_entry(address, level) - address) >> PAGE_BITS);
        }
        let run = (pages >> (bits - PAGE_BITS)).clamp(1, (512 - index(address, level)).min(RUN));
        for _ in 0..run {
            self.mem.write_entry(place, pte::with_attributes(self.mem.read_entry(place), attributes));
            place.0 += 8;
        }
        self.flush(space, address & !((1 << bits) - 1), run, bits);
        (run << (bits - PAGE_BITS)).min(pages)
    }

    /// Whether the page at an address is mapped with these attributes.
    pub(super) fn has_attributes(&self, space: Ref<AddressSpace>, address: u64, attributes: u64) -> bool {
        let value = self.way(space, address).value;
        value != 0 && pte::with_attributes(value, attributes) == value
    }

    /// Whether anything is mapped at an address.
    pub(crate) fn is_mapped_at(&self, space: Ref<AddressSpace>, address: u64) -> bool {
        address < USER_END && self.way(space, address).value != 0
    }

    /// The physical address behind a user address, if RAM is mapped there.
    pub(crate) fn translate(&self, space: Ref<AddressSpace>, address: u64) -> Option<Phys> {
        let Way { level, value, .. } = self.way(space, address);
        if value == 0 {
            return None;
        }
        let within = address & ((1 << span_bits(level)) - 1);
        let place = pte::address(value).0 + within;
        // Device memory lies outside all RAM, whatever its memory type.
        let ram = self.forbidden.overlaps(Range { start: place, end: place + 1 }) && self.mem.contains(Phys(place));
        (ram && !pte::is_device(value)).then_some(Phys(place))
    }

    /// [`Self::translate`], for tests.
    #[cfg(test)]
    pub(crate) fn translate_for_tests(&self, space: Ref<AddressSpace>, address: u64) -> Option<Phys> {
        self.translate(space, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_entry_that_fits() {
        let level = |address, base, pages| Piece { address, base, pages }.level();
        assert_eq!(level(0x4000_0000, 0x8000_0000, 1 << 18), 1);
        assert_eq!(level(0x4000_0000, 0x8000_0000, (1 << 18) - 1), 2);
        assert_eq!(level(0x4000_0000, 0x8020_0000, 1 << 18), 2);
        assert_eq!(level(0x4020_0000, 0x8020_0000, 512), 2);
        assert_eq!(level(0x4020_0000, 0x8020_0000, 511), 3);
        assert_eq!(level(0x4020_0000, 0x8020_1000, 1024), 3);
        assert_eq!(level(0x1000, 0x1000, 1), 3);
    }
}
