//! Operations on a CapTable.

use abi::{Badge, ErrorCode, Rights, SyscallError};

use super::{CapTable, Thread};
use crate::cap::Slot;
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::syscall::Args;

/// Where a copy or move comes from and goes to.
fn ends(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<(Ref<Slot>, Ref<Slot>)> {
    let [to, table, from, ..] = args.words;
    let (target, _) = k.get::<CapTable>(caller, args.target, Rights::PUT, 0)?;
    let (source, _) = k.get::<CapTable>(caller, table, Rights::TAKE, 2)?;
    let from = k.slot(source, from, 3)?;
    if k.mem[from].is_empty() {
        return Err(SyscallError::new(ErrorCode::EmptySlot, 3));
    }
    Ok((from, k.empty_slot(target, to, 1)?))
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
    let (from, to) = ends(k, caller, args)?;
    let cap = k.mem[from].cap;
    if !cap.is_copyable() {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 3));
    }
    let rights = u8::try_from(args.words[3]).ok().and_then(Rights::from_bits);
    let rights = rights.ok_or(SyscallError::new(ErrorCode::InvalidArgument, 4))?;
    let badge = cap.badge().refine(Badge(args.words[4]));
    let badge = match badge {
        Some(badge) if matches!(cap.kind, abi::Kind::Endpoint | abi::Kind::Notification) => badge,
        _ if args.words[4] == 0 => Badge(0),
        _ => return Err(SyscallError::new(ErrorCode::BadgeSet, 5)),
    };
    k.insert(to, cap.derived(rights, badge), Some(from));
    Ok(Next::Done)
}

/// Moves a capability.
///
/// # Rights
/// This table: put. The source's: take.
/// # Returns
/// Nothing.
/// # Errors
/// `EmptySlot`, `SlotOccupied`.
pub fn move_cap(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (from, to) = ends(k, caller, args)?;
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
    let (table, _) = k.get::<CapTable>(caller, args.target, Rights::TAKE, 0)?;
    let slot = k.slot(table, args.words[0], 1)?;
    Ok(match k.delete(slot).and_then(|()| k.bury()) {
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
    let (table, _) = k.get::<CapTable>(caller, args.target, Rights::REVOKE, 0)?;
    let slot = k.slot(table, args.words[0], 1)?;
    if k.mem[slot].is_empty() {
        return Err(SyscallError::new(ErrorCode::EmptySlot, 1));
    }
    Ok(match k.revoke(slot) {
        Ok(()) => Next::Done,
        Err(_) => Next::Restart,
    })
}
