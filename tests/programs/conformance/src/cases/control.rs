//! Irq, IrqControl, Smc, SmcControl, KernelConsole, Debug.

use abi::{ErrorCode, Kind, Op, Rights};
use agent::{Check, State, World, code, equal, holds, pattern};

use super::common::*;
use super::space::device_frame;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals("IR-SET-001", "tying a line needs IrqControl", &[(Op::IrqSet, LOOK_UP_RIGHT)], set_look_up),
    refusals(
        "IR-SET-002",
        "what is tied is an Irq with the right to bind",
        &[(Op::IrqSet, LOOK_UP_RIGHT)],
        set_argument,
    ),
    refusals("IR-SET-003", "an Irq gets a line once", &[(Op::IrqSet, &[InvalidState])], set_twice),
    refusals(
        "IR-SET-004",
        "private lines, lines that do not exist and unknown triggers are refused",
        &[(Op::IrqSet, &[InvalidArgument])],
        set_bad,
    ),
    refusals("IR-SET-005", "a line has eight sharers", &[(Op::IrqSet, &[Busy])], set_busy),
    refusals("IR-BIND-001", "binding needs an Irq and the right to", &[(Op::IrqBind, LOOK_UP_RIGHT)], bind_look_up),
    refusals(
        "IR-BIND-002",
        "what an Irq signals is a notification that may be signalled",
        &[(Op::IrqBind, LOOK_UP_RIGHT)],
        bind_argument,
    ),
    refusals("IR-BIND-003", "an Irq without a line is not bound", &[(Op::IrqBind, &[InvalidState])], bind_no_line),
    refusals("IR-ACK-001", "acknowledging needs an Irq and the right to", &[(Op::IrqAck, LOOK_UP_RIGHT)], ack_look_up),
    refusals("IR-ACK-002", "an Irq without a line is not acknowledged", &[(Op::IrqAck, &[InvalidState])], ack_no_line),
    case("IR-LINE-001", "a device's interrupt signals the bits it was bound with", interrupt),
    case("IR-LINE-002", "a line stays masked until it is acknowledged, and fires again then", masked),
    case("IR-LINE-003", "a line that still fires when it is acknowledged fires at once", level),
    case("IR-LINE-004", "an interrupt wakes the thread that waits for it", wakes),
    case("IR-LINE-005", "the badge of the notification is or-ed into the bits", interrupt_badge),
    case("IR-LINE-006", "a notification that ends closes the line until it is bound again", interrupt_lost),
    refusals("SM-CALL-001", "calling the monitor needs Smc", &[(Op::SmcCall, LOOK_UP_RIGHT)], smc_look_up),
    refusals("SM-CALL-002", "functions outside the set are refused", &[(Op::SmcCall, &[MissingRight])], smc_function),
    case("SM-CALL-003", "a function that was granted is called, and its answer is the firmware's", smc_answer),
    case("SM-CALL-004", "other cores and other threads go on after many calls from all cores", smc_from_everywhere),
    case("SM-CALL-005", "functions that the board grants by their numbers are called", smc_granted),
    refusals("SM-MAKE-001", "making an Smc needs SmcControl", &[(Op::SmcMake, LOOK_UP_RIGHT)], make_look_up),
    refusals("SM-MAKE-002", "an Smc goes into an empty slot", &[(Op::SmcMake, &[SlotOccupied, SlotOutOfRange])], |w| {
        smc_slot(w, Op::SmcMake)
    }),
    refusals(
        "SM-MAKE-003",
        "no Smc is for the kernel's own functions, or for those of several services",
        &[(Op::SmcMake, &[InvalidArgument])],
        |w| smc_functions(w, Op::SmcMake),
    ),
    case("SM-MAKE-004", "revoking SmcControl takes every Smc that was made of it", smc_revoked),
    refusals("SM-NARROW-001", "narrowing needs Smc", &[(Op::SmcNarrow, LOOK_UP_RIGHT)], narrow_look_up),
    refusals(
        "SM-NARROW-002",
        "a narrower Smc goes into an empty slot",
        &[(Op::SmcNarrow, &[SlotOccupied, SlotOutOfRange])],
        |w| smc_slot(w, Op::SmcNarrow),
    ),
    refusals(
        "SM-NARROW-003",
        "no narrower Smc is for the kernel's own functions, or for those of several services",
        &[(Op::SmcNarrow, &[InvalidArgument])],
        |w| smc_functions(w, Op::SmcNarrow),
    ),
    refusals(
        "SM-NARROW-004",
        "what is made of an Smc is for its functions only",
        &[(Op::SmcNarrow, &[MissingRight]), (Op::SmcCall, &[MissingRight])],
        narrow_more,
    ),
    refusals("KC-WRITE-001", "printing needs KernelConsole", &[(Op::ConsoleWrite, LOOK_UP_RIGHT)], write_look_up),
    case("KC-WRITE-002", "a length beyond the message prints the message", write_long),
    refusals("KC-RING-001", "the log ring needs KernelConsole", &[(Op::ConsoleRing, LOOK_UP_RIGHT)], ring_look_up),
    refusals(
        "KC-RING-002",
        "the log ring goes into an empty slot",
        &[(Op::ConsoleRing, &[SlotOccupied, SlotOutOfRange])],
        ring_slot,
    ),
    case("KC-RING-003", "the log ring is a Frame that can be read and nothing else", ring_read_only),
    refusals("DB-CAP-001", "looking into a table needs Debug", &[(Op::DebugCap, LOOK_UP_RIGHT)], cap_look_up),
    refusals("DB-CAP-002", "what is looked into is a table", &[(Op::DebugCap, LOOK_UP)], cap_argument),
    refusals("DB-CAP-003", "slots outside the table are refused", &[(Op::DebugCap, &[SlotOutOfRange])], cap_outside),
    case("DB-CAP-004", "kind, rights, size, badge, mapping and use are told", cap_tells),
    refusals(
        "DB-REGISTERS-001",
        "looking at registers needs Debug",
        &[(Op::DebugRegisters, LOOK_UP_RIGHT)],
        registers_look_up,
    ),
    refusals("DB-REGISTERS-002", "what is looked at is a thread", &[(Op::DebugRegisters, LOOK_UP)], registers_argument),
    refusals(
        "DB-REGISTERS-003",
        "registers that do not exist are refused",
        &[(Op::DebugRegisters, &[InvalidArgument])],
        registers_bad,
    ),
    case("DB-REGISTERS-004", "registers of a thread that waits are told", registers_tell),
    refusals("DB-READ-001", "reading memory needs Debug", &[(Op::DebugRead, LOOK_UP_RIGHT)], read_look_up),
    refusals("DB-READ-002", "what is read is an address space", &[(Op::DebugRead, LOOK_UP)], read_argument),
    refusals(
        "DB-READ-003",
        "a word is at a multiple of 8, where something is mapped",
        &[(Op::DebugRead, &[Misaligned, NotMapped])],
        read_bad,
    ),
    case("DB-READ-004", "the word that is there is told", read_tells),
    refusals(
        "DB-THREAD-001",
        "asking for a thread's state needs Debug",
        &[(Op::DebugThread, LOOK_UP_RIGHT)],
        thread_look_up,
    ),
    refusals("DB-THREAD-002", "what is asked for is a thread", &[(Op::DebugThread, LOOK_UP)], thread_argument),
    case("DB-THREAD-003", "each state of a thread has its number", thread_tells),
];

