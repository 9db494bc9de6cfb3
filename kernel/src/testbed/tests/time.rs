//! SchedContexts: budgets, donation and return, reserve and debt, the timeout fault.

use abi::{ErrorCode, FaultKind, Kind, Op, Rights};

use super::scheduling::{used, without_init};
use super::{Bed, CLIENT, DOOR, MEMORY, Message, Outcome, Pair, REPLY, SERVER, State, error, refusal, returned};
use crate::fault::Fault;
use crate::mm::Ref;
use crate::mm::raw::LOOKS;
use crate::object::{SchedContext, Thread};

const CONTROL: u32 = abi::SLOT_SCHED_CONTROL;
/// Where a process's own SchedContext lies, counted from its first slot.
const TIME: u32 = 5;

fn limit(bed: &mut Bed, process: u32, budget: u64, period: u64, flags: u64) {
    bed.ok(Op::SchedConfigure, CONTROL, &[(process + TIME).into(), budget, period, flags]);
}

fn time_of(bed: &Bed, process: u32) -> Ref<SchedContext> {
    bed.cap(bed.init, process + TIME).object_of().unwrap()
}

fn left(bed: &mut Bed, process: u32) -> u64 {
    bed.k.settle_time();
    let time = time_of(bed, process);
    bed.k.mem[time].left
}

fn current(bed: &Bed) -> Option<Ref<Thread>> {
    bed.k.sched.current()
}

/// Init, which was out of the way, is back.
fn wake_init(bed: &mut Bed) {
    let bell = bed.k.mem[bed.init].bound.unwrap();
    bed.k.notify(bell, 1);
    bed.leave();
    assert_eq!(current(bed), Some(bed.init));
}

/// A client with this budget in a call that a server with time of its own has taken; init is out of the way.
fn in_a_call(budget: u64, period: u64) -> Pair {
    let mut pair = Pair::new();
    limit(&mut pair.bed, CLIENT, budget, period, 0);
    pair.receive();
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(current(&pair.bed), Some(pair.server));
    pair
}

#[test]
fn a_budget_leaves_the_others_their_share() {
    let mut bed = Bed::new();
    let greedy = bed.process(MEMORY, 50, 200, 0);
    let meek = bed.process(MEMORY, 60, 10, 0);
    limit(&mut bed, 50, 300, 1000, 0);
    without_init(&mut bed);
    assert_eq!(current(&bed), Some(greedy));
    bed.pass(299);
    assert_eq!(current(&bed), Some(greedy));
    bed.pass(1);
    assert_eq!(current(&bed), Some(meek));
    bed.pass(699);
    assert_eq!(current(&bed), Some(meek));
    bed.pass(1);
    assert_eq!(current(&bed), Some(greedy));
    bed.pass(99_000);
    assert_eq!((used(&mut bed, greedy), used(&mut bed, meek)), (30_000, 70_000));
    let consumed = bed.k.machine.clock;
    wake_init(&mut bed);
    assert_eq!(bed.ok(Op::SchedConsumed, 50 + TIME, &[])[0] + bed.ok(Op::SchedConsumed, 60 + TIME, &[])[0], consumed);
}

/// A budget of a tick would have the timer fire again before the kernel is left, for ever.
#[test]
fn time_that_comes_in_crumbs_does_not_keep_the_kernel_busy() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 200, 0);
    limit(&mut bed, 50, 1, 2, 0);
    without_init(&mut bed);
    for _ in 0..50 {
        assert_eq!(current(&bed), Some(thread));
        bed.pass(1);
        let next = bed.k.sched.deadlines.first(&bed.k.mem).unwrap();
        assert!(next >= bed.k.machine.clock + 20, "{next} at {}", bed.k.machine.clock);
        bed.pass(20);
    }
}

/// The budget that a server runs on ends in the moment in which a Timer ends its caller's wait: it goes on with its own, and
/// the timer is not set by what it had.
#[test]
fn a_budget_that_ends_with_the_wait_for_the_server_does_not_keep_the_timer_firing() {
    const TIMER: u32 = 45;
    let mut pair = Pair::new();
    limit(&mut pair.bed, CLIENT, 100, 1000, 0);
    pair.bed.make(Kind::Timer, 0, TIMER);
    let end = pair.bed.k.machine.clock + 100;
    pair.bed.ok(Op::TimerArm, TIMER, &[end, (CLIENT + 2).into(), 0]);
    pair.receive();
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(current(&pair.bed), Some(pair.server));
    pair.bed.pass(100);
    assert_eq!(current(&pair.bed), Some(pair.server));
    assert!(pair.bed.k.machine.deadline > end);
}

