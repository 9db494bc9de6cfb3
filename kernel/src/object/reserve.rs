//! Reserve: an Untyped tied to a range of an address space. Whoever first touches a page of the range gets a zeroed one,
//! without a message and without a call.

use abi::{
    ErrorCode, FaultKind, Kind, Perms, Rights, SyscallError,
    layout::{MemoryType, PAGE, PAGE_BITS, USER_END},
};

use super::tables::{Freed, Way, next_entry};
use super::{AddressSpace, Thread};
use crate::arch::pte;
use crate::cap::{Cap, Flags, Slot};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Phys, Ref};
use crate::syscall::Args;

/// What an address space knows of a Reserve, in its first page behind the structure itself, sorted by address. Pages of the
/// memory are numbered from its start on.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// First address.
    pub start: u64,
    /// Behind the last address.
    pub end: u64,
    /// The memory.
    pub memory: Phys,
    /// Its pages.
    pub pages: u32,
    /// How many of them, from the first on, were ever mapped.
    pub fresh: u32,
    /// 1 + the page that was given back last, whose first word names the one before so; 0: none.
    pub returned: u32,
    /// Pages that are mapped.
    pub mapped: u32,
}

impl Window {
    /// The granule of the address space in which the first window lies.
    pub const FIRST: u32 = 4;
}

/// That, and the most windows.
const FIRST: u32 = Window::FIRST;
const MOST: u32 = PAGE as u32 / 64 - FIRST;

const _: () = assert!(size_of::<Window>() == 64 && size_of::<AddressSpace>() <= 64 * FIRST as usize);

/// Reserved memory is written and never executed.
const ATTRIBUTES: u64 = pte::attributes(Perms::READ.union(Perms::WRITE), MemoryType::Normal as u8);

/// Entries of page tables worked on between two preemption points, and what finding a table counts.
const STEP: u32 = 16;
const TABLE: u32 = 4;

fn window(space: Ref<AddressSpace>, index: u32) -> Ref<Window> {
    space.offset(FIRST + index)
}