const OWN: u32 = abi::SLOT_TABLE;
/// No right: what stands for authority has one only.
const NOTHING: Rights = Rights::empty();

fn set_look_up(w: &mut World) -> Check {
    let (irq, control) = (w.make(Kind::Irq, 0)?, w.authority.irq);
    look_up(w, Op::IrqSet, &[irq.into(), 40, 0], Some((control, NOTHING)))
}

fn set_argument(w: &mut World) -> Check {
    let (irq, control) = (w.make(Kind::Irq, 0)?, w.authority.irq);
    argument(w, Op::IrqSet, control, &[irq.into(), 40, 0], 0, Some((irq, Rights::IRQ_ACK)))
}

/// A line that no device of this machine has.
const LINE: u64 = 200;

fn set_twice(w: &mut World) -> Check {
    let (irq, control) = (w.make(Kind::Irq, 0)?, w.authority.irq);
    w.ok(Op::IrqSet, control, &[irq.into(), LINE, 1])?;
    for line in [LINE, LINE + 1] {
        w.refused(Op::IrqSet, control, &[irq.into(), line, 1], InvalidState, 1)?;
    }
    equal(w.inspect(OWN, irq)?[4], LINE, "its line")
}

fn set_bad(w: &mut World) -> Check {
    let (irq, control) = (w.make(Kind::Irq, 0)?, w.authority.irq);
    for line in [0, 27, 30, 31, 1020, 1023, 1024, 1 << 32, u64::MAX] {
        w.refused(Op::IrqSet, control, &[irq.into(), line, 0], InvalidArgument, 2)?;
    }
    for trigger in [2, 256, u64::MAX] {
        w.refused(Op::IrqSet, control, &[irq.into(), LINE, trigger], InvalidArgument, 3)?;
    }
    w.ok(Op::IrqSet, control, &[irq.into(), LINE, 0])?;
    let other = w.make(Kind::Irq, 0)?;
    w.refused(Op::IrqSet, control, &[other.into(), LINE, 1], InvalidArgument, 3)
}

