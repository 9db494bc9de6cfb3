//! DmaSpace, Smc, KernelConsole, Debug.

use abi::{
    ErrorCode, InWord, Kind, MAY_HAVE_ACTED, Op, OutWord, Rights, Slots,
    layout::{PAGE, USER_END},
};

use super::{Bed, MEMORY, Outcome, TABLE};
use crate::mm::{Phys, Ref};
use crate::object::{AddressSpace, DmaSpace, State, Thread};
use crate::testbed::bed::SMMU;

#[test]
fn dma() {
    let mut bed = Bed::new();
    bed.make(Kind::Frame, 2, 40);
    bed.give(1, 41, 40, Rights::READ | Rights::WRITE, 0);
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &[Kind::Frame as u64, 1, 0, TABLE, 42, 0x900_0000, 0, 0]);
    bed.make(Kind::DmaSpace, 3, SPACE);
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &[40, ADDRESS, 3, 2]), (ErrorCode::InvalidState, 0));
    bed.ok(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[SPACE.into(), 0]);
    for op in [Op::DmaAttach, Op::DmaDetach] {
        assert_eq!(bed.refused(op, SPACE, &[41]), (ErrorCode::MissingRight, 1));
        assert_eq!(bed.refused(op, SPACE, &[42]), (ErrorCode::InvalidArgument, 1));
    }
    let base = bed.cap(bed.init, 40).object;
    assert_eq!(bed.refused(Op::DmaDetach, SPACE, &[40]), (ErrorCode::NotMapped, 1));
    assert_eq!(bed.ok(Op::DmaAttach, SPACE, &[40, ADDRESS, 3, 2])[0], base, "without a stream the physical address");
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &[40, ADDRESS, 3, 2]), (ErrorCode::AlreadyMapped, 1));
    bed.ok(Op::DmaDetach, SPACE, &[40]);
}

const SPACE: u32 = 60;
const ADDRESS: u64 = 0x2000_0000;
const STREAM: u64 = 0x18;

/// A DmaSpace of `pages` pages that a stream goes through.
fn bound(pages: u64) -> (Bed, Ref<AddressSpace>) {
    let mut bed = Bed::new();
    bed.make(Kind::DmaSpace, pages, SPACE);
    bed.ok(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[SPACE.into(), SMMU, STREAM]);
    let space = bed.cap(bed.init, SPACE).object_of::<DmaSpace>().unwrap().tables();
    (bed, space)
}

#[test]
fn a_device_reaches_what_is_attached_and_nothing_else() {
    let (mut bed, space) = bound(9);
    bed.make(Kind::Frame, 3, 40);
    bed.give(1, 41, 40, Rights::READ | Rights::DMA, 0);
    let (base, attach) = (bed.cap(bed.init, 40).object, |slot: u64, perms: u64| [slot, ADDRESS, perms, 3]);
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &attach(41, 3)), (ErrorCode::MissingRight, 3));
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &attach(41, 0)), (ErrorCode::InvalidArgument, 3));
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &attach(41, 5)), (ErrorCode::InvalidArgument, 3));
    for (address, error) in [
        (ADDRESS + 1, ErrorCode::Misaligned),
        (0xf000, ErrorCode::InvalidArgument),
        (USER_END - PAGE, ErrorCode::InvalidArgument),
        (!4095, ErrorCode::InvalidArgument),
    ] {
        assert_eq!(bed.refused(Op::DmaAttach, SPACE, &[40, address, 3, 3]), (error, 2), "{address:#x}");
    }
    for pages in [0, 4, u64::MAX] {
        assert_eq!(bed.refused(Op::DmaAttach, SPACE, &[40, ADDRESS, 3, pages]), (ErrorCode::InvalidArgument, 4));
    }
    let is_open = |bed: &Bed| bed.k.smmus[0].as_ref().unwrap().is_open(&bed.k.mem, STREAM);
    assert!(!is_open(&bed), "what the device does before anything is attached is nobody's");
    assert_eq!(bed.ok(Op::DmaAttach, SPACE, &attach(40, 3))[0], ADDRESS);
    assert!(is_open(&bed));
    for page in 0..3 {
        let seen = bed.k.translate_for_tests(space, ADDRESS + page * PAGE + 5);
        assert_eq!(seen, Some(Phys(base + page * PAGE + 5)));
    }
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS + 3 * PAGE), None);
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &attach(41, 1)), (ErrorCode::Overlap, 0));
    // The same pages a second time, elsewhere, through a copy.
    bed.ok(Op::DmaAttach, SPACE, &[41, ADDRESS + 8 * PAGE, 1, 2]);
    assert_eq!(bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, SPACE.into()])[4..6], [STREAM + 2, 2]);
    bed.ok(Op::Delete, 1, &[41]);
    // It was not detached: what the device has begun there goes into the drain.
    let drain = Phys(bed.k.mem[space].root.0 + PAGE);
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS + 8 * PAGE), Some(drain));
    bed.ok(Op::DmaDetach, SPACE, &[40]);
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS), None);
}