#[test]
fn without_time_nobody_runs() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 200, 0);
    limit(&mut bed, 50, 0, 1000, 0);
    assert!(!bed.runnable(thread));
    limit(&mut bed, 50, 1000, 1000, 0);
    assert!(bed.runnable(thread));
    bed.ok(Op::SchedUnbind, 50 + TIME, &[]);
    assert!(!bed.runnable(thread));
    bed.ok(Op::SchedBind, 50 + TIME, &[52]);
    assert!(bed.runnable(thread));
    for slot in [50 + TIME, 50] {
        bed.ok(Op::Delete, 1, &[slot.into()]);
    }
    bed.k.force(thread);
    bed.call(thread, Op::Delete, 1, &[6]).unwrap();
    assert!(!bed.runnable(thread) && bed.k.time_of(thread).is_none());
}

#[test]
fn a_smaller_budget_counts_at_once() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 200, 0);
    bed.give(50, 10, CONTROL, Rights::INVOKE, 0);
    without_init(&mut bed);
    bed.pass(1000);
    bed.call(thread, Op::SchedConfigure, 10, &[6, 20, 1000, 0]).unwrap();
    bed.pass(20);
    assert_eq!((current(&bed), bed.runnable(thread)), (None, false));
    bed.pass(980);
    assert_eq!(current(&bed), Some(thread));
}

#[test]
fn refusals() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    bed.make(Kind::SchedContext, 0, 70);
    let configure = |bed: &mut Bed, args: [u64; 4]| bed.refused(Op::SchedConfigure, CONTROL, &args);
    assert_eq!(configure(&mut bed, [71, 1, 1, 0]), (ErrorCode::EmptySlot, 1));
    assert_eq!(configure(&mut bed, [52, 1, 1, 0]), (ErrorCode::WrongKind, 1));
    assert_eq!(configure(&mut bed, [70, 2, 1, 0]), (ErrorCode::InvalidArgument, 2));
    assert_eq!(configure(&mut bed, [70, 1, 1 << 58, 0]), (ErrorCode::InvalidArgument, 3));
    assert_eq!(configure(&mut bed, [70, 1, 1, 2]), (ErrorCode::InvalidArgument, 4));
    bed.give(1, 72, 70, Rights::SCHED_READ, 0);
    assert_eq!(configure(&mut bed, [72, 1, 1, 0]), (ErrorCode::MissingRight, 1));
    assert_eq!(bed.refused(Op::SchedBind, 70, &[52]), (ErrorCode::Busy, 1));
    assert_eq!(bed.refused(Op::SchedBind, 50 + TIME, &[52]), (ErrorCode::Busy, 0));
    assert_eq!(bed.refused(Op::SchedBind, 70, &[50]), (ErrorCode::WrongKind, 1));
    bed.give(1, 73, 52, Rights::CONFIGURE, 0);
    assert_eq!(bed.refused(Op::SchedBind, 70, &[73]), (ErrorCode::MissingRight, 1));
    assert!(bed.runnable(thread));
}

#[test]
fn the_time_of_the_dead_is_free() {
    let mut bed = Bed::new();
    let dead = bed.process(MEMORY, 50, 100, 0);
    let other = bed.process(MEMORY, 60, 100, 0);
    bed.ok(Op::SchedUnbind, 60 + TIME, &[]);
    bed.ok(Op::Revoke, 1, &[52]);
    bed.ok(Op::Delete, 1, &[52]);
    assert!(!bed.exists(dead));
    bed.ok(Op::SchedBind, 50 + TIME, &[62]);
    assert!(bed.runnable(other));
}

#[test]
fn time_follows_a_call_and_comes_back() {
    let mut pair = in_a_call(300, 1000);
    let before = used(&mut pair.bed, pair.server);
    pair.bed.pass(70);
    pair.reply(Message::default());
    assert_eq!(used(&mut pair.bed, pair.client), 70);
    assert_eq!(used(&mut pair.bed, pair.server), before);
    pair.receive();
    pair.bed.pass(30);
    assert_eq!(used(&mut pair.bed, pair.client), 100);
    pair.call(Message::default());
    pair.bed.pass(20);
    pair.reply_receive(Message::default());
    assert_eq!(current(&pair.bed), Some(pair.client));
    assert_eq!((used(&mut pair.bed, pair.client), left(&mut pair.bed, CLIENT)), (120, 180));
    assert_eq!(used(&mut pair.bed, pair.server), before);
}

