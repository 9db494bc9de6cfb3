//! AddressSpace: page tables of the lower half, paid from the memory given to it. 4 KiB granule, four levels.

use abi::{
    ErrorCode, Kind, Perms, Rights, SyscallError,
    layout::{PAGE, PAGE_BITS, USER_END},
};

use super::{Header, Thread, frame};
use crate::arch::pte;
use crate::cap::{Flags, Slot};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::regions::Range;
use crate::mm::{Mem, Object, Phys, Ref};
use crate::syscall::Args;

/// An address space. Its first page holds this, the second is the root table, the others are its pool.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct AddressSpace {
    /// Counts its capabilities.
    pub header: Header,
    /// Pages of the whole object.
    pub pages: u32,
    /// The root table.
    pub root: Phys,
    /// Root and ASID as TTBR0 wants them; 0 while it has no ASID.
    pub ttbr: u64,
    /// The first free page that an Untyped gave for tables, linked through its first word; 0: none.
    pub free: Phys,
    /// The first of its own pages that was not taken for a table.
    pub fresh: u32,
    /// Whether its own pages have to be zeroed when they are taken.
    pub dirty: bool,
    /// Page table memory is being taken away: nothing can be mapped until that is done.
    pub lost: bool,
    /// Free pages of both sorts.
    pub free_pages: u32,
    /// The first Frame capability mapped here, or Untyped that is page table memory of this.
    pub maps: Option<Ref<Slot>>,
}

impl Object for AddressSpace {
    const KIND: Kind = Kind::AddressSpace;
}

impl AddressSpace {
    /// A new one of `pages` zeroed pages at `place`.
    pub fn create(mem: &mut Mem, place: Phys, pages: u64) -> Ref<Self> {
        mem.create(
            place,
            Self {
                header: Header::new(Kind::AddressSpace),
                pages: pages as u32,
                root: Phys(place.0 + PAGE),
                ttbr: 0,
                free: Phys(0),
                fresh: OWN,
                dirty: false,
                lost: false,
                free_pages: pages as u32 - OWN,
                maps: None,
            },
        )
    }
}

/// The first page of the object that can become a table below the root.
const OWN: u32 = 2;

fn give_page(mem: &mut Mem, space: Ref<AddressSpace>, page: Phys) {
    let next = mem[space].free;
    mem.write_u64(page, next.0);
    mem[space].free = page;
    mem[space].free_pages += 1;
}

fn take_page(mem: &mut Mem, space: Ref<AddressSpace>) -> Phys {
    let place = mem.address(space);
    let object = &mut mem[space];
    assert!(object.free_pages > 0, "the plan counted the pages");
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

/// log2 of what one entry of a table at this level covers.
const fn span_bits(level: u32) -> u32 {
    PAGE_BITS + 9 * (3 - level)
}

/// Where the entry for an address lies in a table at this level.
const fn entry(table: Phys, level: u32, address: u64) -> Phys {
    Phys(table.0 + ((address >> span_bits(level)) & 511) * 8)
}

/// The largest level at which `pages` pages from `address` and `frame` on can be one entry: 1 GiB, 2 MiB, 4 KiB.
fn fitting_level(address: u64, frame: u64, pages: u64) -> u32 {
    let fits = |level: u32| {
        let span = 1u64 << span_bits(level);
        (address | frame).is_multiple_of(span) && pages >= span >> PAGE_BITS
    };
    (1..3).find(|&level| fits(level)).unwrap_or(3)
}

/// A range of an address space, and the most entries of it to be worked on at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub address: u64,
    pub pages: u64,
    pub most: u64,
}

/// A mapping to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub address: u64,
    pub base: u64,
    pub pages: u64,
}