#[test]
fn memory_is_taken_from_the_device_before_it_is_anothers() {
    let (mut bed, space) = bound(9);
    bed.make(Kind::Untyped, 8, 70);
    bed.ok(Op::Retype, 70, &[Kind::Frame as u64, 2, 0, TABLE, 71]);
    bed.ok(Op::DmaAttach, SPACE, &[71, ADDRESS, 3, 2]);
    let before = bed.k.smmus[0].as_ref().unwrap().log().len();
    // Its payer takes it back while the device may be at it.
    bed.ok(Op::Revoke, 1, &[70]);
    let told = bed.k.smmus[0].as_ref().unwrap().log().get(before..).unwrap().to_vec();
    let va = 0x12 | STREAM << 48;
    assert_eq!(told, [[va, ADDRESS], [va, ADDRESS + PAGE], [0x46, 0]]);
    let drain = Phys(bed.k.mem[space].root.0 + PAGE);
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS + PAGE + 8), Some(Phys(drain.0 + 8)));
    bed.ok(Op::Retype, 70, &[Kind::Frame as u64, 2, 0, TABLE, 71]);
    // Nothing else fits there before the driver says that its device is through.
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &[71, ADDRESS, 3, 2]), (ErrorCode::Overlap, 0));
    bed.k.mem.write_u64(drain, 0xdead);
    assert_eq!(bed.refused(Op::DmaClear, SPACE, &[ADDRESS + 1, 1]), (ErrorCode::Misaligned, 1));
    assert_eq!(bed.refused(Op::DmaClear, SPACE, &[USER_END, 1]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(bed.refused(Op::DmaClear, SPACE, &[USER_END - PAGE, 2]), (ErrorCode::InvalidArgument, 2));
    assert_eq!(bed.refused(Op::DmaClear, SPACE, &[ADDRESS, 0]), (ErrorCode::InvalidArgument, 2));
    assert_eq!(bed.ok(Op::DmaClear, SPACE, &[ADDRESS, 2])[0], 2);
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS), None);
    assert_eq!(bed.k.mem.read_u64(drain), 0, "nobody finds there what was another's");
    bed.ok(Op::DmaAttach, SPACE, &[71, ADDRESS, 3, 2]);
    // What is attached stays, and much is done in several calls.
    bed.ok(Op::DmaClear, SPACE, &[ADDRESS, 2]);
    assert!(bed.k.translate_for_tests(space, ADDRESS).is_some());
    let (mut at, mut calls) = (0, 0);
    while at < 1 << 20 {
        at += bed.ok(Op::DmaClear, SPACE, &[at << 12, (1 << 20) - at])[0];
        calls += 1;
    }
    assert!(calls < 50, "{calls}");
}

