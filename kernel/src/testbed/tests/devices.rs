//! DmaSpace, Smc, KernelConsole, Debug.

use abi::{ErrorCode, InWord, Kind, Op, Rights, Slots};

use super::{Bed, MEMORY, TABLE};

#[test]
fn dma() {
    let mut bed = Bed::new();
    bed.make(Kind::Frame, 2, 40);
    bed.give(1, 41, 40, Rights::READ | Rights::WRITE, 0);
    bed.ok(Op::Retype, abi::SLOT_DEVICES, &[Kind::Frame as u64, 1, 0, TABLE, 42, 0x900_0000, 0, 0]);
    for op in [Op::DmaAttach, Op::DmaDetach] {
        assert_eq!(bed.refused(op, abi::SLOT_DMA, &[41]), (ErrorCode::MissingRight, 1));
        assert_eq!(bed.refused(op, abi::SLOT_DMA, &[42]), (ErrorCode::InvalidArgument, 1));
    }
    let base = bed.cap(bed.init, 40).object;
    assert_eq!(bed.ok(Op::DmaAttach, abi::SLOT_DMA, &[40])[0], base);
    bed.ok(Op::DmaDetach, abi::SLOT_DMA, &[40]);
}

#[test]
fn firmware() {
    let mut bed = Bed::new();
    for function in [0, 0x8400_0003, 0x1_8400_0008, u64::MAX] {
        assert_eq!(bed.refused(Op::SmcCall, abi::SLOT_SMC, &[function]), (ErrorCode::MissingRight, 1));
    }
    bed.ok(Op::SmcCall, abi::SLOT_SMC, &[crate::object::SYSTEM_OFF]);
    assert_eq!(bed.k.machine.calls, [crate::object::SYSTEM_OFF]);
    bed.k.machine.bare = true;
    let off = crate::object::SYSTEM_OFF;
    assert_eq!(bed.refused(Op::SmcCall, abi::SLOT_SMC, &[off]), (ErrorCode::Unsupported, 0));
}

#[test]
fn console() {
    let mut bed = Bed::new();
    let text = u64::from_le_bytes(*b"abcdefgh");
    let (input, slots) = (InWord::new(Op::ConsoleWrite as u8, 3, 0, 0), Slots::new(abi::SLOT_CONSOLE, 0));
    bed.syscall(bed.init, input, slots, [11, text, text, text, 0, 0, 0, 0]);
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