#[test]
fn who_takes_a_call_that_waits_runs_on_its_time_at_once() {
    let mut pair = Pair::new();
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(current(&pair.bed), Some(pair.server));
    pair.bed.pass(40);
    pair.receive();
    pair.bed.pass(50);
    assert_eq!((used(&mut pair.bed, pair.client), used(&mut pair.bed, pair.server)), (50, 40));
}

#[test]
fn a_server_without_time_serves_on_that_of_its_callers() {
    let mut pair = Pair::new();
    pair.receive();
    pair.bed.ok(Op::SchedUnbind, SERVER + TIME, &[]);
    without_init(&mut pair.bed);
    for _ in 0..3 {
        pair.call(Message::default());
        assert_eq!(current(&pair.bed), Some(pair.server));
        pair.bed.pass(10);
        pair.reply_receive(Message::default());
        assert_eq!(current(&pair.bed), Some(pair.client));
    }
    assert_eq!(used(&mut pair.bed, pair.client), 30);
}

#[test]
fn a_server_without_time_waits_for_that_of_a_caller_who_has_none_left() {
    let mut pair = Pair::new();
    limit(&mut pair.bed, CLIENT, 100, 1000, 0);
    without_init(&mut pair.bed);
    pair.bed.k.force(pair.client);
    pair.bed.pass(99);
    pair.call(Message::default());
    pair.bed.k.machine.clock += 1;
    // The server takes the call in the last moment of its own time.
    pair.receive();
    let time = time_of(&pair.bed, SERVER);
    wake_init(&mut pair.bed);
    pair.bed.ok(Op::SchedUnbind, SERVER + TIME, &[]);
    assert!(pair.bed.k.holder(time).is_none());
    without_init(&mut pair.bed);
    pair.bed.pass(950);
    assert_eq!(current(&pair.bed), Some(pair.server));
}

/// A chain: the client calls the server, which calls a third.
fn chain() -> (Pair, Ref<Thread>) {
    let mut pair = Pair::new();
    let third = pair.bed.process(MEMORY, 80, 100, 0);
    pair.bed.make(Kind::Endpoint, 0, 90);
    pair.bed.give(80, DOOR, 90, Rights::RECEIVE, 0);
    pair.bed.give(SERVER, 12, 90, Rights::SEND, 0);
    limit(&mut pair.bed, CLIENT, 300, 1000, 0);
    pair.bed.ipc(third, Op::Receive, DOOR, REPLY, Message::default());
    pair.receive();
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(pair.bed.ipc(pair.server, Op::Call, 12, 0, Message::default()), Outcome::Blocked);
    assert_eq!(current(&pair.bed), Some(third));
    (pair, third)
}

#[test]
fn nested_calls_hand_it_on_and_back() {
    let (mut pair, third) = chain();
    pair.bed.pass(10);
    pair.bed.ipc(third, Op::ReplyReceive, DOOR, REPLY, Message::default());
    assert_eq!(current(&pair.bed), Some(pair.server));
    pair.bed.pass(10);
    pair.reply_receive(Message::default());
    assert_eq!(current(&pair.bed), Some(pair.client));
    assert_eq!((used(&mut pair.bed, pair.client), used(&mut pair.bed, third)), (20, 0));
}

/// How much the last of so many servers that each call the next has to look at when it answers.
fn looks_of_an_answer(servers: u32) -> u64 {
    let mut bed = Bed::new();
    let base = |server: u32| 100 + 8 * server;
    let threads: Vec<_> = (0..=servers).map(|server| bed.process(MEMORY, base(server), 100, 0)).collect();
    for server in 1..=servers {
        let door = base(server) + 7;
        bed.make(Kind::Endpoint, 0, door);
        bed.give(base(server), DOOR, door, Rights::RECEIVE, 0);
        bed.give(base(server - 1), 12, door, Rights::SEND, 0);
        bed.ipc(threads[server as usize], Op::Receive, DOOR, REPLY, Message::default());
    }
    for &thread in &threads[..servers as usize] {
        assert_eq!(bed.ipc(thread, Op::Call, 12, 0, Message::default()), Outcome::Blocked);
    }
    let last = *threads.last().unwrap();
    assert_eq!(bed.k.holder(time_of(&bed, base(0))), Some(last));
    bed.k.force(last);
    let before = LOOKS.get();
    bed.k.give_back(bed.k.mem[last].reply.unwrap());
    LOOKS.get() - before
}

