//! Signal, wait, poll, and the bound Notification.

use abi::{ErrorCode, Kind, OUT_NOTIFICATION, Op, Rights};

use super::{Bed, CLIENT, ENDPOINT, MEMORY, Message, Outcome, Pair, SERVER, State, error, refusal, returned};

const BELL: u32 = 71;
/// In the processes' tables.
const EAR: u32 = 12;

fn pair() -> Pair {
    let mut pair = Pair::new();
    pair.bed.make(Kind::Notification, 0, BELL);
    pair.bed.give(CLIENT, EAR, BELL, Rights::all_of(Kind::Notification), 0);
    pair.bed.give(SERVER, EAR, BELL, Rights::all_of(Kind::Notification), 0x10);
    pair
}

fn wait(pair: &mut Pair, server: bool) -> Outcome {
    let thread = if server { pair.server } else { pair.client };
    pair.bed.ipc(thread, Op::Wait, EAR, 0, Message::default())
}

#[test]
fn bits_gather_and_are_taken_once() {
    let mut pair = pair();
    let (client, server) = (pair.client, pair.server);
    assert_eq!(pair.bed.call(client, Op::Poll, EAR, &[]).unwrap()[0], 0);
    pair.bed.call(client, Op::Signal, EAR, &[1]).unwrap();
    pair.bed.call(server, Op::Signal, EAR, &[2]).unwrap();
    assert_eq!(pair.bed.call(client, Op::Poll, EAR, &[]).unwrap()[0], 0x13, "the badge counts as bits");
    assert_eq!(pair.bed.call(client, Op::Poll, EAR, &[]).unwrap()[0], 0);
    pair.bed.call(client, Op::Signal, EAR, &[4]).unwrap();
    assert_eq!(returned(wait(&mut pair, false)).0[0], 4);
}

#[test]
fn one_waits_and_is_woken() {
    let mut pair = pair();
    assert_eq!(wait(&mut pair, true), Outcome::Blocked);
    assert_eq!(error(wait(&mut pair, false)), refusal(ErrorCode::Busy, 0));
    pair.bed.call(pair.client, Op::Signal, EAR, &[0]).unwrap();
    assert_eq!(pair.bed.result(pair.server), Outcome::Blocked, "no bits, no event");
    pair.bed.call(pair.client, Op::Signal, EAR, &[u64::MAX]).unwrap();
    assert_eq!(returned(pair.bed.result(pair.server)).0[0], u64::MAX);
    wait(&mut pair, true);
    pair.bed.ok(Op::ThreadCancel, SERVER + 2, &[]);
    assert_eq!(error(pair.bed.result(pair.server)), refusal(ErrorCode::Cancelled, 0));
    wait(&mut pair, true);
    pair.bed.ok(Op::Revoke, 1, &[BELL.into()]);
    pair.bed.ok(Op::Delete, 1, &[BELL.into()]);
    assert_eq!(error(pair.bed.result(pair.server)), refusal(ErrorCode::Revoked, 0));
}

#[test]
fn a_bound_notification_ends_a_receive() {
    let mut pair = pair();
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[BELL.into()]);
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[BELL.into()]);
    assert_eq!(pair.receive(), Outcome::Blocked);
    pair.bed.call(pair.client, Op::Signal, EAR, &[6]).unwrap();
    let (words, out, badge) = returned(pair.bed.result(pair.server));
    assert_eq!((words, out.flags(), out.words(), badge), ([6, 0, 0, 0, 0, 0, 0, 0], OUT_NOTIFICATION, 1, 0));
    // Bits come before messages; a message then.
    pair.bed.call(pair.client, Op::Signal, EAR, &[1]).unwrap();
    pair.call(super::words(&[5]));
    assert_eq!(returned(pair.receive()).1.flags(), OUT_NOTIFICATION);
    let (words, out, _) = returned(pair.receive());
    assert_eq!((words[0], out.flags()), (5, 0));
    // Also with an answer; the answered caller goes on.
    pair.bed.call(pair.server, Op::Signal, EAR, &[2]).unwrap();
    assert_eq!(returned(pair.reply_receive(super::words(&[8]))).0[0], 0x12);
    assert_eq!(returned(pair.bed.result(pair.client)).0[0], 8);
    // Binding to a thread that receives already delivers what is there.
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[0]);
    assert_eq!(pair.receive(), Outcome::Blocked);
    pair.bed.call(pair.client, Op::Signal, EAR, &[3]).unwrap();
    assert_eq!(pair.bed.result(pair.server), Outcome::Blocked);
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[BELL.into()]);
    assert_eq!(returned(pair.bed.result(pair.server)).0[0], 3);
}

#[test]
fn who_may_bind_and_wait() {
    let mut pair = pair();
    pair.bed.give(1, 72, BELL, Rights::SIGNAL, 0);
    assert_eq!(pair.bed.refused(Op::ThreadBind, SERVER + 2, &[72]), (ErrorCode::MissingRight, 1));
    assert_eq!(pair.bed.refused(Op::ThreadBind, SERVER + 2, &[ENDPOINT.into()]), (ErrorCode::WrongKind, 1));
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[BELL.into()]);
    assert_eq!(pair.bed.refused(Op::ThreadBind, CLIENT + 2, &[BELL.into()]), (ErrorCode::Busy, 1));
    assert_eq!(error(wait(&mut pair, false)), refusal(ErrorCode::Busy, 0));
    // The bound thread itself may wait.
    assert_eq!(wait(&mut pair, true), Outcome::Blocked);
    assert_eq!(pair.bed.refused(Op::ThreadBind, SERVER + 2, &[BELL.into()]), (ErrorCode::Busy, 1));
    pair.bed.call(pair.client, Op::Signal, EAR, &[1]).unwrap();
    assert_eq!(returned(pair.bed.result(pair.server)).0[0], 1);
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[0]);
    assert_eq!(wait(&mut pair, false), Outcome::Blocked);
    assert_eq!(pair.bed.refused(Op::ThreadBind, SERVER + 2, &[BELL.into()]), (ErrorCode::Busy, 1));
}

#[test]
fn the_end_of_a_bound_thread_or_notification_unbinds() {
    let mut pair = pair();
    pair.bed.ok(Op::ThreadBind, SERVER + 2, &[BELL.into()]);
    pair.receive();
    pair.bed.ok(Op::Revoke, 1, &[BELL.into()]);
    pair.bed.ok(Op::Delete, 1, &[BELL.into()]);
    assert_eq!(pair.bed.k.mem[pair.server].bound, None);
    assert!(matches!(pair.state(pair.server), State::Receiving(..)), "it still waits for messages");
    let mut bed = Bed::new();
    bed.make(Kind::Notification, 0, BELL);
    bed.process(MEMORY, SERVER, 10, 0);
    bed.ok(Op::ThreadBind, SERVER + 2, &[BELL.into()]);
    bed.ok(Op::Revoke, 1, &[u64::from(SERVER) + 2]);
    bed.ok(Op::Delete, 1, &[u64::from(SERVER) + 2]);
    bed.ok(Op::Signal, BELL, &[1]);
    bed.ok(Op::ThreadBind, abi::SLOT_THREAD, &[BELL.into()]);
}
