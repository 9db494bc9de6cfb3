//! Untyped: memory that holds no object yet. A watermark says how much was handed out; when the last child is gone it
//! starts anew. Memory is zeroed before it becomes an object.

use abi::{
    ErrorCode, Kind, Rights, SyscallError,
    layout::{MemoryType, PAGE, PAGE_BITS},
    trace::Event,
};

use super::{AddressSpace, CapTable, DmaSpace, Endpoint, Irq, Notification, Reply, SchedContext, Thread, Timer, Trace};
use crate::cap::{COHERENT, Cap, Flags, Slot, table};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::raw::GRANULE;
use crate::mm::regions::Range;
use crate::mm::{Phys, Ref};
use crate::syscall::Args;

/// Bytes zeroed between two preemption points.
const ZERO_SLICE: u64 = 4096;

/// A retype that was checked: performing it cannot fail.
struct Plan {
    untyped: Ref<Slot>,
    target: Ref<Slot>,
    kind: Kind,
    base: u64,
    bytes: u64,
    size: u64,
    memory: MemoryType,
}

/// Makes an object out of untyped memory.
///
/// # Rights
/// Untyped: retype. Destination table: put.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidArgument` (kind, size, memory type, or a kind that this memory cannot become), `OutOfMemory`, `Misaligned`
/// (device address), `Overlap` (device memory in use or not for devices), `SlotOccupied`, `HasChildren` (the Untyped is
/// tied to an address space), and those of the look-ups.
pub fn retype(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    // Memory of dead objects is free only after they were taken apart.
    if k.bury().is_err() {
        return Ok(Next::Restart);
    }
    let plan = decode(k, caller, args)?;
    Ok(match perform(k, plan) {
        Ok(()) => Next::Done,
        Err(Preempted) => Next::Restart,
    })
}

fn bad(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidArgument, argument)
}

/// Bytes and alignment of an object of this kind.
fn measure(kind: Kind, size: u64) -> Res<(u64, u64)> {
    let object = |bytes: usize| Ok(((bytes as u64).next_multiple_of(GRANULE), GRANULE));
    match kind {
        Kind::CapTable if table::BITS.contains(&size) => Ok((GRANULE << size, GRANULE)),
        Kind::Thread => object(Thread::BYTES),
        Kind::Endpoint => object(size_of::<Endpoint>()),
        Kind::Reply => object(size_of::<Reply>()),
        Kind::Notification => object(size_of::<Notification>()),
        Kind::Irq => object(size_of::<Irq>()),
        Kind::SchedContext => object(size_of::<SchedContext>()),
        Kind::Timer => object(size_of::<Timer>()),
        Kind::Trace if Trace::fits(size) => Ok((size << PAGE_BITS, PAGE)),
        Kind::AddressSpace if (2..1 << 16).contains(&size) => Ok((size << PAGE_BITS, PAGE)),
        Kind::DmaSpace if (3..1 << 16).contains(&size) => Ok((size << PAGE_BITS, PAGE)),
        Kind::Untyped | Kind::Frame if size >= 1 && size <= u64::from(u32::MAX) => Ok((size << PAGE_BITS, PAGE)),
        Kind::CapTable | Kind::AddressSpace | Kind::DmaSpace | Kind::Trace | Kind::Untyped | Kind::Frame => Err(bad(2)),
        _ => Err(bad(1)),
    }
}