fn set_busy(w: &mut World) -> Check {
    let control = w.authority.irq;
    for _ in 0..8 {
        let irq = w.make(Kind::Irq, 0)?;
        w.ok(Op::IrqSet, control, &[irq.into(), LINE, 0])?;
    }
    let ninth = w.make(Kind::Irq, 0)?;
    w.refused(Op::IrqSet, control, &[ninth.into(), LINE, 0], Busy, 2)?;
    w.ok(Op::Delete, OWN, &[u64::from(ninth) - 1])?;
    w.ok(Op::IrqSet, control, &[ninth.into(), LINE, 0]).map(drop)
}

fn bind_look_up(w: &mut World) -> Check {
    let (irq, bell) = (w.make(Kind::Irq, 0)?, w.make(Kind::Notification, 0)?);
    look_up(w, Op::IrqBind, &[bell.into(), 1], Some((irq, Rights::IRQ_ACK)))
}

fn bind_argument(w: &mut World) -> Check {
    let (line, bell) = (w.authority.line, w.make(Kind::Notification, 0)?);
    argument(w, Op::IrqBind, line, &[bell.into(), 1], 0, Some((bell, Rights::WAIT)))
}

fn bind_no_line(w: &mut World) -> Check {
    let (irq, bell) = (w.make(Kind::Irq, 0)?, w.make(Kind::Notification, 0)?);
    w.refused(Op::IrqBind, irq, &[bell.into(), 1], InvalidState, 0)
}

fn ack_look_up(w: &mut World) -> Check {
    let irq = w.make(Kind::Irq, 0)?;
    look_up(w, Op::IrqAck, &[], Some((irq, Rights::IRQ_BIND)))
}

fn ack_no_line(w: &mut World) -> Check {
    let irq = w.make(Kind::Irq, 0)?;
    w.refused(Op::IrqAck, irq, &[], InvalidState, 0)
}

/// The device: a PL031 real-time clock (ARM DDI 0224), whose match register calls its interrupt up.
pub struct Clock(rt::SharedBuffer);

const DATA: usize = 0x0;
const MATCH: usize = 0x4;
const MASK: usize = 0x10;
const RAW: usize = 0x14;
const CLEAR: usize = 0x1c;

impl Clock {
    fn new(w: &mut World) -> Check<Self> {
        let frame = device_frame(w)?;
        Self::of(w, frame)
    }