#[test]
fn what_is_detached_while_it_is_taken_away_is_cleared_too() {
    let (mut bed, space) = bound(9);
    bed.make(Kind::Untyped, 300, 70);
    bed.make_of(70, Kind::Frame, 300, 71);
    bed.ok(Op::DmaAttach, SPACE, &[71, ADDRESS, 3, 300]);
    bed.k.machine.preempt_every = 1;
    bed.trap(bed.init, InWord::new(Op::Revoke as u8, 0, 0, 0), Slots::new(1, 0), [70, 0, 0, 0, 0, 0, 0, 0]);
    while bed.restarts(bed.init) && bed.cap(bed.init, 71).mapped() == 300 {
        bed.again(bed.init);
    }
    bed.k.machine.preempt_every = 0;
    let left = bed.cap(bed.init, 71).mapped();
    assert!((1..300).contains(&left), "{left}");
    assert_eq!(bed.refused(Op::DmaAttach, SPACE, &[71, ADDRESS, 3, 300]), (ErrorCode::Busy, 1));
    bed.ok(Op::DmaDetach, SPACE, &[71]);
    let drain = Phys(bed.k.mem[space].root.0 + PAGE);
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS), None);
    assert_eq!(bed.k.translate_for_tests(space, ADDRESS + 299 * PAGE), Some(drain));
    let mut done = 0;
    while done < 300 {
        done += bed.ok(Op::DmaClear, SPACE, &[ADDRESS + done * PAGE, 300 - done])[0];
    }
    bed.ok(Op::DmaAttach, SPACE, &[71, ADDRESS, 3, 300]);
}

#[test]
fn a_space_that_ends_takes_its_stream_along() {
    let (mut bed, _) = bound(9);
    bed.make(Kind::Frame, 1, 40);
    bed.ok(Op::DmaAttach, SPACE, &[40, ADDRESS, 3, 1]);
    bed.make(Kind::DmaSpace, 3, 61);
    let bind = |slot: u64, base: u64, stream: u64| [slot, base, stream];
    let control = abi::SLOT_IOMMU_CONTROL;
    assert_eq!(bed.refused(Op::DmaBind, control, &bind(61, SMMU, STREAM)), (ErrorCode::Busy, 3));
    assert_eq!(bed.refused(Op::DmaBind, control, &bind(61, SMMU + 1, STREAM)), (ErrorCode::InvalidArgument, 2));
    assert_eq!(bed.refused(Op::DmaBind, control, &bind(61, SMMU, 0x1_0000)), (ErrorCode::InvalidArgument, 3));
    assert_eq!(bed.refused(Op::DmaBind, control, &bind(60, SMMU, 1)), (ErrorCode::InvalidState, 1));
    assert_eq!(bed.refused(Op::DmaBind, control, &bind(60, 0, 0)), (ErrorCode::InvalidState, 1));
    bed.ok(Op::Delete, 1, &[SPACE.into()]);
    bed.ok(Op::DmaBind, control, &bind(61, SMMU, STREAM));
    // The Frame is free again, and is the other's now; the last page of the space is its drain, so that there is no table.
    assert_eq!(bed.refused(Op::DmaAttach, 61, &[40, ADDRESS, 3, 1]), (ErrorCode::NoPool, 0));
    assert_eq!(bed.ok(Op::IommuInfo, control, &[0])[..4], [SMMU, 106, 1, 1]);
    assert_eq!(bed.refused(Op::IommuInfo, control, &[1]), (ErrorCode::InvalidArgument, 1));
    assert_eq!(bed.ok(Op::DmaFault, control, &[])[0], 0);
}

#[test]
fn streams_far_apart_need_a_table_each() {
    let mut bed = Bed::new();
    let control = abi::SLOT_IOMMU_CONTROL;
    let full = (0..32u64).find_map(|index| {
        let slot = 40 + index as u32;
        bed.make(Kind::DmaSpace, 3, slot);
        let (input, slots) = (InWord::new(Op::DmaBind as u8, 0, 0, 0), Slots::new(control, 0));
        let outcome = bed.syscall(bed.init, input, slots, [slot.into(), SMMU, index << 8, 0, 0, 0, 0, 0]);
        let Outcome::Returned(_, out, _) = outcome else { panic!("{outcome:?}") };
        out.status().err()
    });
    assert_eq!(full.map(|error| error.code), Some(ErrorCode::OutOfMemory));
    bed.make(Kind::DmaSpace, 3, 90);
    assert_eq!(bed.refused(Op::DmaBind, control, &[90, SMMU, 0xff00]), (ErrorCode::OutOfMemory, 3));
    bed.ok(Op::DmaBind, control, &[90, SMMU, 1]);
}