fn decode(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<Plan> {
    let [kind, size, align, table, index, address, memory, _] = args.words;
    let untyped = k.get_slot(caller, args.target(), Kind::Untyped, Rights::RETYPE, 0)?;
    let cap = &k.mem[untyped].cap;
    let kind = u8::try_from(kind).ok().and_then(Kind::from_number).ok_or(bad(1))?;
    let (bytes, natural) = measure(kind, size)?;
    if align > 30 {
        return Err(bad(3));
    }
    let align = natural.max(1 << align);
    let memory = MemoryType::from_number(memory).ok_or(bad(7))?;
    let (table, _) = k.get::<CapTable>(caller, table, Rights::PUT, 4)?;
    let target = k.empty_slot(table, index, 5)?;
    if cap.space.is_some() {
        return Err(ErrorCode::HasChildren.into());
    }
    let device = cap.flags.contains(Flags::DEVICE);
    let memory = match (kind, device, memory) {
        (Kind::Frame, true, MemoryType::Normal) => MemoryType::DeviceNgnre,
        (_, false, MemoryType::DeviceNgnre | MemoryType::DeviceNgnrne) => return Err(bad(7)),
        (_, _, memory) => memory,
    };
    if cap.flags.intersects(Flags::DEVICE | Flags::KEEP) && !matches!(kind, Kind::Frame | Kind::Untyped) {
        return Err(bad(1));
    }
    let whole = Range { start: cap.object, end: cap.object + (u64::from(cap.pages) << PAGE_BITS) };
    let base = if device {
        if !address.is_multiple_of(align) {
            return Err(SyscallError::new(ErrorCode::Misaligned, 6));
        }
        let range = Range::new(address, bytes).ok_or(bad(6))?;
        if range.start < whole.start || range.end > whole.end {
            return Err(ErrorCode::OutOfMemory.into());
        }
        if !k.is_free(untyped, range, kind) {
            return Err(ErrorCode::Overlap.into());
        }
        address
    } else {
        if address != 0 {
            return Err(bad(6));
        }
        let used = if k.mem[untyped].links.child.is_none() { 0 } else { cap.word };
        let base = (whole.start + used).checked_next_multiple_of(align).ok_or(ErrorCode::OutOfMemory)?;
        match base.checked_add(bytes) {
            Some(end) if end <= whole.end => base,
            _ => return Err(ErrorCode::OutOfMemory.into()),
        }
    };
    Ok(Plan { untyped, target, kind, base, bytes, size, memory })
}

impl Kernel {
    /// Whether device memory can be had. If so nothing fails any more, and the kernel shows nothing in a Frame of it from here on.
    #[cold]
    #[inline(never)]
    fn is_free(&self, untyped: Ref<Slot>, range: Range, kind: Kind) -> bool {
        let is_free = !self.forbidden.overlaps(range) && !self.child_overlaps(untyped, range);
        if is_free && kind == Kind::Frame {
            self.machine.give_away(range);
        }
        is_free
    }

    /// Whether a Frame or Untyped made of this device memory covers a byte of `range`.
    fn child_overlaps(&self, untyped: Ref<Slot>, range: Range) -> bool {
        let mut child = self.mem[untyped].links.child;
        while let Some(slot) = child {
            let have = self.mem[slot].cap;
            let taken = Range { start: have.object, end: have.object + (u64::from(have.pages) << PAGE_BITS) };
            if taken.overlaps(range) {
                return true;
            }
            child = self.mem[slot].links.next;
        }
        false
    }

    /// Zeroes what of the bytes `from` to `end` is not known to be zero, in slices.
    fn clean(&mut self, untyped: Ref<Slot>, from: u64, end: u64) -> Result<(), Preempted> {
        let cap = &mut self.mem[untyped].cap;
        let base = cap.object;
        cap.zeroed_from(from);
        let mut mark = cap.extra;
        while mark < end {
            let slice = ZERO_SLICE.min(end - mark);
            self.mem.zero(Phys(base + mark), slice);
            mark += slice;
            let cap = &mut self.mem[untyped].cap;
            (cap.extra, cap.memory) = (mark, 0);
            if mark < end {
                self.preemption_point()?;
            }
        }
        Ok(())
    }

    /// [`Self::clean`] of pages that will be uncached: they are zero in memory, and not in a cache alone.
    #[cold]
    fn clean_uncached(&mut self, untyped: Ref<Slot>, from: u64, end: u64) -> Result<(), Preempted> {
        let cap = &mut self.mem[untyped].cap;
        let base = cap.object;
        if cap.memory != COHERENT {
            (cap.extra, cap.memory) = (0, COHERENT);
        }
        cap.zeroed_from(from);
        let mut mark = cap.extra;
        debug_assert!(mark.is_multiple_of(PAGE) && end.is_multiple_of(PAGE));
        while mark < end {
            self.mem.zero(Phys(base + mark), PAGE);
            self.mem.clean_invalidate(Phys(base + mark), 1);
            mark += PAGE;
            self.mem[untyped].cap.extra = mark;
            if mark < end {
                self.preemption_point()?;
            }
        }
        Ok(())
    }
}

impl Cap {
    /// Untyped: memory is known to be zero from this offset on, up to `extra`; if it was not, there is none yet.
    #[inline(always)]
    fn zeroed_from(&mut self, offset: u64) {
        if offset < u64::from(self.holder) * GRANULE || offset > self.extra {
            // What lies before an aligned object stays as it is: zeroed memory begins anew here.
            (self.holder, self.extra) = ((offset / GRANULE) as u32, offset);
        }
    }
}

fn perform(k: &mut Kernel, plan: Plan) -> Result<(), Preempted> {
    let Plan { untyped, target, kind, base, bytes, size, memory } = plan;
    let Cap { flags, object: start, word: used, .. } = k.mem[untyped].cap;
    if !flags.contains(Flags::DEVICE) {
        if k.mem[untyped].links.child.is_none() && used != 0 {
            // The last child is gone: the memory is whole again, and dirty.
            let cap = &mut k.mem[untyped].cap;
            (cap.word, cap.extra, cap.holder) = (0, 0, 0);
        }
        let offset = base - start;
        // An Untyped is zeroed when it becomes something else; memory whose content is kept is never zeroed.
        if kind != Kind::Untyped && !flags.contains(Flags::KEEP) {
            if kind == Kind::Frame && memory != MemoryType::Normal {
                k.clean_uncached(untyped, offset, offset + bytes)?;
            } else {
                k.clean(untyped, offset, offset + bytes)?;
            }
        }
        let cap = &mut k.mem[untyped].cap;
        cap.word = offset + bytes;
        cap.extra = cap.extra.max(cap.word);
    }
    let flags = flags & (Flags::DEVICE | Flags::KEEP);
    let place = Phys(base);
    let cap = match kind {
        Kind::Untyped => Cap::memory(kind, place, size as u32, flags),
        Kind::Frame => Cap { memory: memory as u8, ..Cap::memory(kind, place, size as u32, flags) },
        Kind::CapTable => Cap::of(k.mem.create(place, CapTable::new(size as u8))),
        Kind::Thread => Cap::of(k.mem.create_like(place, const { &Thread::new() })),
        Kind::Endpoint => Cap::of(k.mem.create_like(place, const { &Endpoint::new() })),
        Kind::Reply => Cap::of(k.mem.create_like(place, const { &Reply::new() })),
        Kind::Notification => Cap::of(k.mem.create_like(place, const { &Notification::new() })),
        Kind::Irq => Cap::of(k.mem.create_like(place, const { &Irq::new() })),
        Kind::SchedContext => Cap::of(k.mem.create_like(place, const { &SchedContext::new() })),
        Kind::Timer => Cap::of(k.mem.create_like(place, const { &Timer::new() })),
        Kind::Trace => Cap { rights: Rights::TRACE_MAP, ..Cap::of(k.mem.create(place, Trace::new(size as u32))) },
        Kind::AddressSpace => Cap::of(AddressSpace::create(&mut k.mem, place, size)),
        Kind::DmaSpace => Cap::of(DmaSpace::create(&mut k.mem, place, size)),
        _ => unreachable!("decode let only these kinds through"),
    };
    k.insert(target, cap, Some(untyped));
    if kind == Kind::Thread {
        k.trace(Event::Create, cap.object, 0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::arena;
    use crate::mm::Object;

    /// What of an object is not copied from its model is zeros there too.
    #[test]
    fn zeroed_memory_and_the_part_that_begins_are_the_object() {
        fn same<T: Object + core::fmt::Debug>(model: &'static T) {
            let (mut mem, place) = (arena(Phys(0x4000_0000), 4096), Phys(0x4000_0040));
            mem.zero(place, (size_of::<T>() as u64).next_multiple_of(GRANULE));
            let object = mem.create_like(place, model);
            assert_eq!(format!("{:?}", mem[object]), format!("{model:?}"));
        }
        same(const { &Thread::new() });
        same(const { &SchedContext::new() });
    }
}
