//! The fast paths of signal, wait, faults and interrupts, as those of `fast`: outside of the lock, first looking, then doing
//! (decision 0010).
//!
//! A notification is used by the fast paths of one core, its `owner`'s: that which used it last the slow way. So bits are set
//! with plain loads and stores, and no cache line is written by two cores in turns.
//!
//! A thread that is let go on runs on its own time, and so does the one it takes the core from, if counting what was used is
//! all that changing between them takes (`SchedContext::plain`). The hardware timer stays as it is if it fires early enough:
//! the kernel then finds that nothing has come to its end, and sets it anew.

use core::arch::global_asm;
use core::mem::offset_of;

use abi::{FaultKind, FaultMessage, Kind, OUT_NOTIFICATION, Op, OutWord, Rights};

use super::{fpu, intc, layout};
use crate::cap::{Cap, Flags};
use crate::context::Context;
use crate::fault::Report;
use crate::gate::Area;
use crate::object::{
    AddressSpace, Endpoint, Held, Irq, LINES, Notification, Reply, SchedContext, State, Thread, Window,
};
use crate::sched::Scheduler;

/// What the first bits of a capability are that may signal: its kind, and the lowest right.
const MAY_SIGNAL: u32 = Kind::Notification as u32 | (Rights::SIGNAL.bits() as u32) << 8;
/// Those bits.
const KIND_AND_FIRST_RIGHT: u32 = 0x1ff;
/// What a receive says that bits of the bound notification end.
const BITS_CAME: u64 = OutWord::message(1, 0, OUT_NOTIFICATION, 0).0;
/// The first interrupt that devices share.
const FIRST_SHARED: usize = 32;
/// The class of a data access from user space (ARM DDI 0487, ESR_EL1.EC).
const DATA_ABORT: u32 = 0x24;

// What is loaded or stored as a pair, what is tested in one go, and values that stand for more than one thing.
const _: () = {
    assert!(Op::Signal as u32 == 8 && Op::Wait as u32 == 9);
    assert!(Rights::SIGNAL.bits() == 1 && offset_of!(Cap, kind) == 0 && offset_of!(Cap, rights) == 1);
    assert!(offset_of!(Cap, object) == 8);
    assert!(offset_of!(Thread, slot_mask) == offset_of!(Thread, table_at) + 8);
    assert!(offset_of!(Notification, owner) == offset_of!(Notification, bits) + 8);
    assert!(offset_of!(Notification, bound) == offset_of!(Notification, waiter) + 4);
    assert!(offset_of!(Thread, core) == offset_of!(Thread, queued) + 1);
    assert!(offset_of!(Thread, queued).is_multiple_of(2));
    assert!(offset_of!(SchedContext, slice) == offset_of!(SchedContext, consumed) + 8);
    assert!(offset_of!(Scheduler, slice_end) == offset_of!(Scheduler, stretch) + 8);
    assert!(offset_of!(Reply, time) == offset_of!(Reply, caller) + 8);
    assert!(offset_of!(Window, start) == 0 && offset_of!(Window, end) == 8);
    assert!(State::WAITING & 1 == 1 && State::RECEIVING & 1 == 0);
    assert!(BITS_CAME >> 32 == 0);
    assert!(FaultKind::Read as u32 == 1 && FaultKind::Write as u32 == 2);
};

global_asm!(
    include_str!("events/switch.s"),
    include_str!("events/signal.s"),
    include_str!("events/fault.s"),
    include_str!("events/interrupt.s"),
    READER = const Area::READER,
    FLOOR = const offset_of!(Area, floor),
    CLOSED_FLOOR = const offset_of!(Area, closed_floor),
    CONTEXT = const offset_of!(Area, context),
    NUMBER = const offset_of!(Area, number),
    FPU_OPEN = const offset_of!(Area, fpu_open),
    SCHEDULER = const offset_of!(Area, scheduler),
    LINES = const offset_of!(Area, lines),
    DISTRIBUTOR = const offset_of!(Area, distributor),
    INTERFACE = const offset_of!(Area, interface),
    ZEROS = const offset_of!(Area, zeros),
    CLOSED = const fpu::CLOSED,
    MAP = const layout::MAP,
    TABLE = const offset_of!(Thread, table_at),
    FAST_REPLY = const offset_of!(Thread, fast_reply),
    KEY = const offset_of!(Thread, key),
    SLOW_KEY = const Thread::SLOW_KEY,
    TTBR_AT = const offset_of!(Thread, ttbr_at),
    STATE = const offset_of!(Thread, state),
    PRIORITY = const offset_of!(Thread, priority),
    QUEUED = const offset_of!(Thread, queued),
    HOME = const offset_of!(Thread, home),
    REPLY = const offset_of!(Thread, reply),
    NEXT = const offset_of!(Thread, next),
    PREV = const offset_of!(Thread, prev),
    FAULT = const offset_of!(Thread, fault) + Report::KIND,
    HANDLER = const offset_of!(Thread, held) + Held::Fault as usize * 64,
    RECEIVING = const State::RECEIVING,
    WAITING = const State::WAITING,
    AWAITING_REPLY = const State::AWAITING_REPLY,
    ZERO = const offset_of!(Context, pad) - offset_of!(Reply, time),
    BITS = const offset_of!(Notification, bits),
    WAITER = const offset_of!(Notification, waiter),
    BITS_CAME_LOW = const BITS_CAME & 0xffff,
    BITS_CAME_HIGH = const BITS_CAME >> 16,
    E_WORD = const offset_of!(Endpoint, word),
    NOBODY = const Endpoint::NOBODY,
    R_CALLER = const offset_of!(Reply, caller),
    R_TIME = const offset_of!(Reply, time),
    PLAIN = const offset_of!(SchedContext, plain),
    CONSUMED = const offset_of!(SchedContext, consumed),
    SLICE = const offset_of!(SchedContext, slice),
    QUEUES = const offset_of!(Scheduler, queues),
    OCCUPIED = const offset_of!(Scheduler, occupied),
    TOP = const offset_of!(Scheduler, top),
    TIME = const offset_of!(Scheduler, context),
    STRETCH = const offset_of!(Scheduler, stretch),
    ARMED = const offset_of!(Scheduler, armed),
    WHOLE_SLICE = const offset_of!(Scheduler, whole_slice),
    BADGE = const offset_of!(Cap, word),
    FAST_WAIT = const offset_of!(Cap, flags) as u32 * 8 + Flags::FAST_WAIT.bits().trailing_zeros(),
    KIND_AND_FIRST_RIGHT = const KIND_AND_FIRST_RIGHT,
    MAY_SIGNAL = const MAY_SIGNAL,
    NOTIFICATION = const Kind::Notification as u32,
    ENDPOINT = const Kind::Endpoint as u32,
    DATA_ABORT = const DATA_ABORT,
    FAULT_WORDS = const OutWord::message(FaultMessage::WORDS, 0, 0, 0).0,
    WINDOWS = const offset_of!(AddressSpace, windows) - offset_of!(AddressSpace, ttbr),
    FIRST_WINDOW = const Window::FIRST as usize * 64 - offset_of!(AddressSpace, ttbr),
    NO_LINE = const intc::SPECIAL,
    SHARED_LINES = const LINES - FIRST_SHARED,
    ICENABLER = const intc::ICENABLER,
    GICC_IAR = const intc::GICC_IAR,
    GICC_EOIR = const intc::GICC_EOIR,
    I_NEXT = const offset_of!(Irq, next),
    I_PENDING = const offset_of!(Irq, pending),
    I_BITS = const offset_of!(Irq, bits),
    I_HELD = const offset_of!(Irq, held),
);