    /// The clock of these registers, quiet.
    pub fn of(w: &mut World, frame: u32) -> Check<Self> {
        let copy = w.copy(frame, ALL, 0)?;
        let clock = Self(w.map(copy, 1)?);
        clock.store(CLEAR, 1)?;
        clock.store(MASK, 1)?;
        Ok(clock)
    }

    fn store(&self, register: usize, value: u32) -> Check {
        self.0.store_u32(register, value).map_err(|_| "no such register".into())
    }

    fn load(&self, register: usize) -> Check<u32> {
        self.0.load_u32(register).map_err(|_| "no such register".into())
    }

    /// Its interrupt is hidden from now on.
    pub fn hide(&self) -> Check {
        self.store(MASK, 0)
    }

    /// Its interrupt fires until it is cleared.
    pub fn fire(&self) -> Check {
        for _ in 0..100 {
            // The second may end between the two accesses.
            let now = self.load(DATA)?;
            self.store(MATCH, now)?;
            if self.load(RAW)? == 1 {
                return Ok(());
            }
        }
        Err("the clock does not fire".into())
    }

    fn clear(&self) -> Check {
        self.store(CLEAR, 1)
    }
}

/// The bits that come within a moment.
fn bits(w: &mut World, bell: u32) -> Check<u64> {
    for _ in 0..100 {
        let bits = w.ok(Op::Poll, bell, &[])?[0];
        if bits != 0 {
            return Ok(bits);
        }
        w.sleep(100)?;
    }
    Ok(0)
}

/// The clock and a notification that its line is bound to.
fn bound(w: &mut World, value: u64) -> Check<(Clock, u32, u32)> {
    let (clock, bell, line) = (Clock::new(w)?, w.make(Kind::Notification, 0)?, w.authority.line);
    w.ok(Op::IrqBind, line, &[bell.into(), value])?;
    Ok((clock, bell, line))
}

fn interrupt(w: &mut World) -> Check {
    let (clock, bell, line) = bound(w, 0x30)?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits before")?;
    clock.fire()?;
    equal(bits(w, bell)?, 0x30, "bits")?;
    clock.clear()?;
    w.ok(Op::IrqAck, line, &[]).map(drop)
}

fn masked(w: &mut World) -> Check {
    let (clock, bell, line) = bound(w, 1)?;
    for _ in 0..5 {
        clock.fire()?;
        equal(bits(w, bell)?, 1, "bits")?;
        clock.clear()?;
        clock.fire()?;
        w.sleep(500)?;
        equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits of a masked line")?;
        clock.clear()?;
        w.ok(Op::IrqAck, line, &[])?;
        w.sleep(300)?;
        equal(w.ok(Op::Poll, bell, &[])?[0], 0, "bits without an interrupt")?;
    }
    Ok(())
}

fn level(w: &mut World) -> Check {
    let (clock, bell, line) = bound(w, 1)?;
    clock.fire()?;
    for _ in 0..5 {
        equal(bits(w, bell)?, 1, "bits")?;
        w.ok(Op::IrqAck, line, &[])?;
    }
    equal(bits(w, bell)?, 1, "bits")?;
    clock.clear()?;
    w.ok(Op::IrqAck, line, &[]).map(drop)
}

fn wakes(w: &mut World) -> Check {
    let (clock, bell, line) = bound(w, 4)?;
    let mut agent = w.agent()?;
    w.give(agent, 20, bell, ALL, 0)?;
    w.blocks(&mut agent, agent::Request::new(Op::Wait, 20), State::Waiting)?;
    clock.fire()?;
    equal(w.finish(&mut agent)?.words()[0], 4, "bits")?;
    clock.clear()?;
    w.ok(Op::IrqAck, line, &[]).map(drop)
}