impl Kernel {
    /// The first window that ends behind an address.
    fn window_behind(&self, space: Ref<AddressSpace>, address: u64) -> u32 {
        let (mut low, mut high) = (0, self.mem[space].windows);
        while low < high {
            let middle = (low + high) / 2;
            if self.mem[window(space, middle)].end <= address { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The window that an address lies in.
    fn window_at(&self, space: Ref<AddressSpace>, address: u64) -> Option<u32> {
        let index = self.window_behind(space, address);
        (index < self.mem[space].windows && self.mem[window(space, index)].start <= address).then_some(index)
    }

    /// What the address space knows of a Reserve.
    pub fn window_of(&self, cap: &Cap) -> Option<&Window> {
        let space = cap.space.filter(|_| cap.kind == Kind::Reserve)?;
        self.window_at(space, cap.word).map(|index| &self.mem[window(space, index)])
    }

    /// All windows of an address space.
    #[cfg(test)]
    pub(crate) fn windows(&self, space: Ref<AddressSpace>) -> impl Iterator<Item = &Window> {
        (0..self.mem[space].windows).map(move |index| &self.mem[window(space, index)])
    }

    /// A thread touched an address that is not mapped: `true` when a Reserve gave it a page and it can go on.
    ///
    /// # Errors
    /// The kind of fault, when the Reserve there has nothing left to give.
    pub fn first_touch(&mut self, thread: Ref<Thread>, address: u64) -> Result<bool, FaultKind> {
        let Some(space) = self.mem[thread].space() else { return Ok(false) };
        let Some(index) = self.window_at(space, address) else { return Ok(false) };
        let way = self.short_way(space, address);
        if way.value != 0 {
            // Another core was first.
            return Ok(true);
        }
        if self.mem[space].free_pages < 3 - way.level {
            return Err(FaultKind::NoTables);
        }
        let page = self.take_reserved(window(space, index)).ok_or(FaultKind::NoMemory)?;
        self.mem.zero(page, PAGE);
        self.add_leaf(space, way, address, pte::leaf(page.0, 3, ATTRIBUTES));
        Ok(true)
    }

    /// A page that is not mapped.
    fn take_reserved(&mut self, window: Ref<Window>) -> Option<Phys> {
        let Window { memory, pages, fresh, returned, .. } = self.mem[window];
        let page = if returned != 0 {
            let page = Phys(memory.0 + (u64::from(returned - 1) << PAGE_BITS));
            self.mem[window].returned = self.mem.read_u64(page) as u32;
            page
        } else if fresh < pages {
            self.mem[window].fresh = fresh + 1;
            Phys(memory.0 + (u64::from(fresh) << PAGE_BITS))
        } else {
            return None;
        };
        self.mem[window].mapped += 1;
        Some(page)
    }

    /// Takes pages of a window from the address `from` on out of the tables, a few, and lets them be used again. Returns
    /// where it stopped, at the latest at `to`.
    fn return_pages(&mut self, space: Ref<AddressSpace>, window: Ref<Window>, from: u64, to: u64) -> u64 {
        let Window { memory, pages, .. } = self.mem[window];
        let (mut at, mut work) = (from, 0);
        let (mut given, mut count, mut first, mut last) = ([0; STEP as usize], 0, 0, 0);
        let mut freed = Freed::default();
        while at < to && work < STEP {
            let Way { above, mut place, level, .. } = self.way(space, at);
            if level < 3 {
                (at, work) = (next_entry(at, level), work + TABLE);
                continue;
            }
            let (before, table) = (count, at);
            let end = to.min(next_entry(at, 2));
            while at < end && work < STEP {
                let value = self.mem.read_entry(place);
                // Every other page is a Frame's, which its own capability unmaps.
                let page = (pte::address(value).0.wrapping_sub(memory.0)) >> PAGE_BITS;
                if value != 0 && page < u64::from(pages) {
                    self.mem.write_entry(place, 0);
                    given[count] = page as u32;
                    first = if count == 0 { at } else { first };
                    (count, last) = (count + 1, at);
                }
                (at, place, work) = (at + PAGE, Phys(place.0 + 8), work + 1);
            }
            if count > before {
                self.entries_cleared(space, table, above, (count - before) as u64, &mut freed);
            }
        }
        let ttbr = self.mem[space].ttbr;
        if count > 0 && pte::asid(ttbr) != 0 {
            self.machine.flush_entries(ttbr, first, ((last - first) >> PAGE_BITS) + 1, PAGE_BITS);
        }
        // Nobody reaches them any more.
        self.give_back_tables(space, &freed);
        for &page in &given[..count] {
            let next = core::mem::replace(&mut self.mem[window].returned, page + 1);
            self.mem.write_u64(Phys(memory.0 + (u64::from(page) << PAGE_BITS)), next.into());
        }
        self.mem[window].mapped -= count as u32;
        at.min(to)
    }

    /// Ties an Untyped without children to a range.
    pub(crate) fn tie(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>, address: u64, pages: u64) -> Res<()> {
        let end = address + (pages << PAGE_BITS);
        let (count, index) = (self.mem[space].windows, self.window_behind(space, address));
        if index < count && self.mem[window(space, index)].start < end {
            return Err(SyscallError::new(ErrorCode::Overlap, 2));
        }
        if count == MOST {
            return Err(SyscallError::new(ErrorCode::Busy, 0));
        }
        for behind in (index..count).rev() {
            self.mem[window(space, behind + 1)] = self.mem[window(space, behind)];
        }
        let cap = &mut self.mem[slot].cap;
        (cap.kind, cap.word, cap.extra, cap.holder) = (Kind::Reserve, address, 0, 0);
        let (memory, pages) = (Phys(cap.object), cap.pages);
        self.mem[window(space, index)] =
            Window { start: address, end, memory, pages, fresh: 0, returned: 0, mapped: 0 };
        self.mem[space].windows = count + 1;
        self.link_mapping(slot, space);
        Ok(())
    }

    /// Makes a Reserve an Untyped again: its pages are unmapped, from the front of the range on, which ends there meanwhile.
    pub(crate) fn untie(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        let Cap { space: Some(space), word: mut start, .. } = self.mem[slot].cap else { return Ok(()) };
        if let Some(index) = self.window_at(space, start) {
            let this = window(space, index);
            loop {
                let end = self.mem[this].end;
                start = self.return_pages(space, this, start, end);
                if start == end {
                    break;
                }
                (self.mem[this].start, self.mem[slot].cap.word) = (start, start);
                self.preemption_point()?;
            }
            let count = self.mem[space].windows - 1;
            for behind in index..count {
                self.mem[window(space, behind)] = self.mem[window(space, behind + 1)];
            }
            self.mem[space].windows = count;
        }
        self.unlink_mapping(slot);
        Ok(())
    }
}

/// Ties a whole Untyped to a range of addresses. It becomes a Reserve, until that is revoked or the address space ends: a
/// page of the range is there, zeroed, when it is first touched. What is mapped there already stays, and more can be
/// mapped where nothing is yet.
///
/// # Rights
/// AddressSpace: map. Untyped: retype.
/// # Returns
/// x0 = pages of memory.
/// # Errors
/// `HasChildren` (the Untyped is in use), `InvalidArgument` (device memory, or memory whose content is kept; range not in the
/// lower half; no pages), `Misaligned` (address), `Overlap` (another Reserve), `Busy` (the address space has 60 Reserves, or its
/// page table memory is being taken away), and those of the look-ups.
pub fn reserve(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    // Memory of dead objects is free only after they were taken apart.
    if k.bury().is_err() {
        return Ok(Next::Restart);
    }
    let [untyped, address, pages, ..] = args.words;
    let (space, _) = k.get::<AddressSpace>(caller, args.target(), Rights::MAP, 0)?;
    let (slot, cap) = k.get_cap(caller, untyped, Kind::Untyped, Rights::RETYPE, 1)?;
    if cap.flags.intersects(Flags::DEVICE | Flags::KEEP) {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 1));
    }
    if cap.space.is_some() || k.mem[slot].links.child.is_some() {
        return Err(SyscallError::new(ErrorCode::HasChildren, 1));
    }
    check_range((address, pages), (0, USER_END), 2)?;
    if pages == 0 {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 3));
    }
    if k.mem[space].lost {
        return Err(SyscallError::new(ErrorCode::Busy, 0));
    }
    k.tie(slot, space, address, pages)?;
    Ok(k.answer_one(caller, cap.pages.into()))
}

