//! Faults: a message to the handler, whose answer resumes or stops.

use abi::{FaultKind, Kind, Op, Rights};

use super::{Bed, Message, Outcome, REPLY, State, returned, run_on_core_1};
use crate::fault::{self, Fault};
use crate::mm::Ref;
use crate::object::Thread;
use crate::testbed::step::{Event, Step};

const FAULTS: u32 = 70;
const FAULTY: u32 = 50;

fn fault(bed: &mut Bed, thread: Ref<Thread>) {
    let context = &mut bed.k.mem[thread].context;
    (context.pc, context.sp, context.x[29], context.x[30]) = (0x20_0040, 0x1e_f000, 0x1e_f100, 0x20_0100);
    (context.x[0], context.x[8]) = (11, 88);
    bed.k.force(thread);
    fault::handle(&mut bed.k, thread, Fault { kind: FaultKind::Write, address: 0xbad0, syndrome: 0x9200_0045 });
    bed.leave();
    bed.check();
}

fn world() -> (Bed, Ref<Thread>) {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, FAULTS);
    bed.give(1, 71, FAULTS, Rights::SEND, 0x99 << 40);
    let thread = bed.process(super::MEMORY, FAULTY, 100, 71);
    (bed, thread)
}

fn receive(bed: &mut Bed) -> Outcome {
    bed.ipc(bed.init, Op::Receive, FAULTS, REPLY, Message::default())
}

#[test]
fn a_fault_is_a_message_and_its_answer_resumes() {
    let (mut bed, thread) = world();
    fault(&mut bed, thread);
    let (words, out, badge) = returned(receive(&mut bed));
    assert_eq!(words, [0x20_0040, 0xbad0, 0x9200_0045, 0x1e_f000, 0x1e_f100, 0x20_0100, 0, 0]);
    assert_eq!((out.label(), out.words(), badge), (FaultKind::Write as u32, 6, 0x99 << 40));
    assert_eq!(bed.ok(Op::DebugThread, abi::SLOT_DEBUG, &[u64::from(FAULTY) + 2])[0], 5);
    bed.ipc(bed.init, Op::Reply, REPLY, 0, Message { words: 8, regs: [7; 8], ..Message::default() });
    let t = &bed.k.mem[thread];
    assert_eq!((t.state, t.context.pc, t.context.x[0], t.context.x[8]), (State::Ready, 0x20_0040, 11, 88));
}

/// The next server it becomes is one that the fast path knows.
#[test]
fn a_thread_that_a_reply_and_receive_resumes_runs_in_an_ordinary_way() {
    let (mut bed, thread) = world();
    fault(&mut bed, thread);
    receive(&mut bed);
    assert_eq!(bed.ipc(bed.init, Op::ReplyReceive, FAULTS, REPLY, Message::default()), Outcome::Blocked);
    let t = &bed.k.mem[thread];
    assert_eq!((t.state, t.key), (State::Ready, t.priority.into()));
}

#[test]
fn another_label_leaves_it_stopped_until_it_is_resumed() {
    let (mut bed, thread) = world();
    fault(&mut bed, thread);
    receive(&mut bed);
    bed.ipc(bed.init, Op::Reply, REPLY, 0, Message { label: 1, ..Message::default() });
    assert_eq!(bed.k.mem[thread].state, State::Faulted);
    // It can be mended and tried again.
    bed.ok(Op::ThreadWriteRegisters, FAULTY + 2, &[32, 1, 0x20_0200]);
    bed.ok(Op::ThreadResume, FAULTY + 2, &[]);
    assert_eq!((bed.k.mem[thread].state, bed.k.mem[thread].context.pc), (State::Ready, 0x20_0200));
}

#[test]
fn without_a_handler_that_takes_it_the_thread_stops() {
    let mut bed = Bed::new();
    let thread = bed.process(super::MEMORY, FAULTY, 100, 0);
    fault(&mut bed, thread);
    assert_eq!(bed.k.mem[thread].state, State::Faulted);
    let (mut bed, thread) = world();
    bed.ok(Op::EndpointClose, FAULTS, &[1]);
    fault(&mut bed, thread);
    assert_eq!(bed.k.mem[thread].state, State::Faulted);
    let (mut bed, thread) = world();
    bed.ok(Op::Revoke, 1, &[FAULTS.into()]);
    fault(&mut bed, thread);
    assert_eq!(bed.k.mem[thread].state, State::Faulted);
}