fn interrupt_badge(w: &mut World) -> Check {
    let (clock, bell, line) = (Clock::new(w)?, w.make(Kind::Notification, 0)?, w.authority.line);
    let badged = w.copy(bell, Rights::SIGNAL, 0x100)?;
    w.ok(Op::IrqBind, line, &[badged.into(), 2])?;
    clock.fire()?;
    equal(bits(w, bell)?, 0x102, "bits")?;
    clock.clear()?;
    w.ok(Op::IrqAck, line, &[]).map(drop)
}

fn interrupt_lost(w: &mut World) -> Check {
    let (clock, bell, line) = bound(w, 1)?;
    w.ok(Op::Delete, OWN, &[bell.into()])?;
    clock.fire()?;
    w.sleep(300)?;
    let other = w.make(Kind::Notification, 0)?;
    w.ok(Op::IrqBind, line, &[other.into(), 8])?;
    equal(bits(w, other)?, 8, "bits")?;
    clock.clear()?;
    w.ok(Op::IrqAck, line, &[]).map(drop)
}

fn smc_look_up(w: &mut World) -> Check {
    let smc = w.authority.smc;
    look_up(w, Op::SmcCall, &[0x8400_0000], Some((smc, NOTHING)))
}

fn smc_function(w: &mut World) -> Check {
    /// PSCI_VERSION, CPU_SUSPEND, CPU_OFF, CPU_ON; SMCCC_VERSION; nothing.
    const FUNCTIONS: [u64; 7] = [0x8400_0000, 0x8400_0001, 0x8400_0002, 0xc400_0003, 0x8000_0000, 0, u64::MAX];
    let smc = w.authority.smc;
    for function in FUNCTIONS {
        w.refused(Op::SmcCall, smc, &[function, 0, 0, 0], MissingRight, 1)?;
    }
    Ok(())
}

/// PSCI_VERSION.
const VERSION: u64 = 0x8400_0000;
/// A vendor's service, with no function that this machine's firmware knows.
const VENDOR: u64 = 0xc300_ff00;

/// An Smc for so many functions from this one on.
fn smc_for(w: &mut World, first: u64, count: u64) -> Check<u32> {
    let (slot, control) = (w.slot()?, w.authority.smc_control);
    w.ok(Op::SmcMake, control, &[slot.into(), first, count])?;
    Ok(slot)
}

fn smc_answer(w: &mut World) -> Check {
    let smc = smc_for(w, VERSION, 1)?;
    let told = w.inspect(OWN, smc)?;
    equal(told[..4].to_vec(), alloc::vec![Kind::Smc as u64, 1, VERSION, 1], "kind, rights, first and count")?;
    let version = w.ok(Op::SmcCall, smc, &[VERSION])?[0];
    holds((0x1_0000..0x8000_0000).contains(&version), "PSCI_VERSION says 1.0 or later")?;
    // SMCCC_VERSION, or that it is not known; a vendor's function is not.
    let smc = smc_for(w, 0x8000_0000, 2)?;
    let version = w.ok(Op::SmcCall, smc, &[0x8000_0000])?[0] as u32 as i32;
    holds(version == -1 || version >= 0x1_0000, "SMCCC_VERSION says 1.0 or later, or nothing")?;
    let smc = smc_for(w, VENDOR, 16)?;
    let known = w.ok(Op::SmcCall, smc, &[VENDOR + 15, 1, 2, 3, 4, 5, 6, 7])?[0] as u32 as i32;
    equal(known, -1, "the answer of a function that does not exist")
}

fn smc_granted(w: &mut World) -> Check {
    let smc = w.authority.version;
    let version = w.ok(Op::SmcCall, smc, &[VERSION])?[0];
    holds((0x1_0000..0x8000_0000).contains(&version), "PSCI_VERSION says 1.0 or later")?;
    w.refused(Op::SmcCall, smc, &[VERSION + 1], MissingRight, 1)
}