#[test]
fn firmware() {
    let mut bed = Bed::new();
    for function in [0, 0x8400_0003, 0x1_8400_0008, 0x8400_0007, 0x8400_000a, u64::MAX] {
        assert_eq!(bed.refused(Op::SmcCall, abi::SLOT_SMC, &[function]), (ErrorCode::MissingRight, 1));
    }
    let results = bed.ok(Op::SmcCall, abi::SLOT_SMC, &[crate::object::SYSTEM_OFF, 10, 20, 30, 40, 50, 60, 70]);
    assert_eq!(results, [crate::object::SYSTEM_OFF + 1, 11, 21, 31, 41, 51, 61, 71]);
    assert_eq!(bed.k.machine.calls, [crate::object::SYSTEM_OFF]);
    bed.k.machine.bare = true;
    let off = crate::object::SYSTEM_OFF;
    assert_eq!(bed.refused(Op::SmcCall, abi::SLOT_SMC, &[off]), (ErrorCode::Unsupported, 0));
}

#[test]
fn firmware_functions_are_granted_and_narrowed() {
    const FIRST: u64 = 0xc300_0010;
    let mut bed = Bed::new();
    let control = abi::SLOT_SMC_CONTROL;
    for (first, count) in [(FIRST, 0), (0xc300_ffff, 2), (0x8400_0003, 1), (0x8400_0000, 0x100), (1 << 32, 1)] {
        assert_eq!(bed.refused(Op::SmcMake, control, &[40, first, count]), (ErrorCode::InvalidArgument, 2));
    }
    assert_eq!(bed.refused(Op::SmcMake, control, &[1, FIRST, 1]), (ErrorCode::SlotOccupied, 1));
    assert_eq!(bed.refused(Op::SmcMake, control, &[1024, FIRST, 1]), (ErrorCode::SlotOutOfRange, 1));
    bed.ok(Op::SmcMake, control, &[40, FIRST, 8]);
    assert_eq!(bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 40])[..4], [Kind::Smc as u64, 1, FIRST, 8]);
    // A copy is for the same functions, one that was narrowed never for more.
    bed.give(1, 41, 40, Rights::INVOKE, 0);
    bed.ok(Op::SmcNarrow, 41, &[42, FIRST + 2, 2]);
    for (first, count) in [(FIRST + 1, 2), (FIRST + 3, 2), (FIRST, 8), (0xc300_0000, 1)] {
        assert_eq!(bed.refused(Op::SmcNarrow, 42, &[43, first, count]), (ErrorCode::MissingRight, 2));
    }
    assert_eq!(bed.refused(Op::SmcNarrow, 42, &[43, FIRST + 2, 0]), (ErrorCode::InvalidArgument, 2));
    assert_eq!(bed.refused(Op::SmcNarrow, 42, &[41, FIRST + 2, 1]), (ErrorCode::SlotOccupied, 1));
    assert_eq!(bed.refused(Op::SmcNarrow, 42, &[0, FIRST + 2, 1]), (ErrorCode::SlotOutOfRange, 1));
    for (slot, functions) in [(40, 0..8), (41, 0..8), (42, 2..4)] {
        for function in 0..10 {
            let args = [FIRST + function];
            if functions.contains(&function) {
                bed.ok(Op::SmcCall, slot, &args);
            } else {
                assert_eq!(bed.refused(Op::SmcCall, slot, &args), (ErrorCode::MissingRight, 1));
            }
        }
    }
    bed.ok(Op::Revoke, 1, &[control.into()]);
    assert!((40..43).all(|slot| bed.cap(bed.init, slot).kind == Kind::Null));
}

