//! AddressSpace: page tables of the lower half, paid from the memory given to it. 4 KiB granule, four levels.

use abi::{
    ErrorCode, Kind, Rights, SyscallError,
    layout::{PAGE, PAGE_BITS},
};

use super::dma_space::Reach;
use super::tables::{OWN, give_page};
use super::{DmaSpace, Header, Irq, Thread};
use crate::arch::pte;
use crate::cap::{Flags, Slot};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Mem, Object, Phys, Ref};
use crate::syscall::Args;

/// An address space. Its first page holds this and its [`super::Window`]s, the second is the root table, the others are its pool.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct AddressSpace {
    /// Counts its capabilities.
    pub header: Header,
    /// Pages of the whole object.
    pub pages: u32,
    /// The root table.
    pub root: Phys,
    /// Root and ASID as TTBR0 wants them; the empty address space while it has no ASID. A fast path that loads that lets the
    /// thread fault at once: see [`Kernel::lacks_space`].
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
    /// The first Frame capability mapped here, Reserve tied to this, or Untyped that is page table memory of this.
    pub maps: Option<Ref<Slot>>,
    /// How many Reserves it has.
    pub windows: u32,
    /// Of a DmaSpace: what its device reaches.
    pub reach: Reach,
    /// The first Irq that is a message of its device.
    pub messages: Option<Ref<Irq>>,
    /// The table of the events of its device, 0 if there is none.
    pub events: Phys,
    /// The next DmaSpace that has such a table.
    pub next_device: Option<Ref<DmaSpace>>,
}

impl Object for AddressSpace {
    const KIND: Kind = Kind::AddressSpace;
}

impl AddressSpace {
    /// A new one of `pages` zeroed pages at `place`.
    pub fn create(mem: &mut Mem, place: Phys, pages: u64) -> Ref<Self> {
        Self::create_as(Kind::AddressSpace, OWN, mem, place, pages)
    }

    /// The same as an object of a kind that is an address space, too, and has so many pages that are no tables below the root.
    pub(super) fn create_as(kind: Kind, own: u32, mem: &mut Mem, place: Phys, pages: u64) -> Ref<Self> {
        mem.create(
            place,
            Self {
                header: Header::new(kind),
                pages: pages as u32,
                root: Phys(place.0 + PAGE),
                ttbr: crate::arch::empty_space(),
                free: Phys(0),
                fresh: own,
                dirty: false,
                lost: false,
                free_pages: pages as u32 - own,
                maps: None,
                windows: 0,
                reach: Reach::Nothing,
                messages: None,
                events: Phys(0),
                next_device: None,
            },
        )
    }
}

impl Kernel {
    /// Takes the ASID away, if there is one; returns TTBR0 as it was.
    fn take_asid(&mut self, space: Ref<AddressSpace>) -> u64 {
        core::mem::replace(&mut self.mem[space].ttbr, crate::arch::empty_space())
    }

    /// Whether a thread that faulted just had no address space loaded: it lost its ASID while it waited.
    pub fn lacks_space(&self, thread: Ref<Thread>) -> bool {
        self.mem[thread].space().is_some_and(|space| pte::asid(self.mem[space].ttbr) == 0)
    }

    /// TTBR0 of an address space, which gets an ASID if it has none.
    #[inline(always)]
    pub fn activate(&mut self, space: Ref<AddressSpace>) -> u64 {
        let ttbr = self.mem[space].ttbr;
        if pte::asid(ttbr) == 0 { self.give_asid(space) } else { ttbr }
    }

    #[cold]
    fn give_asid(&mut self, space: Ref<AddressSpace>) -> u64 {
        let (asid, robbed) = self.asids.assign(space);
        self.forget_loaded();
        if let Some(robbed) = robbed {
            // The core may be in it still, and must not fill what is flushed below from its tables.
            let ttbr = self.take_asid(robbed);
            if pte::asid(ttbr) != 0 {
                self.leave_space(robbed, ttbr);
            }
        }
        let ttbr = pte::ttbr(self.mem[space].root, asid);
        self.machine.flush_asid(ttbr);
        self.mem[space].ttbr = ttbr;
        ttbr
    }

    /// One step of a dead address space's end: the core leaves it, one mapping is forgotten.
    pub(super) fn forget_mappings(&mut self, space: Ref<AddressSpace>) -> Result<bool, Preempted> {
        let ttbr = self.take_asid(space);
        self.forget_loaded();
        if pte::asid(ttbr) != 0 {
            self.leave_space(space, ttbr);
            self.machine.flush_asid(ttbr);
            self.asids.release(pte::asid(ttbr));
        }
        if self.drop_message(space) {
            return Ok(false);
        }
        self.mem[space].windows = 0;
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
            if pte::asid(mem[space].ttbr) != 0 {
                machine.flush_asid(mem[space].ttbr);
            }
            let object = &mut mem[space];
            (object.lost, object.free, object.free_pages, object.windows) = (true, Phys(0), 0, 0);
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
    let (space, _) = k.get::<AddressSpace>(caller, args.target(), Rights::POOL, 0)?;
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
        if k.mem[slot].cap.word < bytes && k.preemption_point().is_err() {
            return Ok(Next::Restart);
        }
    }
    Ok(Next::Done)
}