fn smc_from_everywhere(w: &mut World) -> Check {
    let smc = smc_for(w, VERSION, 1)?;
    w.spread = true;
    let mut agents = alloc::vec::Vec::new();
    for _ in 0..4 {
        let agent = w.agent()?;
        w.give(agent, 20, smc, ALL, 0)?;
        agents.push(agent);
    }
    for _ in 0..50 {
        for agent in &mut agents {
            w.begin(agent, agent::Request::new(Op::SmcCall, 20).words(&[VERSION]))?;
        }
        for agent in &mut agents {
            let out = w.finish(agent)?;
            equal(out.status(), Ok(()), "status")?;
            holds(out.words()[0] >= 0x1_0000, "PSCI_VERSION says 1.0 or later")?;
        }
    }
    Ok(())
}

fn make_look_up(w: &mut World) -> Check {
    let (control, slot) = (w.authority.smc_control, w.slot()?);
    look_up(w, Op::SmcMake, &[slot.into(), VENDOR, 1], Some((control, NOTHING)))
}

fn narrow_look_up(w: &mut World) -> Check {
    let (smc, slot) = (smc_for(w, VENDOR, 2)?, w.slot()?);
    look_up(w, Op::SmcNarrow, &[slot.into(), VENDOR, 1], Some((smc, NOTHING)))
}

/// What makes an Smc for the vendor's functions.
fn maker(w: &mut World, op: Op) -> Check<u32> {
    if op == Op::SmcMake { Ok(w.authority.smc_control) } else { smc_for(w, VENDOR, 16) }
}

fn smc_slot(w: &mut World, op: Op) -> Check {
    let from = maker(w, op)?;
    w.refused(op, from, &[OWN.into(), VENDOR, 1], SlotOccupied, 1)?;
    for index in [0, u64::from(w.slots), u64::MAX] {
        w.refused(op, from, &[index, VENDOR, 1], SlotOutOfRange, 1)?;
    }
    Ok(())
}

fn smc_functions(w: &mut World, op: Op) -> Check {
    let (from, slot) = (maker(w, op)?, u64::from(w.slot()?));
    // CPU_SUSPEND, CPU_OFF, CPU_ON, all of PSCI, SDEI, FF-A, SMCCC_ARCH_WORKAROUND_2; none, two services, no identifier.
    for (first, count) in [
        (0x8400_0001, 1),
        (0x8400_0002, 1),
        (0xc400_0003, 1),
        (0x8400_0000, 0x20),
        (0xc400_0020, 1),
        (0x8400_0060, 0x80),
        (0x8000_7fff, 1),
        (VENDOR, 0),
        (VENDOR, 0x1_0000),
        (VENDOR, u64::MAX),
        (VENDOR | 1 << 16, 1),
        (VENDOR | 1 << 32, 1),
        (u64::MAX, 1),
    ] {
        w.refused(op, from, &[slot, first, count], InvalidArgument, 2)?;
    }
    Ok(())
}

fn smc_revoked(w: &mut World) -> Check {
    let control = w.copy(w.authority.smc_control, ALL, 0)?;
    let (made, narrow) = (w.slot()?, w.slot()?);
    w.ok(Op::SmcMake, control, &[made.into(), VENDOR, 4])?;
    w.ok(Op::SmcNarrow, made, &[narrow.into(), VENDOR, 1])?;
    let copy = w.copy(made, ALL, 0)?;
    w.ok(Op::Revoke, OWN, &[control.into()])?;
    for slot in [made, narrow, copy] {
        holds(w.is_empty(slot)?, "an Smc is left")?;
    }
    Ok(())
}

fn narrow_more(w: &mut World) -> Check {
    let (smc, slot) = (smc_for(w, VENDOR, 8)?, w.slot()?);
    for (first, count) in [(VENDOR, 9), (VENDOR - 1, 2), (VENDOR + 8, 1), (VENDOR + 7, 2), (VERSION, 1)] {
        w.refused(Op::SmcNarrow, smc, &[slot.into(), first, count], MissingRight, 2)?;
    }
    w.ok(Op::SmcNarrow, smc, &[slot.into(), VENDOR + 2, 2])?;
    let again = w.slot()?;
    w.refused(Op::SmcNarrow, slot, &[again.into(), VENDOR, 8], MissingRight, 2)?;
    for function in 0..8 {
        let args = [VENDOR + function];
        if (2..4).contains(&function) {
            w.ok(Op::SmcCall, slot, &args)?;
        } else {
            w.refused(Op::SmcCall, slot, &args, MissingRight, 1)?;
        }
    }
    Ok(())
}

