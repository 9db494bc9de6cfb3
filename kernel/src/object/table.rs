//! Operations on a CapTable.

use abi::{Badge, ErrorCode, Kind, Rights, SyscallError, layout::PAGE_BITS};

use super::{CapTable, Thread};
use crate::cap::{Flags, Slot};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::mm::raw::GRANULE;
use crate::syscall::Args;

/// Where a copy or move comes from; `target` is the table it goes to, and `slot` what names that.
#[inline(always)]
fn source(k: &Kernel, caller: Ref<Thread>, args: &Args, target: Ref<CapTable>, slot: Ref<Slot>) -> Res<Ref<Slot>> {
    let [_, table, from, ..] = args.words;
    // Most often they are one.
    let table = if table == args.target() && k.mem[slot].cap.rights.contains(Rights::TAKE) {
        target
    } else {
        k.get::<CapTable>(caller, table, Rights::TAKE, 2)?.0
    };
    let from = k.slot(table, from, 3)?;
    if k.mem[from].is_empty() { Err(SyscallError::new(ErrorCode::EmptySlot, 3)) } else { Ok(from) }
}

/// Copies a capability with at most the given rights; a badge fills fields that are empty.
///
/// # Rights
/// This table: put. The source's: take.
/// # Returns
/// Nothing.
/// # Errors
/// `EmptySlot`, `SlotOccupied`, `InvalidArgument` (Untyped, Reserve and Reply are never copied; unknown rights), `BadgeSet`.
pub fn copy(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (target, slot) = k.get::<CapTable>(caller, args.target(), Rights::PUT, 0)?;
    let from = source(k, caller, args, target, slot)?;
    let to = k.empty_slot(target, args.words[0], 1)?;
    let cap = &k.mem[from].cap;
    if !cap.is_copyable() {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 3));
    }
    let rights = u8::try_from(args.words[3]).ok().and_then(Rights::from_bits);
    let rights = rights.ok_or(SyscallError::new(ErrorCode::InvalidArgument, 4))?;
    let badge = Badge(args.words[4]);
    if cap.has_badge() {
        let badge = cap.badge().refine(badge).ok_or(SyscallError::new(ErrorCode::BadgeSet, 5))?;
        let copy = cap.derived(rights, badge);
        k.insert(to, copy, Some(from));
    } else if badge.0 == 0 {
        let copy = cap.derived(rights, badge);
        k.insert(to, copy, Some(from));
    } else {
        return Err(SyscallError::new(ErrorCode::BadgeSet, 5));
    }
    Ok(Next::Done)
}

/// Moves a capability.
///
/// # Rights
/// This table: put. The source's: take.
/// # Returns
/// Nothing.
/// # Errors
/// `EmptySlot`, `SlotOccupied`, `InvalidArgument` (an Untyped that is slots of a table, to a slot behind a table's first part).
pub fn move_cap(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (target, slot) = k.get::<CapTable>(caller, args.target(), Rights::PUT, 0)?;
    let from = source(k, caller, args, target, slot)?;
    let to = k.empty_slot(target, args.words[0], 1)?;
    if !k.may_stand_at(from, target, args.words[0]) {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 1));
    }
    k.move_cap(from, to);
    Ok(Next::Done)
}

/// Empties a slot; an empty one stays empty.
///
/// # Rights
/// Table: take.
/// # Returns
/// Nothing.
/// # Errors
/// `SlotOutOfRange`.
pub fn delete(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (table, _) = k.get::<CapTable>(caller, args.target(), Rights::TAKE, 0)?;
    let slot = k.slot(table, args.words[0], 1)?;
    if k.delete(slot).is_err() {
        return Ok(Next::Restart);
    }
    // What is left of the object can wait, and the call is not made again: another may have filled the slot by then.
    let _ = k.bury();
    Ok(Next::Done)
}

/// Makes the memory of an Untyped without children slots behind the last one: indices stay. Deleting the Untyped takes them
/// away again, and what lies in them.
///
/// # Rights
/// This table: put. Untyped: retype.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidArgument` (device memory or memory whose content is kept; an Untyped that itself stands behind the first part of the
/// caller's table; not more slots than there are, more than 2^16, or more than ten doublings of the first part),
/// `OutOfMemory` (the Untyped is too small), `HasChildren` (it is in use), and those of the look-ups.
pub fn grow(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    // Memory of dead objects is free only after they were taken apart.
    if k.bury().is_err() {
        return Ok(Next::Restart);
    }
    let [memory, bits, ..] = args.words;
    let (table, _) = k.get::<CapTable>(caller, args.target(), Rights::PUT, 0)?;
    let (slot, cap) = k.get_cap(caller, memory, Kind::Untyped, Rights::RETYPE, 1)?;
    let bad = |argument| Err(SyscallError::new(ErrorCode::InvalidArgument, argument));
    let first_part = memory < k.mem[k.table_of(caller)?].slots().into();
    if cap.flags.intersects(Flags::DEVICE | Flags::KEEP) || !first_part {
        return bad(1);
    }
    let bytes = k.mem[table].slots_missing(bits) * GRANULE;
    // One that was tied goes on: the call made way for an interrupt.
    let begun = cap.table_of_slots() == Some(table) && !k.has_slots(slot);
    if bytes == 0 {
        // Meanwhile another call made the table as large.
        if begun && k.drop_slots(slot).is_err() {
            return Ok(Next::Restart);
        }
        return bad(2);
    }
    if !begun && (cap.space.is_some() || k.mem[slot].links.child.is_some()) {
        return Err(SyscallError::new(ErrorCode::HasChildren, 1));
    }
    if bytes > u64::from(cap.pages) << PAGE_BITS {
        return Err(SyscallError::new(ErrorCode::OutOfMemory, 1));
    }
    if !begun {
        k.begin_slots(slot, table);
    }
    Ok(match k.grow(slot, table, bits, bytes) {
        Ok(()) => Next::Done,
        Err(_) => Next::Restart,
    })
}

/// Deletes everything that was derived from a capability.
///
/// # Rights
/// Table: revoke.
/// # Returns
/// Nothing.
/// # Errors
/// `SlotOutOfRange`, `EmptySlot`.
pub fn revoke(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (table, _) = k.get::<CapTable>(caller, args.target(), Rights::REVOKE, 0)?;
    let slot = k.slot(table, args.words[0], 1)?;
    if k.mem[slot].is_empty() {
        return Err(SyscallError::new(ErrorCode::EmptySlot, 1));
    }
    Ok(match k.revoke(slot) {
        Ok(()) => Next::Done,
        Err(_) => Next::Restart,
    })
}