impl Kernel {
    /// Whether a piece can be mapped: nothing is mapped there and the pool has the pages for its tables.
    pub(crate) fn plan_mapping(&self, space: Ref<AddressSpace>, piece: Piece) -> Res<()> {
        let mut needed = 0;
        // End of what the last new table at a level covers: it is counted once.
        let mut covered = [0u64; 4];
        let (mut address, mut base, mut pages) = (piece.address, piece.base, piece.pages);
        while pages > 0 {
            let fit = fitting_level(address, base, pages);
            let mut table = Some(self.mem[space].root);
            let mut level = 0;
            loop {
                let value = table.map_or(0, |table| self.mem.read_u64(entry(table, level, address)));
                if pte::is_leaf(value, level) {
                    return Err(ErrorCode::Overlap.into());
                }
                if level == fit && value == 0 || level == 3 {
                    break;
                }
                table = (value != 0).then(|| pte::address(value));
                if value == 0 && address >= covered[level as usize] {
                    needed += 1;
                    if needed > self.mem[space].free_pages {
                        return Err(ErrorCode::NoPool.into());
                    }
                    covered[level as usize] = (address | ((1 << span_bits(level)) - 1)) + 1;
                }
                level += 1;
            }
            let step = 1u64 << span_bits(level);
            (address, base, pages) = (address + step, base + step, pages - (step >> PAGE_BITS));
        }
        Ok(())
    }

    /// Maps a piece that was planned.
    pub(crate) fn write_mapping(&mut self, space: Ref<AddressSpace>, piece: Piece, attributes: u64) {
        let (mut address, mut base, mut pages) = (piece.address, piece.base, piece.pages);
        while pages > 0 {
            let fit = fitting_level(address, base, pages);
            let mut table = self.mem[space].root;
            let mut level = 0;
            loop {
                let place = entry(table, level, address);
                let value = self.mem.read_u64(place);
                if level == 3 || level == fit && value == 0 {
                    self.mem.write_u64(place, pte::leaf(base, level, attributes));
                    break;
                }
                table = if value == 0 {
                    let page = take_page(&mut self.mem, space);
                    self.mem.write_u64(place, pte::table(page));
                    page
                } else {
                    pte::address(value)
                };
                level += 1;
            }
            let step = 1u64 << span_bits(level);
            (address, base, pages) = (address + step, base + step, pages - (step >> PAGE_BITS));
        }
        self.machine.tables_written();
    }

    /// The leaf entry that maps an address: where it lies and its level.
    pub(super) fn find_leaf(&self, space: Ref<AddressSpace>, address: u64) -> Option<(Phys, u32)> {
        let mut table = self.mem[space].root;
        for level in 0..4 {
            let place = entry(table, level, address);
            let value = self.mem.read_u64(place);
            if pte::is_leaf(value, level) {
                return Some((place, level));
            }
            if value == 0 || level == 3 {
                return None;
            }
            table = pte::address(value);
        }
        None
    }

    /// Changes the leaves of a span with `change`, then flushes the translations; returns how many pages it came.
    pub(super) fn rewrite_leaves(
        &mut self,
        space: Ref<AddressSpace>,
        span: Span,
        change: fn(u64, u64) -> u64,
        with: u64,
    ) -> u64 {
        let end = span.address + (span.pages << PAGE_BITS);
        let (mut address, mut left) = (span.address, span.most);
        while address < end && left > 0 {
            let level = match self.find_leaf(space, address) {
                Some((place, level)) => {
                    let value = self.mem.read_u64(place);
                    self.mem.write_u64(place, change(value, with));
                    level
                }
                None => 3,
            };
            address += 1 << span_bits(level);
            left -= 1;
        }
        let pages = (address - span.address) >> PAGE_BITS;
        let ttbr = self.mem[space].ttbr;
        if ttbr != 0 {
            self.machine.flush_range(ttbr, span.address, pages);
        }
        pages
    }