fn write_look_up(w: &mut World) -> Check {
    let console = w.authority.console;
    look_up(w, Op::ConsoleWrite, &[0], Some((console, NOTHING)))
}

fn write_long(w: &mut World) -> Check {
    let console = w.authority.console;
    let text = u64::from_le_bytes(*b"printed\n");
    for length in [8, 9, u64::MAX] {
        w.ok(Op::ConsoleWrite, console, &[length, text])?;
    }
    Ok(())
}

fn ring_look_up(w: &mut World) -> Check {
    let (console, slot) = (w.authority.console, w.slot()?);
    look_up(w, Op::ConsoleRing, &[slot.into()], Some((console, NOTHING)))
}

fn ring_slot(w: &mut World) -> Check {
    let console = w.authority.console;
    w.refused(Op::ConsoleRing, console, &[abi::SLOT_TABLE.into()], SlotOccupied, 1)?;
    for index in [0, u64::from(w.slots), u64::MAX] {
        w.refused(Op::ConsoleRing, console, &[index], SlotOutOfRange, 1)?;
    }
    Ok(())
}

fn ring_read_only(w: &mut World) -> Check {
    let (console, slot) = (w.authority.console, w.slot()?);
    let bytes = w.ok(Op::ConsoleRing, console, &[slot.into()])?[0];
    let frame = w.inspect(OWN, slot)?;
    equal((frame[0], frame[1], frame[3]), (Kind::Frame as u64, 1, bytes), "kind, rights and size")?;
    let space = w.make(Kind::AddressSpace, 5)?;
    for perms in [3, 5] {
        w.refused(Op::Map, space, &[slot.into(), 0x1000, 0, 1, perms], MissingRight, 5)?;
    }
    w.ok(Op::Map, space, &[slot.into(), 0x1000, 0, 1, 1]).map(drop)
}

fn cap_look_up(w: &mut World) -> Check {
    let debug = w.authority.debug;
    look_up(w, Op::DebugCap, &[TABLE, 1], Some((debug, NOTHING)))
}

fn cap_argument(w: &mut World) -> Check {
    let debug = w.authority.debug;
    argument(w, Op::DebugCap, debug, &[0, 1], 0, None)
}

fn cap_outside(w: &mut World) -> Check {
    let debug = w.authority.debug;
    for index in [0, u64::from(w.slots), 1 << 32, u64::MAX] {
        w.refused(Op::DebugCap, debug, &[TABLE, index], SlotOutOfRange, 2)?;
    }
    Ok(())
}

fn cap_tells(w: &mut World) -> Check {
    let (space, frame, memory) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Frame, 4)?, w.make(Kind::Untyped, 3)?);
    w.ok(Op::Map, space, &[frame.into(), 0x5000, 1, 2, 3])?;
    w.make_of(memory, Kind::Frame, 2)?;
    let told = w.inspect(OWN, frame)?;
    equal((told[1], told[3], told[4], told[5]), (15, 0x4000, 0x5000, 0x2000), "a Frame")?;
    let told = w.inspect(OWN, memory)?;
    equal((told[1], told[3], told[5]), (1, 0x3000, 0x2000), "an Untyped")?;
    let door = w.make(Kind::Endpoint, 0)?;
    let badged = w.copy(door, Rights::SEND, 42)?;
    let told = w.inspect(OWN, badged)?;
    equal((told[0], told[1], told[4]), (Kind::Endpoint as u64, 1, 42), "an Endpoint")
}

