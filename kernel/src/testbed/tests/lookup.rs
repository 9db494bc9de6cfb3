//! Every operation looks its target up: range, emptiness, kind, rights.

use abi::{ErrorCode, Kind, Op, Rights};

use super::{Bed, MEMORY, TABLE};

/// Each operation with the kind of its target and the rights it needs.
fn targets() -> Vec<(Op, Kind, Rights)> {
    use Kind::*;
    vec![
        (Op::Call, Endpoint, Rights::SEND),
        (Op::Receive, Endpoint, Rights::RECEIVE),
        (Op::ReplyReceive, Endpoint, Rights::RECEIVE),
        (Op::Reply, Reply, Rights::INVOKE),
        (Op::EndpointOpen, Endpoint, Rights::RECEIVE),
        (Op::EndpointClose, Endpoint, Rights::RECEIVE),
        (Op::Signal, Notification, Rights::SIGNAL),
        (Op::Wait, Notification, Rights::WAIT),
        (Op::Poll, Notification, Rights::WAIT),
        (Op::Retype, Untyped, Rights::RETYPE),
        (Op::Copy, CapTable, Rights::PUT),
        (Op::Move, CapTable, Rights::PUT),
        (Op::Delete, CapTable, Rights::TAKE),
        (Op::Revoke, CapTable, Rights::REVOKE),
        (Op::TableGrow, CapTable, Rights::PUT),
        (Op::ThreadConfigure, Thread, Rights::CONFIGURE),
        (Op::ThreadResume, Thread, Rights::CONTROL),
        (Op::ThreadSuspend, Thread, Rights::CONTROL),
        (Op::ThreadWriteRegisters, Thread, Rights::CONFIGURE),
        (Op::ThreadReadRegisters, Thread, Rights::CONFIGURE),
        (Op::ThreadBind, Thread, Rights::BIND),
        (Op::ThreadCancel, Thread, Rights::CONTROL),
        (Op::Map, AddressSpace, Rights::MAP),
        (Op::Unmap, AddressSpace, Rights::MAP),
        (Op::Protect, AddressSpace, Rights::MAP),
        (Op::AddPool, AddressSpace, Rights::POOL),
        (Op::IrqSet, IrqControl, Rights::INVOKE),
        (Op::IrqBind, Irq, Rights::IRQ_BIND),
        (Op::IrqAck, Irq, Rights::IRQ_ACK),
        (Op::IrqMessage, IrqControl, Rights::INVOKE),
        (Op::IrqTarget, Irq, Rights::IRQ_BIND),
        (Op::DmaClear, DmaSpace, Rights::INVOKE),
        (Op::DmaAttach, DmaSpace, Rights::INVOKE),
        (Op::DmaDetach, DmaSpace, Rights::INVOKE),
        (Op::DmaBind, IommuControl, Rights::INVOKE),
        (Op::DmaFault, IommuControl, Rights::INVOKE),
        (Op::IommuInfo, IommuControl, Rights::INVOKE),
        (Op::SmcCall, Smc, Rights::INVOKE),
        (Op::SmcMake, SmcControl, Rights::INVOKE),
        (Op::SmcNarrow, Smc, Rights::INVOKE),
        (Op::ConsoleWrite, KernelConsole, Rights::INVOKE),
        (Op::ConsoleRing, KernelConsole, Rights::INVOKE),
        (Op::DebugCap, Debug, Rights::INVOKE),
        (Op::DebugRegisters, Debug, Rights::INVOKE),
        (Op::DebugRead, Debug, Rights::INVOKE),
        (Op::DebugThread, Debug, Rights::INVOKE),
        (Op::SchedConfigure, SchedControl, Rights::INVOKE),
        (Op::SchedBind, SchedContext, Rights::SCHED_BIND),
        (Op::SchedUnbind, SchedContext, Rights::SCHED_BIND),
        (Op::SchedConsumed, SchedContext, Rights::SCHED_READ),
        (Op::TimerArm, Timer, Rights::INVOKE),
        (Op::TimerCancel, Timer, Rights::INVOKE),
        (Op::Reserve, AddressSpace, Rights::MAP),
        (Op::ReserveRelease, Reserve, Rights::INVOKE),
        (Op::TraceStart, Trace, Rights::TRACE_CONTROL),
        (Op::TraceStop, Trace, Rights::TRACE_CONTROL),
        (Op::TraceMap, Trace, Rights::TRACE_MAP),
    ]
}