/// A process that is in the firmware. Init goes on as on another core.
fn in_firmware() -> (Bed, Ref<Thread>) {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.give(50, 20, abi::SLOT_SMC, Rights::INVOKE, 0);
    bed.k.machine.firmware_stays = true;
    let slots = Slots::new(20, 0);
    bed.trap(thread, InWord::new(Op::SmcCall as u8, 0, 0, 0), slots, [crate::object::SYSTEM_OFF, 2, 3, 0, 0, 0, 0, 0]);
    assert_eq!(bed.k.sched.current(), None, "a core in the firmware runs nobody");
    bed.k.machine.firmware_stays = false;
    assert_eq!(bed.ok(Op::DebugThread, abi::SLOT_DEBUG, &[52])[0], 6);
    (bed, thread)
}

/// The firmware returns.
fn returns(bed: &mut Bed) {
    bed.k.firmware_returned(&[7; 8]);
    bed.leave();
    bed.check();
}

/// How the call ended that a thread was in.
fn ended(bed: &Bed, thread: Ref<Thread>) -> (Op, ErrorCode, u8) {
    let error = OutWord(bed.k.mem[thread].context.x[8]).status().unwrap_err();
    (Op::SmcCall, error.code, error.detail)
}

#[test]
fn who_waits_for_the_firmware_gets_its_answer() {
    let (mut bed, thread) = in_firmware();
    bed.ok(Op::ThreadResume, 52, &[]);
    assert!(!bed.runnable(thread), "it waits");
    returns(&mut bed);
    assert!(bed.runnable(thread));
    assert!(matches!(bed.result(thread), Outcome::Returned([7, 7, 7, 7, 7, 7, 7, 7], out, 0) if out.status().is_ok()));
}

#[test]
fn who_is_cancelled_in_the_firmware_goes_on_and_the_answer_is_dropped() {
    for op in [Op::ThreadCancel, Op::ThreadSuspend] {
        let (mut bed, thread) = in_firmware();
        bed.ok(op, 52, &[]);
        bed.ok(Op::ThreadResume, 52, &[]);
        assert_eq!(ended(&bed, thread), (Op::SmcCall, ErrorCode::Cancelled, MAY_HAVE_ACTED));
        assert!(matches!(bed.result(thread), Outcome::Returned([0, 0, 0, 0, 0, 0, 0, 0], ..)));
        returns(&mut bed);
        assert_eq!(ended(&bed, thread), (Op::SmcCall, ErrorCode::Cancelled, MAY_HAVE_ACTED), "{op:?}");
        assert!(bed.runnable(thread));
    }
}

#[test]
fn who_dies_in_the_firmware_is_gone_when_it_returns() {
    let (mut bed, _) = in_firmware();
    bed.ok(Op::Revoke, 1, &[MEMORY.into()]);
    bed.make(Kind::Frame, 8, 40);
    returns(&mut bed);
    assert!(bed.k.graves.is_none());
    let (mut bed, thread) = in_firmware();
    bed.ok(Op::Revoke, 1, &[50]);
    returns(&mut bed);
    assert_eq!(bed.k.mem[thread].state, State::Suspended);
    assert_eq!(ended(&bed, thread), (Op::SmcCall, ErrorCode::Revoked, MAY_HAVE_ACTED));
}

#[test]
fn console() {
    let mut bed = Bed::new();
    let text = u64::from_le_bytes(*b"abcdefgh");
    let (input, slots) = (InWord::new(Op::ConsoleWrite as u8, 3, 0, 0), Slots::new(abi::SLOT_CONSOLE, 0));
    bed.syscall(bed.init, input, slots, [11, text, text, text, 0, 0, 0, 0]);
    assert_eq!(bed.k.machine.printed, b"abcdefghabc");
    // Interrupted, it goes on where it was.
    bed.k.machine.printed.clear();
    bed.k.machine.preempt_every = 2;
    bed.trap(bed.init, input, slots, [11, text, text, text, 0, 0, 0, 0]);
    while bed.restarts(bed.init) {
        bed.again(bed.init);
    }
    bed.k.machine.preempt_every = 0;
    assert_eq!(bed.k.machine.printed, b"abcdefghabc");
    // However much it claims, no more than the message has.
    for words in [0, 1, 70, 127] {
        let input = InWord::new(Op::ConsoleWrite as u8, words, 0, 0);
        bed.k.machine.printed.clear();
        bed.syscall(bed.init, input, slots, [u64::MAX, text, 0, 0, 0, 0, 0, 0]);
        assert!(bed.k.machine.printed.len() <= 504);
    }
    let bytes = bed.ok(Op::ConsoleRing, abi::SLOT_CONSOLE, &[40])[0];
    let cap = bed.cap(bed.init, 40);
    assert_eq!((cap.kind, cap.rights, u64::from(cap.pages) << 12), (Kind::Frame, Rights::READ, bytes));
    assert_eq!(bed.refused(Op::ConsoleRing, abi::SLOT_CONSOLE, &[40]), (ErrorCode::SlotOccupied, 1));
    assert_eq!(bed.refused(Op::ConsoleRing, abi::SLOT_CONSOLE, &[0]), (ErrorCode::SlotOutOfRange, 1));
}