    /// The physical address behind a user address, if RAM is mapped there.
    pub(super) fn translate(&self, space: Ref<AddressSpace>, address: u64) -> Option<Phys> {
        let (place, level) = self.find_leaf(space, address)?;
        let value = self.mem.read_u64(place);
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

    /// TTBR0 of an address space, which gets an ASID if it has none.
    pub fn activate(&mut self, space: Ref<AddressSpace>) -> u64 {
        if self.mem[space].ttbr == 0 {
            let (asid, robbed) = self.asids.assign(space);
            self.forget_loaded();
            if let Some(robbed) = robbed {
                // The core may be in it still, and must not fill what is flushed below from its tables.
                let ttbr = core::mem::take(&mut self.mem[robbed].ttbr);
                if ttbr != 0 {
                    self.leave_space(ttbr);
                }
            }
            let ttbr = pte::ttbr(self.mem[space].root, asid);
            self.machine.flush_asid(ttbr);
            self.mem[space].ttbr = ttbr;
        }
        self.mem[space].ttbr
    }

    /// One step of a dead address space's end: the core leaves it, one mapping is forgotten.
    pub(super) fn forget_mappings(&mut self, space: Ref<AddressSpace>) -> Result<bool, Preempted> {
        let ttbr = core::mem::take(&mut self.mem[space].ttbr);
        self.forget_loaded();
        if ttbr != 0 {
            self.leave_space(ttbr);
            self.machine.flush_asid(ttbr);
            self.asids.release(pte::asid(ttbr));
        }
        let Some(slot) = self.mem[space].maps else { return Ok(true) };
        self.unlink_mapping(slot);
        Ok(false)
    }

    /// An Untyped that was page table memory goes away: the address space loses all its tables and mappings.
    pub(crate) fn drop_pool(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        let Some(space) = self.mem[slot].cap.space else { return Ok(()) };
        if !self.mem[space].lost {
            let Self { mem, machine, .. } = self;
            mem.zero(mem[space].root, PAGE);
            if mem[space].ttbr != 0 {
                machine.flush_asid(mem[space].ttbr);
            }
            let object = &mut mem[space];
            (object.lost, object.free, object.free_pages) = (true, Phys(0), 0);
        }
        // What was mapped is not mapped any more; the slot itself comes last, so that a restart finds its way.
        while let Some(first) = self.mem[space].maps {
            let other = if first == slot { self.mem[first].links.map_next } else { Some(first) };
            let Some(other) = other else { break };
            self.unlink_mapping(other);
            self.preemption_point()?;
        }
        self.unlink_mapping(slot);
        let object = &mut self.mem[space];
        (object.lost, object.dirty) = (false, true);
        (object.fresh, object.free_pages) = (OWN, object.pages - OWN);
        Ok(())
    }
}

/// Maps a Frame, or pages of it, in the largest blocks that fit.
///
/// # Rights
/// AddressSpace: map. Frame: those of the permissions.
/// # Returns
/// Nothing.
/// # Errors
/// `AlreadyMapped`, `Overlap`, `NoPool`, `WriteExecute`, `Misaligned` (address), `InvalidArgument` (address not in the
/// lower half; pages not in the Frame; permissions without read; device memory executable), and those of the look-ups.
pub fn map(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [frame, address, first, pages, perms, ..] = args.words;
    let (space, _) = k.get::<AddressSpace>(caller, args.target, Rights::MAP, 0)?;
    let (slot, cap) = k.get_cap(caller, frame, Kind::Frame, Rights::empty(), 1)?;
    let perms = frame::check_perms(&cap, perms, 5)?;
    if !address.is_multiple_of(PAGE) {
        return Err(SyscallError::new(ErrorCode::Misaligned, 2));
    }
    let whole = u64::from(cap.pages);
    if first >= whole {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 3));
    }
    if pages == 0 || pages > whole - first {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 4));
    }
    if address >= USER_END || USER_END - address < pages << PAGE_BITS {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 2));
    }
    if cap.space.is_some() {
        return Err(SyscallError::new(ErrorCode::AlreadyMapped, 1));
    }
    let piece = Piece { address, base: cap.object + (first << PAGE_BITS), pages };
    k.plan_mapping(space, piece)?;
    if perms.contains(Perms::EXECUTE) {
        k.mem.sync_instructions(Phys(piece.base), pages);
    }
    k.write_mapping(space, piece, pte::attributes(perms, cap.memory));
    let cap = &mut k.mem[slot].cap;
    (cap.word, cap.extra) = (address, pages);
    k.link_mapping(slot, space);
    Ok(Next::Done)
}