/// The kernel holds its lock meanwhile.
#[test]
fn an_answer_takes_no_longer_however_many_calls_lie_in_one_another() {
    assert_eq!(looks_of_an_answer(30), looks_of_an_answer(2));
}

/// How much it takes to find the time of a server without any of its own that owes so many calls, of which the first brought time.
fn looks_at_debts(calls: u32) -> u64 {
    let mut pair = Pair::new();
    let bed = &mut pair.bed;
    let base = |client: u32| 100 + 8 * client;
    for client in 0..calls {
        let thread = bed.process(MEMORY, base(client), 100, 0);
        bed.give(base(client), DOOR, super::ENDPOINT, Rights::SEND, 0);
        bed.make(Kind::Reply, 0, base(client) + 7);
        bed.ok(Op::Move, SERVER, &[(14 + client).into(), 1, (base(client) + 7).into()]);
        bed.ipc(pair.server, Op::Receive, DOOR, 14 + client, Message::default());
        bed.ipc(thread, Op::Call, DOOR, 0, Message::default());
    }
    for client in 1..calls {
        bed.ok(Op::SchedUnbind, base(client) + TIME, &[]);
    }
    bed.ok(Op::SchedUnbind, SERVER + TIME, &[]);
    let before = LOOKS.get();
    let time = bed.k.time_of(pair.server);
    let looks = LOOKS.get() - before;
    assert_eq!(time, Some(time_of(bed, base(0))));
    looks
}

#[test]
fn the_time_of_a_call_is_found_however_many_are_owed() {
    assert_eq!(looks_at_debts(15), looks_at_debts(3));
}

#[test]
fn who_stops_waiting_has_its_time_at_once_however_far_it_went() {
    let (mut pair, third) = chain();
    pair.bed.pass(10);
    wake_init(&mut pair.bed);
    pair.bed.ok(Op::ThreadCancel, CLIENT + 2, &[]);
    assert_eq!(pair.bed.k.time_of(pair.client), Some(time_of(&pair.bed, CLIENT)));
    without_init(&mut pair.bed);
    pair.bed.k.force(third);
    pair.bed.pass(50);
    assert_eq!((used(&mut pair.bed, pair.client), used(&mut pair.bed, third)), (10, 50));
    pair.bed.ipc(third, Op::ReplyReceive, DOOR, REPLY, Message::default());
    assert_eq!(pair.bed.k.time_of(pair.server), Some(time_of(&pair.bed, SERVER)));
    assert_eq!(error(pair.reply(Message::default())), refusal(ErrorCode::InvalidState, 0));
}

#[test]
fn time_stays_with_a_reply_that_is_put_off() {
    let mut pair = in_a_call(300, 1000);
    let other = {
        wake_init(&mut pair.bed);
        let other = pair.bed.process(MEMORY, 80, 100, 0);
        pair.bed.give(80, DOOR, super::ENDPOINT, Rights::SEND, 0);
        pair.bed.make(Kind::Reply, 0, 91);
        pair.bed.ok(Op::Move, SERVER, &[12, 1, 91]);
        without_init(&mut pair.bed);
        other
    };
    pair.bed.k.force(pair.server);
    pair.bed.pass(10);
    assert_eq!(pair.bed.ipc(pair.server, Op::Receive, DOOR, 12, Message::default()), Outcome::Blocked);
    let (own, lent) = (time_of(&pair.bed, SERVER), time_of(&pair.bed, CLIENT));
    assert_eq!((pair.bed.k.time_of(pair.server), pair.bed.k.holder(lent)), (Some(own), None));
    pair.bed.ipc(other, Op::Call, DOOR, 0, Message::default());
    assert_eq!(current(&pair.bed), Some(pair.server));
    // The first is answered on the time of the second.
    pair.bed.pass(20);
    pair.reply(Message::default());
    assert_eq!(pair.bed.k.time_of(pair.client), Some(lent));
    assert_eq!(pair.bed.k.time_of(pair.server), Some(time_of(&pair.bed, 80)));
    assert_eq!((used(&mut pair.bed, pair.client), used(&mut pair.bed, other)), (10, 20));
}