/// Gives pages back: they are unmapped, and the next touch finds zeros. Pages that are not there are passed over.
///
/// # Rights
/// Reserve.
/// # Returns
/// x0 = pages of its memory that are not mapped.
/// # Errors
/// `Misaligned` (address), `InvalidArgument` (not in the range), `InvalidState` (page table memory of the address space is
/// being taken away), and those of the look-up.
pub fn release(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [mut address, pages, ..] = args.words;
    let (_, cap) = k.get_cap(caller, args.target(), Kind::Reserve, Rights::INVOKE, 0)?;
    let found = cap.space.and_then(|space| Some((space, window(space, k.window_at(space, cap.word)?))));
    let (space, window) = found.ok_or(SyscallError::new(ErrorCode::InvalidState, 0))?;
    check_range((address, pages), (k.mem[window].start, k.mem[window].end), 1)?;
    let end = address + (pages << PAGE_BITS);
    while address < end {
        address = k.return_pages(space, window, address, end);
        if address < end && k.preemption_point().is_err() {
            // The call is made again for the rest.
            let x = &mut k.mem[caller].context.x;
            (x[0], x[1]) = (address, (end - address) >> PAGE_BITS);
            return Ok(Next::Restart);
        }
    }
    let Window { pages, mapped, .. } = k.mem[window];
    Ok(k.answer_one(caller, (pages - mapped).into()))
}

/// Whether an address and a number of pages, the arguments from `first` on, lie in a range.
fn check_range((address, pages): (u64, u64), (start, end): (u64, u64), first: u8) -> Res<()> {
    if !address.is_multiple_of(PAGE) {
        return Err(SyscallError::new(ErrorCode::Misaligned, first));
    }
    if address < start || address > end {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, first));
    }
    if pages > (end - address) >> PAGE_BITS {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, first + 1));
    }
    Ok(())
}