#[test]
fn the_end_of_the_handler_leaves_it_stopped_with_its_registers() {
    // Closed while it waits; cancelled while it waits, and when it was taken; the Reply deleted.
    let ends: [fn(&mut Bed); 4] = [
        |bed| {
            bed.ok(Op::EndpointClose, FAULTS, &[1]);
        },
        |bed| {
            bed.ok(Op::ThreadCancel, FAULTY + 2, &[]);
        },
        |bed| {
            receive(bed);
            bed.ok(Op::ThreadCancel, FAULTY + 2, &[]);
        },
        |bed| {
            receive(bed);
            bed.ok(Op::Delete, 1, &[REPLY.into()]);
        },
    ];
    for end in ends {
        let (mut bed, thread) = world();
        fault(&mut bed, thread);
        end(&mut bed);
        let t = &bed.k.mem[thread];
        assert_eq!((t.state, t.context.pc, t.context.x[8]), (State::Faulted, 0x20_0040, 88));
        bed.ok(Op::ThreadResume, FAULTY + 2, &[]);
        assert_eq!(bed.k.mem[thread].state, State::Ready);
    }
}

#[test]
fn a_faulted_thread_can_be_suspended_configured_and_resumed() {
    let (mut bed, thread) = world();
    fault(&mut bed, thread);
    bed.ok(Op::ThreadSuspend, FAULTY + 2, &[]);
    assert_eq!(bed.k.mem[thread].state, State::Suspended);
    let slot = u64::from(FAULTY);
    bed.ok(Op::ThreadConfigure, FAULTY + 2, &[slot, slot + 1, 0, 0, 0, 0x1010]);
    bed.ok(Op::ThreadResume, FAULTY + 2, &[]);
    assert_eq!(bed.k.mem[thread].fault.get(), None);
    // It calls as any other thread.
    bed.give(FAULTY, 10, FAULTS, Rights::SEND, 0);
    assert_eq!(bed.ipc(thread, Op::Call, 10, 0, super::words(&[1])), Outcome::Blocked);
    let (words, out, _) = returned(receive(&mut bed));
    assert_eq!((words[0], out.words()), (1, 1));
}

/// A thread on core 1 that has a handler. `stop` is what core 0 does while core 1 waits at the lock with a bus error.
fn bus_error(stop: impl FnOnce(&mut Bed)) -> (Bed, Ref<Thread>) {
    let mut bed = Bed::new().anew(2);
    bed.make(Kind::Endpoint, 0, FAULTS);
    bed.give(1, 71, FAULTS, Rights::SEND, 0x99 << 40);
    let thread = bed.process(super::MEMORY, FAULTY, 100, 71);
    run_on_core_1(&mut bed, FAULTY);
    stop(&mut bed);
    let init = bed.k.mem.context_address(bed.init);
    bed.k.machine.go_to(0, init, 1);
    bed.k.sched.set_own(1);
    fault::bus_error(&mut bed.k, Some(thread), 0xbe00_0000);
    bed.leave();
    bed.take(&Step::from(Event::Look).on(0));
    bed.check();
    (bed, thread)
}

#[test]
fn a_bus_error_of_a_core_that_was_stopped_meanwhile_is_told() {
    for stop in [|_: &mut Bed| (), |bed: &mut Bed| bed.k.stop_core(1)] {
        let (mut bed, _) = bus_error(stop);
        let (words, out, badge) = returned(receive(&mut bed));
        assert_eq!((words[2], out.label(), badge), (0xbe00_0000, FaultKind::Bus as u32, 0x99 << 40));
    }
    // It was meant for a thread that does not run any more.
    let (bed, thread) = bus_error(|bed| {
        bed.ok(Op::ThreadSuspend, FAULTY + 2, &[]);
    });
    assert_eq!(bed.k.mem[thread].state, State::Suspended);
}