/// A slot of init with a first capability of this kind.
fn original(bed: &mut Bed, kind: Kind) -> u32 {
    match kind {
        Kind::Untyped => MEMORY,
        Kind::CapTable => abi::SLOT_TABLE,
        Kind::Thread => abi::SLOT_THREAD,
        Kind::AddressSpace => abi::SLOT_SPACE,
        Kind::Reply => abi::SLOT_REPLY,
        Kind::Notification => abi::SLOT_NOTIFICATION,
        Kind::IrqControl => abi::SLOT_IRQ_CONTROL,
        Kind::SchedControl => abi::SLOT_SCHED_CONTROL,
        Kind::Debug => abi::SLOT_DEBUG,
        Kind::Trace => abi::SLOT_TRACE,
        Kind::KernelConsole => abi::SLOT_CONSOLE,
        Kind::Smc => abi::SLOT_SMC,
        Kind::SmcControl => abi::SLOT_SMC_CONTROL,
        Kind::IommuControl => abi::SLOT_IOMMU_CONTROL,
        Kind::Reserve => {
            bed.make(Kind::Untyped, 1, 41);
            bed.ok(Op::Reserve, abi::SLOT_SPACE, &[41, 0x4000_0000, 1]);
            41
        }
        kind => {
            bed.make(kind, if kind == Kind::DmaSpace { 3 } else { 1 }, 41);
            41
        }
    }
}

#[test]
fn every_operation_is_covered() {
    let covered: Vec<Op> = targets().into_iter().map(|(op, ..)| op).collect();
    assert!(Op::ALL.iter().all(|op| covered.contains(op)));
}

#[test]
fn a_bad_target_is_refused() {
    for (op, kind, rights) in targets() {
        let mut bed = Bed::new();
        let other = if kind == Kind::CapTable { abi::SLOT_THREAD } else { abi::SLOT_TABLE };
        for slot in [0, 1024, u32::MAX] {
            assert_eq!(bed.refused(op, slot, &[]), (ErrorCode::SlotOutOfRange, 0), "{op:?}");
        }
        assert_eq!(bed.refused(op, 900, &[]), (ErrorCode::EmptySlot, 0), "{op:?}");
        assert_eq!(bed.refused(op, other, &[]), (ErrorCode::WrongKind, 0), "{op:?}");
        if matches!(kind, Kind::Untyped | Kind::Reserve | Kind::Reply) {
            continue;
        }
        let original = original(&mut bed, kind);
        let less = Rights::all_of(kind) - rights;
        bed.give(abi::SLOT_TABLE, 42, original, less, 0);
        assert_eq!(bed.refused(op, 42, &[]), (ErrorCode::MissingRight, 0), "{op:?}");
    }
}

#[test]
fn an_operation_that_does_not_exist_is_refused() {
    let mut bed = Bed::new();
    for number in (0..=255u8).filter(|&number| Op::from_number(number).is_none()) {
        let (input, slots) = (abi::InWord::new(number, 0, 0, 0), abi::Slots::new(1, 1));
        let outcome = bed.syscall(bed.init, input, slots, [1; 8]);
        assert_eq!(super::error(outcome), super::refusal(ErrorCode::InvalidOperation, number));
    }
}

#[test]
fn a_thread_without_table_can_name_nothing() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 10, 0);
    bed.ok(Op::Revoke, TABLE as u32, &[50]);
    assert_eq!(bed.k.mem[thread].state, crate::object::State::Suspended);
    assert_eq!(bed.refused(Op::ThreadResume, 52, &[]), (ErrorCode::InvalidState, 0));
}
