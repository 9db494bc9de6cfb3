//! Call, receive, reply: words, page words, capabilities, badges; how a call ends when the other side does.

use abi::{ErrorCode, Kind, MAY_HAVE_ACTED, OUT_CAPS_DROPPED, Op, Rights};

use super::{
    CLIENT, DOOR, ENDPOINT, MEMORY, Message, Outcome, Pair, REPLY, SERVER, State, WINDOW, error, refusal, returned,
    words,
};

/// The first page word.
const PAGE_WORDS: u64 = 64;

#[test]
fn words_badge_and_label_go_over_and_nothing_else() {
    for receiver_first in [true, false] {
        let mut pair = Pair::new();
        let message = Message { words: 3, label: 0xdead_beef, regs: [1, 2, 3, 4, 5, 6, 7, 8], caps: 0 };
        if receiver_first {
            assert_eq!(pair.receive(), Outcome::Blocked);
            assert_eq!(pair.call(message), Outcome::Blocked);
        } else {
            assert_eq!(pair.call(message), Outcome::Blocked);
            pair.receive();
        }
        let (got, out, badge) = returned(pair.bed.result(pair.server));
        assert_eq!(got, [1, 2, 3, 0, 0, 0, 0, 0]);
        assert_eq!((out.words(), out.caps(), out.flags(), out.label(), badge), (3, 0, 0, 0xdead_beef, 0x77 << 40));
        let answer = Message { words: 1, label: 5, regs: [9; 8], caps: 0 };
        returned(pair.reply(answer));
        let (got, out, badge) = returned(pair.bed.result(pair.client));
        assert_eq!(got, [9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((out.status(), out.words(), out.label(), badge), (Ok(()), 1, 5, 0));
    }
}

#[test]
fn page_words_go_over() {
    let mut pair = Pair::new();
    for word in 0..56 {
        pair.bed.page_u64(pair.client, PAGE_WORDS + word * 8, 100 + word);
        pair.bed.page_u64(pair.server, PAGE_WORDS + word * 8, 7);
    }
    pair.receive();
    pair.call(Message { words: 63, ..words(&[1; 8]) });
    assert_eq!(returned(pair.bed.result(pair.server)).1.words(), 63);
    for word in 0..56 {
        let wanted = if word < 55 { 100 + word } else { 7 };
        assert_eq!(pair.bed.page_word(pair.server, PAGE_WORDS + word * 8), wanted);
    }
}

#[test]
fn a_message_that_claims_too_much_is_refused() {
    let mut pair = Pair::taken();
    let too_many = |words, caps| Message { words, caps, ..Message::default() };
    let refused = |outcome| error(outcome);
    for (message, code) in [
        (too_many(65, 0), ErrorCode::TooManyWords),
        (too_many(127, 0), ErrorCode::TooManyWords),
        (too_many(0, 5), ErrorCode::TooManyCaps),
        (too_many(0, 7), ErrorCode::TooManyCaps),
    ] {
        assert_eq!(refused(pair.reply(message)), refusal(code, 8));
        assert_eq!(refused(pair.reply_receive(message)), refusal(code, 8));
    }
    pair.bed.send_slots(pair.server, [999, 0, 0, 0]);
    assert_eq!(refused(pair.reply(too_many(0, 1))), refusal(ErrorCode::SlotOutOfRange, 8));
    pair.bed.send_slots(pair.server, [DOOR, 31, 0, 0]);
    assert_eq!(refused(pair.reply(too_many(0, 2))), refusal(ErrorCode::EmptySlot, 8));
    assert!(matches!(pair.state(pair.client), State::AwaitingReply(_)), "the refused answers changed nothing");
    returned(pair.reply(Message::default()));
    assert_eq!(refused(pair.call(too_many(65, 0))), refusal(ErrorCode::TooManyWords, 8));
    // Without the page nothing beyond the registers.
    pair.bed.ok(Op::Revoke, 1, &[u64::from(CLIENT) + 3]);
    assert_eq!(refused(pair.call(too_many(9, 0))), refusal(ErrorCode::NoMessagePage, 8));
    assert_eq!(refused(pair.call(too_many(0, 1))), refusal(ErrorCode::NoMessagePage, 8));
    assert_eq!(pair.call(too_many(8, 0)), Outcome::Blocked);
}

#[test]
fn capabilities_go_over_as_derived_copies() {
    let mut pair = Pair::new();
    pair.bed.make(Kind::Notification, 0, 71);
    pair.bed.make(Kind::Frame, 1, 72);
    pair.bed.give(CLIENT, 12, 71, Rights::SIGNAL, 5);
    pair.bed.give(CLIENT, 13, 72, Rights::READ | Rights::WRITE, 0);
    pair.bed.send_slots(pair.client, [12, 13, 12, 13]);
    pair.bed.window(pair.server, WINDOW, 4);
    pair.receive();
    pair.call(Message { caps: 4, ..Message::default() });
    let (_, out, _) = returned(pair.bed.result(pair.server));
    assert_eq!((out.caps(), out.flags()), (4, 0));
    let cap = pair.bed.cap(pair.server, WINDOW);
    assert_eq!((cap.kind, cap.rights, cap.badge().0), (Kind::Notification, Rights::SIGNAL, 5));
    let cap = pair.bed.cap(pair.server, WINDOW + 1);
    assert_eq!((cap.kind, cap.rights, cap.space), (Kind::Frame, Rights::READ | Rights::WRITE, None));
    pair.bed.ok(Op::Revoke, CLIENT, &[12]);
    assert_eq!(pair.bed.cap(pair.server, WINDOW).kind, Kind::Null);
    assert_eq!(pair.bed.cap(pair.server, WINDOW + 2).kind, Kind::Null);
    assert_eq!(pair.bed.cap(pair.server, WINDOW + 3).kind, Kind::Frame);
}

#[test]
fn capabilities_without_room_are_dropped_and_said_so() {
    // Window base and count, how many arrive.
    for (base, count, arrive) in
        [(0, 0, 0), (WINDOW, 1, 1), (30, 4, 2), (DOOR, 4, 0), (u32::MAX, 4, 0), (0, 4, 0), (DOOR - 1, 4, 1)]
    {
        let mut pair = Pair::new();
        pair.bed.make(Kind::Notification, 0, 71);
        pair.bed.give(CLIENT, 12, 71, Rights::SIGNAL, 0);
        pair.bed.send_slots(pair.client, [12, 12, 12, 0]);
        pair.bed.window(pair.server, base, count);
        pair.receive();
        pair.call(Message { caps: 2, words: 1, ..words(&[4]) });
        let (got, out, _) = returned(pair.bed.result(pair.server));
        assert_eq!((got[0], out.caps()), (4, arrive), "window {base} {count}");
        assert_eq!(out.flags() & OUT_CAPS_DROPPED != 0, arrive < 2);
    }
    // What cannot be copied is dropped too.
    let mut pair = Pair::new();
    pair.bed.send_slots(pair.client, [REPLY, 0, 0, 0]);
    pair.bed.window(pair.server, WINDOW, 4);
    pair.receive();
    pair.call(Message { caps: 1, ..Message::default() });
    let (_, out, _) = returned(pair.bed.result(pair.server));
    assert_eq!((out.caps(), out.flags()), (0, OUT_CAPS_DROPPED));
    // A receiver that lost its page gets the words in registers.
    let mut pair = Pair::new();
    pair.receive();
    pair.bed.ok(Op::Revoke, 1, &[u64::from(SERVER) + 3]);
    pair.bed.send_slots(pair.client, [DOOR, 0, 0, 0]);
    pair.call(Message { caps: 1, words: 20, ..Message::default() });
    let (_, out, _) = returned(pair.bed.result(pair.server));
    assert_eq!((out.words(), out.caps(), out.flags()), (8, 0, OUT_CAPS_DROPPED));
}

#[test]
fn capabilities_need_the_grant_right() {
    let mut pair = Pair::new();
    pair.bed.give(CLIENT, 11, ENDPOINT, Rights::SEND, 0);
    pair.bed.send_slots(pair.client, [DOOR, 0, 0, 0]);
    let message = Message { caps: 1, ..Message::default() };
    let outcome = pair.bed.ipc(pair.client, Op::Call, 11, 0, message);
    assert_eq!(error(outcome), refusal(ErrorCode::MissingRight, 0));
}

#[test]
fn reply_receive_answers_and_takes_the_next() {
    let mut pair = Pair::taken();
    let other = pair.bed.process(MEMORY, 80, 100, 0);
    pair.bed.give(80, DOOR, ENDPOINT, Rights::SEND, 0x88 << 40);
    assert_eq!(pair.bed.ipc(other, Op::Call, DOOR, 0, words(&[2])), Outcome::Blocked);
    let (got, _, badge) = returned(pair.reply_receive(words(&[1])));
    assert_eq!((got[0], badge), (2, 0x88 << 40));
    assert_eq!(returned(pair.bed.result(pair.client)).0[0], 1);
    assert_eq!(pair.reply_receive(words(&[3])), Outcome::Blocked);
    assert_eq!(returned(pair.bed.result(other)).0[0], 3);
    // With nobody to answer it only receives.
    pair.call(Message::default());
    returned(pair.reply(Message::default()));
    assert_eq!(pair.reply_receive(Message::default()), Outcome::Blocked);
}

#[test]
fn a_reply_serves_one_caller_and_one_receiver() {
    let mut pair = Pair::taken();
    assert_eq!(error(pair.receive()), refusal(ErrorCode::Busy, 9));
    assert_eq!(
        error(pair.bed.ipc(pair.server, Op::Receive, DOOR, 0, Message::default())),
        refusal(ErrorCode::SlotOutOfRange, 9)
    );
    assert_eq!(
        error(pair.bed.ipc(pair.server, Op::Receive, DOOR, DOOR, Message::default())),
        refusal(ErrorCode::WrongKind, 9)
    );
    // The Reply moved to another thread does not answer for the one that took the call.
    pair.bed.give(CLIENT + 10, 20, CLIENT, Rights::all_of(Kind::CapTable), 0);
    let thief = pair.bed.process(MEMORY, 80, 100, 0);
    pair.bed.give(80, DOOR, ENDPOINT, Rights::RECEIVE, 0);
    pair.bed.ok(Op::Delete, 80, &[REPLY.into()]);
    pair.bed.ok(Op::Move, 80, &[REPLY.into(), SERVER.into(), REPLY.into()]);
    let outcome = pair.bed.ipc(thief, Op::Reply, REPLY, 0, Message::default());
    assert_eq!(error(outcome), refusal(ErrorCode::InvalidState, 0));
    let outcome = pair.bed.ipc(thief, Op::ReplyReceive, DOOR, REPLY, Message::default());
    assert_eq!(error(outcome), refusal(ErrorCode::Busy, 9));
    pair.bed.ok(Op::Move, SERVER, &[REPLY.into(), 80, REPLY.into()]);
    returned(pair.reply(Message::default()));
    assert_eq!(error(pair.reply(Message::default())), refusal(ErrorCode::InvalidState, 0));
    // Two threads cannot wait with the same Reply.
    assert_eq!(pair.receive(), Outcome::Blocked);
    pair.bed.ok(Op::Move, 80, &[REPLY.into(), SERVER.into(), REPLY.into()]);
    let outcome = pair.bed.ipc(thief, Op::Receive, DOOR, REPLY, Message::default());
    assert_eq!(error(outcome), refusal(ErrorCode::Busy, 9));
}

#[test]
fn the_end_of_a_reply_or_server_tells_the_caller() {
    let gone = refusal(ErrorCode::PeerGone, MAY_HAVE_ACTED);
    let mut pair = Pair::taken();
    pair.bed.ok(Op::Delete, SERVER, &[REPLY.into()]);
    assert_eq!(error(pair.bed.result(pair.client)), gone);
    let mut pair = Pair::taken();
    pair.bed.ok(Op::Delete, SERVER, &[2]);
    pair.bed.ok(Op::Delete, 1, &[u64::from(SERVER) + 2]);
    assert_eq!(error(pair.bed.result(pair.client)), gone);
    let mut pair = Pair::taken();
    pair.bed.ok(Op::Revoke, 1, &[MEMORY.into()]);
    assert_eq!(pair.bed.census().get(&Kind::Endpoint), None);
}

#[test]
fn a_server_that_waits_is_told_of_the_end_of_its_reply_and_endpoint() {
    let mut pair = Pair::new();
    pair.receive();
    pair.bed.ok(Op::Delete, SERVER, &[REPLY.into()]);
    assert_eq!(error(pair.bed.result(pair.server)), refusal(ErrorCode::Revoked, 0));
    let mut pair = Pair::new();
    pair.receive();
    pair.bed.ok(Op::Revoke, 1, &[ENDPOINT.into()]);
    assert_eq!(
        pair.state(pair.server),
        State::Receiving(pair.bed.cap(pair.bed.init, ENDPOINT).object_of::<crate::object::Endpoint>().unwrap().into())
    );
    pair.bed.ok(Op::Delete, 1, &[ENDPOINT.into()]);
    assert_eq!(error(pair.bed.result(pair.server)), refusal(ErrorCode::Revoked, 0));
    let mut pair = Pair::new();
    pair.call(Message::default());
    pair.bed.ok(Op::Revoke, 1, &[ENDPOINT.into()]);
    pair.bed.ok(Op::Delete, 1, &[ENDPOINT.into()]);
    assert_eq!(error(pair.bed.result(pair.client)), refusal(ErrorCode::Revoked, 0));
}

#[test]
fn closing_and_opening() {
    let mut pair = Pair::new();
    pair.call(Message::default());
    assert_eq!(pair.bed.refused(Op::EndpointClose, ENDPOINT, &[1 << 32]), (ErrorCode::InvalidArgument, 1));
    pair.bed.ok(Op::EndpointClose, ENDPOINT, &[42]);
    let (_, out, _) = returned(pair.bed.result(pair.client));
    assert_eq!((out.status(), out.label()), (Err(refusal(ErrorCode::Closed, 0)), 42));
    let (_, out, _) = returned(pair.call(Message::default()));
    assert_eq!((out.status(), out.label()), (Err(refusal(ErrorCode::Closed, 0)), 42));
    // A server may wait at a closed door; the call that was taken is not ended by closing.
    assert_eq!(pair.receive(), Outcome::Blocked);
    pair.bed.ok(Op::EndpointOpen, ENDPOINT, &[]);
    assert_eq!(pair.call(Message::default()), Outcome::Blocked);
    pair.bed.ok(Op::EndpointClose, ENDPOINT, &[1]);
    assert!(matches!(pair.state(pair.client), State::AwaitingReply(_)));
    returned(pair.reply(Message::default()));
    assert_eq!(returned(pair.bed.result(pair.client)).1.status(), Ok(()));
}

#[test]
fn cancel_says_whether_the_server_may_have_acted() {
    let mut pair = Pair::new();
    pair.call(Message::default());
    pair.bed.ok(Op::ThreadCancel, CLIENT + 2, &[]);
    assert_eq!(error(pair.bed.result(pair.client)), refusal(ErrorCode::Cancelled, 0));
    let mut pair = Pair::taken();
    pair.bed.ok(Op::ThreadCancel, CLIENT + 2, &[]);
    assert_eq!(error(pair.bed.result(pair.client)), refusal(ErrorCode::Cancelled, MAY_HAVE_ACTED));
    // The server's answer goes nowhere.
    assert_eq!(error(pair.reply(Message::default())), refusal(ErrorCode::InvalidState, 0));
    pair.receive();
    pair.bed.ok(Op::ThreadCancel, SERVER + 2, &[]);
    assert_eq!(error(pair.bed.result(pair.server)), refusal(ErrorCode::Cancelled, 0));
}

#[test]
fn a_client_that_dies_leaves_nothing_behind() {
    for taken in [false, true] {
        let mut pair = if taken { Pair::taken() } else { Pair::new() };
        if !taken {
            pair.call(Message::default());
        }
        pair.bed.ok(Op::Revoke, 1, &[u64::from(CLIENT) + 2]);
        pair.bed.ok(Op::Delete, 1, &[u64::from(CLIENT) + 2]);
        if taken {
            assert_eq!(error(pair.reply(Message::default())), refusal(ErrorCode::InvalidState, 0));
        }
        assert_eq!(pair.receive(), Outcome::Blocked);
    }
}