#[test]
fn a_server_goes_on_with_its_reserve_and_the_caller_owes_it() {
    let mut pair = in_a_call(100, 1000);
    pair.bed.pass(100);
    assert_eq!(current(&pair.bed), Some(pair.server));
    assert_eq!(pair.bed.k.time_of(pair.server), Some(time_of(&pair.bed, SERVER)));
    pair.bed.pass(30);
    pair.reply_receive(Message::default());
    assert_eq!((used(&mut pair.bed, pair.client), used(&mut pair.bed, pair.server)), (100, 30));
    assert_eq!((current(&pair.bed), pair.bed.runnable(pair.client)), (None, false));
    // 100 come back, 30 of them are owed and come a period later.
    pair.bed.pass(870);
    assert_eq!((current(&pair.bed), left(&mut pair.bed, CLIENT)), (Some(pair.client), 70));
    pair.bed.pass(70);
    assert_eq!(current(&pair.bed), None);
    pair.bed.pass(930);
    assert_eq!((current(&pair.bed), left(&mut pair.bed, CLIENT)), (Some(pair.client), 100));
}

#[test]
fn a_server_that_takes_another_message_works_for_itself() {
    let mut pair = in_a_call(100, 1000);
    pair.bed.pass(120);
    wake_init(&mut pair.bed);
    pair.bed.make(Kind::Reply, 0, 91);
    pair.bed.ok(Op::Move, SERVER, &[12, 1, 91]);
    without_init(&mut pair.bed);
    pair.bed.k.force(pair.server);
    pair.bed.ipc(pair.server, Op::Receive, DOOR, 12, Message::default());
    pair.bed.pass(50);
    pair.bed.k.cancel_ipc(pair.server, ErrorCode::Cancelled);
    pair.bed.leave();
    pair.bed.pass(50);
    pair.reply(Message::default());
    let time = time_of(&pair.bed, CLIENT);
    assert_eq!(pair.bed.k.mem[time].debt, 20, "what it used before it received again");
}

#[test]
fn a_fault_is_not_handled_on_the_time_of_an_earlier_caller() {
    let mut pair = in_a_call(300, 1000);
    wake_init(&mut pair.bed);
    pair.bed.make(Kind::Reply, 0, 91);
    pair.bed.ok(Op::Move, SERVER, &[12, 1, 91]);
    pair.bed.give(1, 92, super::ENDPOINT, Rights::SEND, 0);
    let faulty = pair.bed.process(MEMORY, 80, 200, 92);
    without_init(&mut pair.bed);
    pair.bed.k.force(faulty);
    let fault = Fault { kind: FaultKind::Read, address: 0, syndrome: 0 };
    crate::fault::handle(&mut pair.bed.k, faulty, fault);
    pair.bed.leave();
    assert_ne!(pair.bed.ipc(pair.server, Op::Receive, DOOR, 12, Message::default()), Outcome::Blocked);
    let (own, lent) = (time_of(&pair.bed, SERVER), time_of(&pair.bed, CLIENT));
    assert_eq!((pair.bed.k.time_of(pair.server), pair.bed.k.holder(lent)), (Some(own), None));
}

#[test]
fn time_that_ends_on_the_way_back_does_not_run() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, super::ENDPOINT);
    let client = bed.process(MEMORY, CLIENT, 150, 0);
    let server = bed.process(MEMORY, SERVER, 100, 0);
    bed.give(CLIENT, DOOR, super::ENDPOINT, Rights::SEND, 0);
    bed.give(SERVER, DOOR, super::ENDPOINT, Rights::RECEIVE, 0);
    limit(&mut bed, CLIENT, 100, 1000, 0);
    bed.ipc(server, Op::Receive, DOOR, REPLY, Message::default());
    without_init(&mut bed);
    bed.ipc(client, Op::Call, DOOR, 0, Message::default());
    bed.pass(99);
    // The answer comes before the timer is looked at.
    bed.k.machine.clock += 1;
    bed.ipc(server, Op::Reply, REPLY, 0, Message::default());
    assert_eq!((current(&bed), bed.runnable(client)), (Some(server), false));
    bed.pass(900);
    assert_eq!(current(&bed), Some(client));
}