/// Removes the mapping of a Frame capability.
///
/// # Rights
/// AddressSpace: map.
/// # Returns
/// Nothing.
/// # Errors
/// `NotMapped` (not at all, or in another address space), and those of the look-ups.
pub fn unmap(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (space, _) = k.get::<AddressSpace>(caller, args.target, Rights::MAP, 0)?;
    let (slot, cap) = k.get_cap(caller, args.words[0], Kind::Frame, Rights::empty(), 1)?;
    if cap.space != Some(space) {
        return Err(SyscallError::new(ErrorCode::NotMapped, 1));
    }
    Ok(match k.unmap_slot(slot) {
        Ok(()) => Next::Done,
        Err(Preempted) => Next::Restart,
    })
}

/// Changes the permissions of a mapping.
///
/// # Rights
/// AddressSpace: map. Frame: those of the permissions.
/// # Returns
/// Nothing.
/// # Errors
/// `NotMapped`, `WriteExecute`, `InvalidArgument` (permissions), and those of the look-ups.
pub fn protect(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (space, _) = k.get::<AddressSpace>(caller, args.target, Rights::MAP, 0)?;
    let (slot, cap) = k.get_cap(caller, args.words[0], Kind::Frame, Rights::empty(), 1)?;
    let perms = frame::check_perms(&cap, args.words[1], 2)?;
    if cap.space != Some(space) {
        return Err(SyscallError::new(ErrorCode::NotMapped, 1));
    }
    if perms.contains(Perms::EXECUTE)
        && let Some(place) = k.translate(space, cap.word)
    {
        k.mem.sync_instructions(place, cap.extra);
    }
    let cap = k.mem[slot].cap;
    let span = Span { address: cap.word, pages: cap.extra, most: u64::MAX };
    k.rewrite_leaves(space, span, pte::with_attributes, pte::attributes(perms, cap.memory));
    Ok(Next::Done)
}

/// Gives an Untyped to the address space as page table memory, until that Untyped is deleted or the address space ends.
///
/// # Rights
/// AddressSpace: pool. Untyped: retype.
/// # Returns
/// Nothing.
/// # Errors
/// `HasChildren` (it is in use), `InvalidArgument` (device memory, or memory whose content is kept), `Busy` (page table
/// memory of the address space is being taken away), and those of the look-ups.
pub fn add_pool(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    if k.bury().is_err() {
        return Ok(Next::Restart);
    }
    let (space, _) = k.get::<AddressSpace>(caller, args.target, Rights::POOL, 0)?;
    let (slot, cap) = k.get_cap(caller, args.words[0], Kind::Untyped, Rights::RETYPE, 1)?;
    if cap.flags.intersects(Flags::DEVICE | Flags::KEEP) {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 1));
    }
    let bytes = u64::from(cap.pages) << PAGE_BITS;
    // One that was given in part goes on: the call made way for an interrupt.
    let begun = cap.space == Some(space) && cap.word < bytes;
    if !begun && (cap.space.is_some() || k.mem[slot].links.child.is_some()) {
        return Err(SyscallError::new(ErrorCode::HasChildren, 1));
    }
    if k.mem[space].lost {
        return Err(SyscallError::new(ErrorCode::Busy, 0));
    }
    if !begun {
        let cap = &mut k.mem[slot].cap;
        (cap.word, cap.extra, cap.holder) = (0, 0, 0);
        k.link_mapping(slot, space);
    }
    while k.mem[slot].cap.word < bytes {
        let page = Phys(cap.object + k.mem[slot].cap.word);
        k.mem.zero(page, PAGE);
        give_page(&mut k.mem, space, page);
        k.mem[slot].cap.word += PAGE;
        if k.preemption_point().is_err() {
            return Ok(Next::Restart);
        }
    }
    Ok(Next::Done)
}