#[test]
fn debug() {
    let mut bed = Bed::new();
    bed.process(MEMORY, 50, 100, 0);
    let debug = abi::SLOT_DEBUG;
    bed.make(Kind::Frame, 2, 40);
    bed.ok(Op::Map, 51, &[40, 0x40_0000, 0, 2, 3]);
    let base = bed.cap(bed.init, 40).object;
    let seen = bed.ok(Op::DebugCap, debug, &[TABLE, 40]);
    assert_eq!(seen, [Kind::Frame as u64, 15, base, 0x2000, 0x40_0000, 0x2000, 0, 0]);
    assert_eq!(bed.ok(Op::DebugCap, debug, &[TABLE, 900]), [0; 8]);
    assert_eq!(bed.refused(Op::DebugCap, debug, &[TABLE, 1024]), (ErrorCode::SlotOutOfRange, 2));
    assert_eq!(bed.refused(Op::DebugRegisters, debug, &[52, 34]), (ErrorCode::InvalidArgument, 2));
    bed.k.mem.write_u64(crate::mm::Phys(base + 0x1008), 77);
    assert_eq!(bed.ok(Op::DebugRead, debug, &[51, 0x40_1008])[0], 77);
    assert_eq!(bed.refused(Op::DebugRead, debug, &[51, 0x40_1004]), (ErrorCode::Misaligned, 2));
    for address in [0, 0x40_2000, abi::layout::USER_END, !7] {
        assert_eq!(bed.refused(Op::DebugRead, debug, &[51, address]), (ErrorCode::NotMapped, 2));
    }
    assert_eq!(bed.ok(Op::DebugThread, debug, &[52])[0], 1);
}

/// An Untyped whose last child is gone is whole again; as page table memory it is in use without children.
#[test]
fn debug_says_what_is_in_use() {
    let mut bed = Bed::new();
    bed.make(Kind::Untyped, 4, 40);
    let used = |bed: &mut Bed| bed.ok(Op::DebugCap, abi::SLOT_DEBUG, &[TABLE, 40])[5];
    assert_eq!(used(&mut bed), 0);
    bed.ok(Op::Retype, 40, &[Kind::Frame as u64, 3, 0, TABLE, 41, 0, 0, 0]);
    assert_eq!(used(&mut bed), 0x3000);
    bed.ok(Op::Revoke, 1, &[40]);
    assert_eq!(used(&mut bed), 0);
    bed.make(Kind::AddressSpace, 8, 50);
    bed.ok(Op::AddPool, 50, &[40]);
    assert_eq!(used(&mut bed), 0x4000);
}

/// Device memory is never read, whatever its memory type.
#[test]
fn debug_reads_no_device() {
    let mut bed = Bed::new();
    bed.make(Kind::AddressSpace, 8, 50);
    for memory in 0..4 {
        let address = 0x900_0000 + memory * 0x1000;
        bed.ok(Op::Retype, abi::SLOT_DEVICES, &[Kind::Frame as u64, 1, 0, TABLE, 40, address, memory, 0]);
        bed.ok(Op::Map, 50, &[40, 0x40_0000, 0, 1, 3]);
        assert_eq!(bed.refused(Op::DebugRead, abi::SLOT_DEBUG, &[50, 0x40_0000]), (ErrorCode::NotMapped, 2));
        bed.ok(Op::Delete, 1, &[40]);
    }
}