#[test]
fn who_lent_time_waits_for_it_even_with_other_of_its_own() {
    let mut pair = Pair::new();
    pair.receive();
    pair.bed.ok(Op::SchedUnbind, SERVER + TIME, &[]);
    let third = pair.bed.process(MEMORY, 80, 100, 0);
    pair.bed.make(Kind::Endpoint, 0, 90);
    pair.bed.give(80, DOOR, 90, Rights::RECEIVE, 0);
    pair.bed.give(SERVER, 12, 90, Rights::SEND, 0);
    pair.bed.ipc(third, Op::Receive, DOOR, REPLY, Message::default());
    pair.call(Message::default());
    pair.bed.ipc(pair.server, Op::Call, 12, 0, Message::default());
    pair.bed.ok(Op::SchedBind, SERVER + TIME, &[(SERVER + 2).into()]);
    assert_eq!(pair.bed.k.time_of(pair.server), None);
    pair.bed.ipc(third, Op::ReplyReceive, DOOR, REPLY, Message::default());
    assert_eq!(pair.bed.k.time_of(pair.server), Some(time_of(&pair.bed, CLIENT)));
    pair.reply(Message::default());
    assert_eq!(pair.bed.k.time_of(pair.server), Some(time_of(&pair.bed, SERVER)));
}

#[test]
fn time_that_is_destroyed_while_it_waits_leaves_no_deadline() {
    let mut bed = Bed::new();
    let thread = bed.process(MEMORY, 50, 100, 0);
    limit(&mut bed, 50, 100, 1000, 0);
    without_init(&mut bed);
    bed.pass(100);
    assert!(!bed.runnable(thread) && bed.k.sched.deadlines.first(&bed.k.mem) == Some(1000));
    wake_init(&mut bed);
    bed.ok(Op::Revoke, 1, &[(50 + TIME).into()]);
    bed.ok(Op::Delete, 1, &[(50 + TIME).into()]);
    assert_eq!(bed.k.sched.deadlines.first(&bed.k.mem), None);
    bed.pass(2000);
}

#[test]
fn a_server_finishes_on_its_reserve_when_the_caller_dies() {
    let mut pair = in_a_call(300, 1000);
    pair.bed.pass(10);
    wake_init(&mut pair.bed);
    for slot in [CLIENT + 2, CLIENT] {
        pair.bed.ok(Op::Revoke, 1, &[slot.into()]);
        pair.bed.ok(Op::Delete, 1, &[slot.into()]);
    }
    without_init(&mut pair.bed);
    assert_eq!(current(&pair.bed), Some(pair.server));
    pair.bed.pass(25);
    assert_eq!(used(&mut pair.bed, pair.server), 25);
    assert_eq!(error(pair.reply(Message::default())), refusal(ErrorCode::InvalidState, 0));
}

#[test]
fn lent_time_that_is_destroyed_or_unbound_leaves_the_server_its_own() {
    for op in [Op::Delete, Op::SchedUnbind] {
        let mut pair = in_a_call(300, 1000);
        pair.bed.pass(10);
        wake_init(&mut pair.bed);
        if op == Op::Delete {
            pair.bed.ok(Op::Revoke, 1, &[(CLIENT + TIME).into()]);
            pair.bed.ok(Op::Delete, 1, &[(CLIENT + TIME).into()]);
        } else {
            pair.bed.ok(Op::SchedUnbind, CLIENT + TIME, &[]);
        }
        without_init(&mut pair.bed);
        assert_eq!(current(&pair.bed), Some(pair.server));
        pair.bed.pass(25);
        assert_eq!(used(&mut pair.bed, pair.server), 25);
        pair.reply_receive(Message::default());
        assert_eq!((pair.state(pair.client), pair.bed.runnable(pair.client)), (State::Ready, false));
        assert_eq!(current(&pair.bed), None);
    }
}

/// The fast path hands over to who has no time of its own too.
#[test]
fn a_server_whose_time_is_taken_while_it_waits_is_called_all_the_same() {
    let mut pair = Pair::new();
    pair.receive();
    pair.bed.ok(Op::SchedUnbind, SERVER + TIME, &[]);
    let State::Receiving(endpoint) = pair.state(pair.server) else { panic!("waits") };
    assert_eq!(pair.bed.k.mem[endpoint].known_receiver(), Some(pair.server));
    without_init(&mut pair.bed);
    pair.call(Message::default());
    assert_eq!(current(&pair.bed), Some(pair.server));
}