fn registers_look_up(w: &mut World) -> Check {
    let debug = w.authority.debug;
    look_up(w, Op::DebugRegisters, &[abi::SLOT_THREAD.into(), 0], Some((debug, NOTHING)))
}

fn registers_argument(w: &mut World) -> Check {
    let debug = w.authority.debug;
    argument(w, Op::DebugRegisters, debug, &[0, 0], 0, None)
}

fn registers_bad(w: &mut World) -> Check {
    let debug = w.authority.debug;
    for first in [34, 1 << 32, u64::MAX] {
        w.refused(Op::DebugRegisters, debug, &[abi::SLOT_THREAD.into(), first], InvalidArgument, 2)?;
    }
    Ok(())
}

fn registers_tell(w: &mut World) -> Check {
    let pair = Pair::waiting(w)?;
    let debug = w.authority.debug;
    let number = pair.server.number.into();
    let told = w.ok(Op::DebugRegisters, debug, &[pair.server.thread.into(), 19])?;
    equal(told, core::array::from_fn(|at| pattern(number, 19 + at)), "x19-x26")?;
    let told = w.ok(Op::DebugRegisters, debug, &[pair.server.thread.into(), 32])?;
    equal(told, [code::SVC + 4, 0, 0, 0, 0, 0, 0, 0], "pc and what is behind it")
}

fn read_look_up(w: &mut World) -> Check {
    let debug = w.authority.debug;
    look_up(w, Op::DebugRead, &[abi::SLOT_SPACE.into(), 0x20_0000], Some((debug, NOTHING)))
}

fn read_argument(w: &mut World) -> Check {
    let debug = w.authority.debug;
    argument(w, Op::DebugRead, debug, &[0, 0x20_0000], 0, None)
}

fn read_bad(w: &mut World) -> Check {
    let (debug, agent) = (w.authority.debug, w.agent()?);
    for offset in [1, 4, 7] {
        w.refused(Op::DebugRead, debug, &[agent.space.into(), code::AT + offset], Misaligned, 2)?;
    }
    for address in [0, 0x50_0000, abi::layout::USER_END, 0xffff_0000_0000_0000, !7] {
        w.refused(Op::DebugRead, debug, &[agent.space.into(), address], NotMapped, 2)?;
    }
    Ok(())
}

fn read_tells(w: &mut World) -> Check {
    let (debug, agent) = (w.authority.debug, w.agent()?);
    let wanted = code::bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    equal(w.ok(Op::DebugRead, debug, &[agent.space.into(), code::AT])?[0], wanted, "the word")
}

fn thread_look_up(w: &mut World) -> Check {
    let debug = w.authority.debug;
    look_up(w, Op::DebugThread, &[abi::SLOT_THREAD.into()], Some((debug, NOTHING)))
}

fn thread_argument(w: &mut World) -> Check {
    let debug = w.authority.debug;
    argument(w, Op::DebugThread, debug, &[0], 0, None)
}

fn thread_tells(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    equal(w.state(pair.client)?, State::Suspended, "a new thread")?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.finish(&mut pair.server)?;
    equal(w.state(pair.client)?, State::Calling, "while it is served")?;
    equal(w.state(pair.server)?, State::Faulted, "after a breakpoint")?;
    let bell = w.make(Kind::Notification, 0)?;
    w.give(pair.server, 20, bell, ALL, 0)?;
    w.blocks(&mut pair.server, agent::Request::new(Op::Wait, 20), State::Waiting)?;
    let busy = w.agent()?;
    w.run(busy, code::SPIN, &[0; 31])?;
    equal(w.state(busy)?, State::Ready, "a thread that runs")?;
    let used = |w: &mut World| w.ok(Op::DebugThread, w.authority.debug, &[busy.thread.into()]);
    let before = used(w)?[1];
    for _ in 0..2000 {
        if used(w)?[1] > before {
            return Ok(());
        }
        w.sleep(1000)?;
    }
    Err("the time of a thread that runs does not grow".into())
}
