//! Trace: a ring of records of what one core does. Anybody can make one; the capability without a ring, which init holds,
//! ties it to a core.

use abi::{ErrorCode, Kind, Perms, Rights, SyscallError, layout::PAGE, trace::RECORD};

use super::{Header, Thread};
use crate::cap::{Cap, Flags};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Object, Phys, Ref};
use crate::syscall::Args;

/// A ring. It has its first page for itself, the records have the others.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Trace {
    /// Counts its capabilities.
    pub header: Header,
    /// Pages of records, a power of two.
    pub pages: u32,
    /// The core that writes.
    pub core: Option<u8>,
    /// The number of the next record.
    pub next: u64,
}

impl Object for Trace {
    const KIND: Kind = Kind::Trace;
}

impl Trace {
    /// A ring of so many pages, the first one included, that nobody writes.
    pub const fn new(pages: u32) -> Self {
        Self { header: Header::new(Kind::Trace), pages: pages - 1, core: None, next: 1 }
    }

    /// Whether an object of so many pages can be a ring.
    pub const fn fits(pages: u64) -> bool {
        pages >= 2 && pages <= MOST_PAGES && (pages - 1).is_power_of_two()
    }

    /// How many records it has.
    pub const fn records(&self) -> u64 {
        self.pages as u64 * (PAGE / RECORD)
    }

    /// Where the records of a ring lie that lies here.
    pub const fn place(&self, ring: Phys) -> Phys {
        Phys(ring.0 + PAGE)
    }
}

/// Most pages of a ring: 64 MiB of records.
const MOST_PAGES: u64 = (1 << 14) + 1;

/// A core writes its events into a ring from now on. Meanwhile no core has fast paths, so that nothing passes unseen.
///
/// # Rights
/// Trace without a ring: control. Ring: map.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidArgument` (no such core), `Busy` (the ring has a core, or the core has a ring), and those of the look-ups.
pub fn start(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target(), Kind::Trace, Rights::TRACE_CONTROL, 0)?;
    let (ring, _) = k.get::<Trace>(caller, args.words[0], Rights::TRACE_MAP, 1)?;
    let core = usize::try_from(args.words[1]).ok().filter(|&core| core < k.sched.count());
    let core = core.ok_or(SyscallError::new(ErrorCode::InvalidArgument, 2))?;
    if k.mem[ring].core.is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 1));
    }
    if k.trace.ring(core).is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 2));
    }
    k.tie_ring(ring, core);
    Ok(Next::Done)
}

/// Nobody writes into a ring any more. It keeps its records, and may be tied again: they go on behind them.
///
/// # Rights
/// Trace without a ring: control. Ring: map.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (no core writes into it), and those of the look-ups.
pub fn stop(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target(), Kind::Trace, Rights::TRACE_CONTROL, 0)?;
    let (ring, _) = k.get::<Trace>(caller, args.words[0], Rights::TRACE_MAP, 1)?;
    if k.mem[ring].core.is_none() {
        return Err(SyscallError::new(ErrorCode::InvalidState, 1));
    }
    k.untie_ring(ring);
    Ok(Next::Done)
}

/// Puts a read-only Frame of a ring's records into a slot of the caller's table.
///
/// # Rights
/// Ring: map.
/// # Returns
/// x0: bytes of the records.
/// # Errors
/// `SlotOccupied`, `SlotOutOfRange`, and those of the look-up.
pub fn map(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (ring, slot) = k.get::<Trace>(caller, args.target(), Rights::TRACE_MAP, 0)?;
    let target = k.empty_slot(k.table_of(caller)?, args.words[0], 1)?;
    let Trace { pages, .. } = k.mem[ring];
    let place = k.mem[ring].place(k.mem.address(ring));
    let mut cap = Cap::memory(Kind::Frame, place, pages, Flags::empty());
    cap.rights = Rights::from_bits_truncate(Perms::READ.bits());
    k.insert(target, cap, Some(slot));
    Ok(k.answer_one(caller, u64::from(pages) * PAGE))
}