#[test]
fn running_out_is_a_fault_where_it_is_asked_for() {
    let mut bed = Bed::new();
    bed.make(Kind::Endpoint, 0, 70);
    bed.give(1, 71, 70, Rights::SEND, 0x99 << 40);
    let thread = bed.process(MEMORY, 50, 100, 71);
    limit(&mut bed, 50, 100, 1000, 1);
    let handled = bed.ipc(bed.init, Op::Receive, 70, REPLY, Message::default());
    assert_eq!(handled, Outcome::Blocked);
    bed.pass(100);
    assert_eq!(current(&bed), Some(bed.init));
    let (_, out, badge) = returned(bed.result(bed.init));
    assert_eq!((out.label(), badge), (FaultKind::Timeout as u32, 0x99 << 40));
    // Resumed, it still waits for its time.
    bed.ipc(bed.init, Op::ReplyReceive, 70, REPLY, Message::default());
    assert_eq!((bed.k.mem[thread].state, current(&bed)), (State::Ready, None));
    bed.pass(900);
    assert_eq!(current(&bed), Some(thread));
    bed.pass(100);
    assert_eq!(current(&bed), Some(bed.init));
    // More time is another answer.
    limit(&mut bed, 50, 500, 1000, 1);
    bed.ipc(bed.init, Op::ReplyReceive, 70, REPLY, Message::default());
    assert_eq!(current(&bed), Some(thread));
}

/// Clients with budgets call servers of two kinds, nested and put off, and somebody cancels: tick by tick, no
/// SchedContext is used more than its budget in any window of its period.
#[test]
fn never_more_than_the_budget_in_any_window() {
    for seed in 1..=6u64 {
        let mut random = super::super::random::Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bed = Bed::new();
        let limits = [(30, 100), (7, 60), (50, 130), (5, 200), (20, 40)];
        let mut threads = Vec::new();
        for index in 0..5u32 {
            let base = 100 + index * 10;
            bed.make(Kind::Endpoint, 0, base + 8);
            threads.push(bed.process(MEMORY, base, 100 + index as u8 % 3, 0));
            bed.make(Kind::Reply, 0, base + 7);
            bed.ok(Op::Move, base, &[9, 1, (base + 7).into()]);
        }
        for client in 0..5u32 {
            for server in 0..5u32 {
                let rights = if client == server { Rights::RECEIVE } else { Rights::SEND };
                bed.give(100 + client * 10, 10 + server, 108 + server * 10, rights, 0);
            }
        }
        for (base, (budget, period)) in (100..).step_by(10).zip(limits) {
            limit(&mut bed, base, budget, period, 0);
        }
        without_init(&mut bed);
        let mut log = vec![Vec::new(); 5];
        let mut before = [0; 5];
        for _ in 0..3000 {
            bed.pass(1);
            for (index, &thread) in threads.iter().enumerate() {
                let now = used(&mut bed, thread);
                if now > before[index] {
                    assert_eq!(now, before[index] + 1);
                    log[index].push(bed.k.machine.clock);
                }
                before[index] = now;
            }
            let Some(thread) = current(&bed) else {
                let cancelled = threads[random.below(5) as usize];
                if random.one_in(5) {
                    bed.k.cancel_ipc(cancelled, ErrorCode::Cancelled);
                    bed.leave();
                }
                continue;
            };
            let own = threads.iter().position(|&other| other == thread).unwrap() as u32;
            let door = 10 + random.below(5) as u32;
            let reply = if random.one_in(3) { 9 } else { 8 };
            match random.below(12) {
                0 | 1 if door != 10 + own => drop(bed.ipc(thread, Op::Call, door, 0, Message::default())),
                2 => drop(bed.ipc(thread, Op::Receive, 10 + own, reply, Message::default())),
                3 => drop(bed.ipc(thread, Op::ReplyReceive, 10 + own, reply, Message::default())),
                4 => drop(bed.ipc(thread, Op::Reply, reply, 0, Message::default())),
                5 => {
                    bed.k.cancel_ipc(threads[random.below(5) as usize], ErrorCode::Cancelled);
                    bed.leave();
                }
                _ => {}
            }
        }
        for ((budget, period), ticks) in limits.into_iter().zip(&log) {
            assert!(ticks.len() > 20, "{} ticks of ({budget}, {period})", ticks.len());
            for (index, &start) in ticks.iter().enumerate() {
                let count = ticks[index..].iter().take_while(|&&tick| tick < start + period).count() as u64;
                assert!(count <= budget, "{count} of {budget} in {period} from {start} on");
            }
        }
    }
}
