//! Endpoint: call, receive, reply-and-receive, open, close; Reply.

use abi::{ErrorCode, Kind, MAX_CAPS, MAX_WORDS, MAY_HAVE_ACTED, OUT_CAPS_DROPPED, OUT_NOTIFICATION, Op, Rights};
use agent::{Check, REPLY, Setup, State, UNUSED, World, equal, pattern};
use alloc::format;

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

/// Refusals of what a message claims.
const MESSAGE: &[ErrorCode] = &[TooManyWords, TooManyCaps, NoMessagePage, SlotOutOfRange, EmptySlot];

pub const CASES: &[Case] = &[
    case("EP-CALL-001", "a call of 0 to 8 words arrives in x0-x7 with label and badge, the rest cleared", arrives),
    case("EP-CALL-002", "a call that nobody waits for is received later, the same", arrives_later),
    case("EP-CALL-003", "words 8 to 63 travel from page to page, there and back, and no word more", long_words),
    case("EP-CALL-004", "a receiver without message page gets the first eight words", no_page_to_receive),
    case("EP-CALL-005", "bits of x8 that mean nothing change nothing", unused_bits),
    case("EP-CALL-006", "calls are received in the order in which they came", in_order),
    case("EP-CALL-007", "the answer ends the call, its badge is 0", answered),
    case("EP-CALL-008", "each capability of an endpoint has its own badge", own_badges),
    case("EP-CALL-009", "a server that calls another in the middle of a call answers its own caller", nested),
    case("EP-CALL-010", "three calls deep, each answer goes to the caller it is for", nested_deeper),
    case("EP-CALL-011", "answers given in another order than the calls came reach their callers", out_of_order),
    case("EP-CALL-012", "a call that was not taken waits for the next server", waits_for_successor),
    refusals(
        "EP-CALL-020",
        "a call needs an endpoint and the right to send",
        &[(Op::Call, LOOK_UP_RIGHT)],
        call_look_up,
    ),
    refusals(
        "EP-CALL-021",
        "a message of more than 64 words is refused",
        &[(Op::Call, &[TooManyWords])],
        too_many_words,
    ),
    refusals("EP-CALL-022", "more than four capabilities are refused", &[(Op::Call, &[TooManyCaps])], too_many_caps),
    refusals(
        "EP-CALL-023",
        "words past the eighth and capabilities need a message page",
        &[(Op::Call, &[NoMessagePage])],
        no_page,
    ),
    refusals(
        "EP-CALL-024",
        "a capability to send must be in a slot of the table",
        &[(Op::Call, &[SlotOutOfRange, EmptySlot])],
        nothing_to_send,
    ),
    refusals(
        "EP-CALL-025",
        "capabilities are only sent with the right to grant",
        &[(Op::Call, &[MissingRight])],
        no_grant,
    ),
    refusals("EP-CALL-026", "a closed endpoint refuses calls with its reason", &[(Op::Call, &[Closed])], closed),
    refusals(
        "EP-CALL-027",
        "a server that dies leaves its caller with PeerGone: it may have acted",
        &[(Op::Call, &[PeerGone])],
        server_dies,
    ),
    refusals(
        "EP-CALL-028",
        "a Reply that is deleted leaves its caller with PeerGone",
        &[(Op::Call, &[PeerGone])],
        reply_deleted,
    ),
    refusals("EP-CALL-029", "a cancelled call says whether it was taken", &[(Op::Call, &[Cancelled])], call_cancelled),
    refusals(
        "EP-CALL-030",
        "a call that waits in an endpoint which ends gets Revoked",
        &[(Op::Call, &[Revoked])],
        call_revoked,
    ),
    case("EP-CALL-031", "the end of the endpoint leaves a call alone that was taken", taken_survives),
    case("EP-CAP-001", "a capability arrives as a derived copy with its rights and badge", capability_arrives),
    case("EP-CAP-002", "what was derived by sending goes with its original", capability_is_derived),
    case("EP-CAP-003", "four capabilities arrive in consecutive slots", four_capabilities),
    case("EP-CAP-004", "without a window capabilities are dropped, and a flag says so", no_window),
    case("EP-CAP-005", "from the first occupied slot of the window on capabilities are dropped", window_occupied),
    case("EP-CAP-006", "a window that lies outside the table drops capabilities", window_outside),
    case("EP-CAP-007", "Untyped and Reply are not sent", not_copyable),
    case("EP-CAP-008", "an answer carries capabilities into the caller's window", answer_with_capability),
    refusals(
        "EP-RECV-001",
        "a receive needs an endpoint and the right to receive",
        &[(Op::Receive, LOOK_UP_RIGHT)],
        receive_look_up,
    ),
    refusals("EP-RECV-002", "a receive needs a Reply", &[(Op::Receive, LOOK_UP)], receive_needs_reply),
    refusals(
        "EP-RECV-003",
        "a Reply that holds a caller or that another waits with is busy",
        &[(Op::Receive, &[Busy])],
        reply_busy,
    ),
    refusals("EP-RECV-004", "a receive can be cancelled", &[(Op::Receive, &[Cancelled])], receive_cancelled),
    refusals(
        "EP-RECV-005",
        "a receive ends with Revoked when its endpoint or its Reply does",
        &[(Op::Receive, &[Revoked])],
        receive_revoked,
    ),
    case(
        "EP-RECV-006",
        "two that receive on one endpoint get the calls in the order in which they came",
        two_receivers,
    ),
    case("EP-RECV-007", "bits of the bound notification end a receive", receive_notified),
    case("EP-RECV-008", "bits that wait already come before a call that waits", bits_first),
    case("EP-RR-001", "reply-and-receive answers 0 to 8 words and takes the next call", answers_and_receives),
    case("EP-RR-002", "reply-and-receive takes a call that waits already", takes_the_next),
    case("EP-RR-003", "reply-and-receive without a caller receives", reply_without_caller),
    case("EP-RR-004", "reply-and-receive answers also when bits wait", answers_with_bits),
    case("EP-RR-005", "a caller that has left meanwhile keeps nobody from receiving", caller_has_left),
    refusals(
        "EP-RR-006",
        "reply-and-receive needs endpoint, right and Reply; a refused one keeps its caller",
        &[(Op::ReplyReceive, LOOK_UP_RIGHT)],
        reply_receive_look_up,
    ),
    refusals(
        "EP-RR-007",
        "a refused answer of reply-and-receive keeps its caller",
        &[(Op::ReplyReceive, MESSAGE)],
        reply_receive_message,
    ),
    refusals(
        "EP-RR-008",
        "another thread's Reply is busy for reply-and-receive",
        &[(Op::ReplyReceive, &[Busy])],
        reply_receive_busy,
    ),
    refusals(
        "EP-RR-009",
        "reply-and-receive can be cancelled; its answer was given",
        &[(Op::ReplyReceive, &[Cancelled])],
        reply_receive_cancelled,
    ),
    refusals(
        "EP-RR-010",
        "reply-and-receive ends with Revoked when its endpoint does",
        &[(Op::ReplyReceive, &[Revoked])],
        reply_receive_revoked,
    ),
    case("RP-REPLY-001", "a reply of 0 to 64 words ends the call, and its thread goes on", reply_answers),
    refusals("RP-REPLY-002", "a reply needs a Reply", &[(Op::Reply, LOOK_UP)], reply_look_up),
    refusals(
        "RP-REPLY-003",
        "a Reply that nobody waits with, or whose call another took, does not answer",
        &[(Op::Reply, &[InvalidState])],
        reply_invalid,
    ),
    refusals("RP-REPLY-004", "a refused answer keeps its caller", &[(Op::Reply, MESSAGE)], reply_message),
    case("RP-REPLY-005", "a Reply answers once", reply_once),
    refusals(
        "EP-OPEN-001",
        "opening needs an endpoint and the right to receive",
        &[(Op::EndpointOpen, LOOK_UP_RIGHT)],
        open_look_up,
    ),
    case("EP-OPEN-002", "an endpoint that was closed and opened takes calls again", opened),
    refusals(
        "EP-CLOSE-001",
        "closing needs an endpoint and the right to receive",
        &[(Op::EndpointClose, LOOK_UP_RIGHT)],
        close_look_up,
    ),
    refusals("EP-CLOSE-002", "a reason has 32 bits", &[(Op::EndpointClose, &[InvalidArgument])], close_reason),
    refusals("EP-CLOSE-003", "calls that wait are told when it closes", &[(Op::Call, &[Closed])], close_tells),
    case("EP-CLOSE-004", "a call that was taken is answered though the endpoint closed", close_keeps_taken),
    case("EP-CLOSE-005", "a server goes on waiting at a closed endpoint", close_keeps_receiver),
];

fn arrives(w: &mut World) -> Check {
    for words in 0..=8 {
        let mut pair = Pair::waiting(w)?;
        w.blocks(&mut pair.client, call().length(words).label(0xdead_0000 | u32::from(words)), State::Calling)?;
        let out = w.finish(&mut pair.server)?;
        arrived(&out, pair.client, words, 0xdead_0000 | u32::from(words), BADGE)?;
    }
    Ok(())
}

fn arrives_later(w: &mut World) -> Check {
    for words in 0..=8 {
        let mut pair = Pair::new(w)?;
        w.blocks(&mut pair.client, call().length(words).label(words.into()), State::Calling)?;
        let out = w.does(&mut pair.server, RECEIVE)?;
        arrived(&out, pair.client, words, words.into(), BADGE)?;
    }
    Ok(())
}

fn long_words(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let (from, to) = (w.page_of(pair.client)?, w.page_of(pair.server)?);
    for words in [9usize, 10, 15, 16, 17, 31, 32, 33, 63, 64] {
        for late in [false, true] {
            from.fill(|index| 0xc11e_0000 + index as u64)?;
            to.fill(|index| 0x5e52_0000 + index as u64)?;
            let length = words as u8;
            if late {
                w.blocks(&mut pair.client, call().length(length), State::Calling)?;
                w.begin(&mut pair.server, RECEIVE)?;
            } else {
                w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
                w.begin(&mut pair.client, call().length(length))?;
            }
            let out = w.finish(&mut pair.server)?;
            equal(out.word().words(), length, "words")?;
            for index in 8..MAX_WORDS {
                let whose = if index < words { 0xc11e_0000 } else { 0x5e52_0000 };
                equal(to.word(index)?, whose + index as u64, &format!("word {index} of {words}"))?;
            }
            to.fill(|index| 0xa25_0000 + index as u64)?;
            w.does(&mut pair.server, ANSWER.length(length))?;
            let out = w.finish(&mut pair.client)?;
            equal(out.word().words(), length, "words of the answer")?;
            for index in 8..MAX_WORDS {
                let whose = if index < words { 0xa25_0000 } else { 0xc11e_0000 };
                equal(from.word(index)?, whose + index as u64, &format!("word {index} of {words} back"))?;
            }
        }
    }
    Ok(())
}

fn no_page_to_receive(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let mut server = w.agent_with(Setup { page: false, ..Setup::default() })?;
    w.give(server, DOOR, pair.door, Rights::RECEIVE, 0)?;
    w.blocks(&mut server, RECEIVE, State::Receiving)?;
    w.begin(&mut pair.client, call().length(20))?;
    arrived(&w.finish(&mut server)?, pair.client, 8, 0, BADGE)
}

fn unused_bits(w: &mut World) -> Check {
    for unused in UNUSED {
        for words in [0, 3, 8] {
            let mut pair = Pair::waiting(w)?;
            w.blocks(&mut pair.client, call().length(words).label(5).unused(unused), State::Calling)?;
            arrived(&w.finish(&mut pair.server)?, pair.client, words, 5, BADGE)?;
            w.blocks(&mut pair.server, ANSWER_RECEIVE.length(words).label(6).unused(unused), State::Receiving)?;
            arrived(&w.finish(&mut pair.client)?, pair.server, words, 6, 0)?;
        }
    }
    Ok(())
}

fn in_order(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let mut clients = alloc::vec![pair.client];
    for _ in 0..4 {
        let client = w.agent()?;
        w.give(client, DOOR, pair.door, Rights::SEND, BADGE)?;
        clients.push(client);
    }
    for client in &mut clients {
        w.blocks(client, call().length(1), State::Calling)?;
    }
    for client in &mut clients {
        arrived(&w.does(&mut pair.server, RECEIVE)?, *client, 1, 0, BADGE)?;
        w.does(&mut pair.server, ANSWER)?;
        w.finish(client)?;
    }
    Ok(())
}

fn answered(w: &mut World) -> Check {
    for words in 0..=8 {
        let mut pair = Pair::taken(w)?;
        w.does(&mut pair.server, ANSWER.length(words).label(0x1234_5678))?;
        arrived(&w.finish(&mut pair.client)?, pair.server, words, 0x1234_5678, 0)?;
    }
    Ok(())
}

fn own_badges(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    for (index, badge) in [0, 1, 0xffff_ffff_ffff_ffff, 1 << 40, 1 << 24].into_iter().enumerate() {
        let slot = 20 + index as u32;
        w.give(pair.client, slot, pair.door, Rights::SEND, badge)?;
        w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
        w.begin(&mut pair.client, agent::Request::new(Op::Call, slot))?;
        equal(w.finish(&mut pair.server)?.badge(), badge, "badge")?;
        w.does(&mut pair.server, ANSWER)?;
        w.finish(&mut pair.client)?;
    }
    Ok(())
}

/// Servers that each can call the next.
fn chain(w: &mut World, length: usize) -> Check<alloc::vec::Vec<agent::Agent>> {
    /// Where each finds the endpoint of the next.
    const NEXT: u32 = 11;
    let mut all = alloc::vec::Vec::new();
    for _ in 0..length {
        all.push(w.agent()?);
    }
    for index in 1..length {
        let door = w.make(Kind::Endpoint, 0)?;
        w.give(all[index], DOOR, door, Rights::RECEIVE, 0)?;
        w.give(all[index - 1], NEXT, door, Rights::SEND, index as u64)?;
        w.blocks(&mut all[index], RECEIVE, State::Receiving)?;
    }
    for index in 0..length - 1 {
        let words = index as u8 + 2;
        w.blocks(&mut all[index], agent::Request::new(Op::Call, NEXT).length(words), State::Calling)?;
        let from = all[index];
        arrived(&w.finish(&mut all[index + 1])?, from, words, 0, index as u64 + 1)?;
    }
    for index in (1..length).rev() {
        let words = index as u8 + 1;
        w.blocks(&mut all[index], ANSWER_RECEIVE.length(words), State::Receiving)?;
        let from = all[index];
        arrived(&w.finish(&mut all[index - 1])?, from, words, 0, 0)?;
    }
    Ok(all)
}

fn nested(w: &mut World) -> Check {
    chain(w, 3).map(drop)
}

fn nested_deeper(w: &mut World) -> Check {
    chain(w, 5).map(drop)
}

fn out_of_order(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let mut second = w.agent()?;
    w.give(second, DOOR, pair.door, Rights::SEND, 2)?;
    w.give_new(pair.server.table, Kind::Reply, 9)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.blocks(&mut second, call(), State::Calling)?;
    equal(w.does(&mut pair.server, RECEIVE)?.badge(), BADGE, "the first")?;
    equal(w.does(&mut pair.server, RECEIVE.reply(9))?.badge(), 2, "the second")?;
    w.does(&mut pair.server, ANSWER.label(1))?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 0, 1, 0)?;
    equal(w.state(second)?, State::Calling, "the second")?;
    w.does(&mut pair.server, agent::Request::new(Op::Reply, 9).label(2))?;
    arrived(&w.finish(&mut second)?, pair.server, 0, 2, 0)
}

fn waits_for_successor(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.blocks(&mut pair.client, call().length(3), State::Calling)?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[pair.server.thread.into()])?;
    w.settle()?;
    let mut successor = w.agent()?;
    w.give(successor, DOOR, pair.door, Rights::RECEIVE, 0)?;
    arrived(&w.does(&mut successor, RECEIVE)?, pair.client, 3, 0, BADGE)
}

fn call_look_up(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    look_up(w, Op::Call, &[1, 2, 3], Some((door, Rights::RECEIVE | Rights::GRANT)))
}

fn too_many_words(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    for words in [65, 100, 127] {
        failed(&w.does(&mut pair.client, call().length(words))?, TooManyWords, 8)?;
    }
    equal(w.state(pair.server)?, State::Receiving, "the server")
}

fn too_many_caps(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    for caps in MAX_CAPS as u8 + 1..=7 {
        failed(&w.does(&mut pair.client, call().caps(caps))?, TooManyCaps, 8)?;
    }
    equal(w.state(pair.server)?, State::Receiving, "the server")
}

fn no_page(w: &mut World) -> Check {
    let pair = Pair::waiting(w)?;
    let mut client = w.agent_with(Setup { page: false, ..Setup::default() })?;
    w.give(client, DOOR, pair.door, Rights::SEND | Rights::GRANT, 0)?;
    failed(&w.does(&mut client, call().length(9))?, NoMessagePage, 8)?;
    failed(&w.does(&mut client, call().caps(1))?, NoMessagePage, 8)?;
    equal(w.state(pair.server)?, State::Receiving, "the server")
}

fn nothing_to_send(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    let page = w.page_of(pair.client)?;
    for slot in [0, 64, u32::MAX] {
        page.send(&[DOOR, slot])?;
        failed(&w.does(&mut pair.client, call().caps(2))?, SlotOutOfRange, 8)?;
    }
    page.send(&[DOOR, 40])?;
    failed(&w.does(&mut pair.client, call().caps(2))?, EmptySlot, 8)?;
    equal(w.state(pair.server)?, State::Receiving, "the server")
}

fn no_grant(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    w.give(pair.client, 11, pair.door, Rights::SEND, 0)?;
    w.page_of(pair.client)?.send(&[DOOR])?;
    failed(&w.does(&mut pair.client, agent::Request::new(Op::Call, 11).caps(1))?, MissingRight, 0)?;
    equal(w.state(pair.server)?, State::Receiving, "the server")
}

fn closed(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    for reason in [0, 1, u32::MAX] {
        w.ok(Op::EndpointClose, pair.door, &[reason.into()])?;
        for unused in UNUSED {
            let out = w.does(&mut pair.client, call().length(8).unused(unused))?;
            failed(&out, Closed, 0)?;
            equal(out.word().label(), reason, "reason")?;
        }
    }
    Ok(())
}

fn server_dies(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[pair.server.thread.into()])?;
    failed(&w.finish(&mut pair.client)?, PeerGone, MAY_HAVE_ACTED)
}

fn reply_deleted(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.ok(Op::Delete, pair.server.table, &[REPLY.into()])?;
    failed(&w.finish(&mut pair.client)?, PeerGone, MAY_HAVE_ACTED)
}

fn call_cancelled(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.ok(Op::ThreadCancel, pair.client.thread, &[])?;
    failed(&w.finish(&mut pair.client)?, Cancelled, 0)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.does(&mut pair.server, RECEIVE)?;
    w.ok(Op::ThreadCancel, pair.client.thread, &[])?;
    failed(&w.finish(&mut pair.client)?, Cancelled, MAY_HAVE_ACTED)?;
    failed(&w.does(&mut pair.server, ANSWER)?, InvalidState, 0)
}

fn call_revoked(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[pair.door.into()])?;
    // The capability that it called through is gone, the endpoint is not.
    equal(w.state(pair.client)?, State::Calling, "the client")?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[pair.door.into()])?;
    failed(&w.finish(&mut pair.client)?, Revoked, 0)
}

fn taken_survives(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[pair.door.into()])?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[pair.door.into()])?;
    w.does(&mut pair.server, ANSWER.length(2))?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 2, 0, 0)
}

/// Where capabilities arrive.
const WINDOW: u32 = 30;

/// Sends these slots' capabilities of the client; how many arrive, and the flags.
fn sends(w: &mut World, pair: &mut Pair, slots: &[u32], window: (u32, u32)) -> Check<(u8, u8)> {
    let (from, to) = (w.page_of(pair.client)?, w.page_of(pair.server)?);
    from.send(slots)?;
    to.window(window.0, window.1)?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.begin(&mut pair.client, call().length(1).caps(slots.len() as u8))?;
    let out = w.finish(&mut pair.server)?;
    equal(out.status(), Ok(()), "status")?;
    equal((out.word().words(), out.words()[0]), (1, pattern(pair.client.number.into(), 0)), "the words")?;
    Ok((out.word().caps(), out.word().flags()))
}

fn capability_arrives(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let bell = w.make(Kind::Notification, 0)?;
    w.give(pair.client, 20, bell, Rights::SIGNAL, 0x40)?;
    equal(sends(w, &mut pair, &[20], (WINDOW, 1))?, (1, 0), "capabilities and flags")?;
    let arrived = w.inspect(pair.server.table, WINDOW)?;
    equal(&arrived[..2], &[Kind::Notification as u64, Rights::SIGNAL.bits().into()], "kind and rights")?;
    equal(arrived[4], 0x40, "badge")?;
    w.does(&mut pair.server, agent::Request::new(Op::Signal, WINDOW).words(&[1]))?;
    equal(w.ok(Op::Poll, bell, &[])?[0], 0x41, "bits")
}

fn capability_is_derived(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let bell = w.make(Kind::Notification, 0)?;
    w.give(pair.client, 20, bell, ALL, 0)?;
    sends(w, &mut pair, &[20], (WINDOW, 1))?;
    w.ok(Op::Revoke, pair.client.table, &[20])?;
    equal(w.inspect(pair.server.table, WINDOW)?[0], Kind::Null as u64, "the copy")?;
    equal(w.inspect(pair.client.table, 20)?[0], Kind::Notification as u64, "the original")
}

fn four_capabilities(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    for index in 0..4 {
        let bell = w.make(Kind::Notification, 0)?;
        w.give(pair.client, 20 + index, bell, ALL, u64::from(index) + 1)?;
    }
    equal(sends(w, &mut pair, &[20, 21, 22, 23], (WINDOW, 4))?, (4, 0), "capabilities and flags")?;
    for index in 0..4 {
        equal(w.inspect(pair.server.table, WINDOW + index)?[4], u64::from(index) + 1, "badge")?;
    }
    Ok(())
}

fn no_window(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    equal(sends(w, &mut pair, &[DOOR], (WINDOW, 0))?, (0, OUT_CAPS_DROPPED), "capabilities and flags")?;
    w.does(&mut pair.server, ANSWER)?;
    w.finish(&mut pair.client)?;
    equal(sends(w, &mut pair, &[DOOR, DOOR, DOOR], (WINDOW, 2))?, (2, OUT_CAPS_DROPPED), "with too small a window")
}

fn window_occupied(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.give(pair.server, WINDOW + 1, pair.door, Rights::SEND, 9)?;
    let got = sends(w, &mut pair, &[DOOR, DOOR, DOOR], (WINDOW, 3))?;
    equal(got, (1, OUT_CAPS_DROPPED), "capabilities and flags")?;
    equal(w.inspect(pair.server.table, WINDOW + 1)?[4], 9, "what was there")?;
    equal(w.inspect(pair.server.table, WINDOW + 2)?[0], 0, "the slot behind it")
}

fn window_outside(w: &mut World) -> Check {
    for base in [0, 64, u32::MAX] {
        let mut pair = Pair::new(w)?;
        equal(sends(w, &mut pair, &[DOOR], (base, 4))?, (0, OUT_CAPS_DROPPED), "capabilities and flags")?;
    }
    let mut pair = Pair::new(w)?;
    equal(sends(w, &mut pair, &[DOOR, DOOR], (63, u32::MAX))?, (1, OUT_CAPS_DROPPED), "at the end of the table")
}

fn not_copyable(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let memory = w.make(Kind::Untyped, 1)?;
    w.ok(Op::Move, pair.client.table, &[20, TABLE, memory.into()])?;
    equal(sends(w, &mut pair, &[20], (WINDOW, 1))?, (0, OUT_CAPS_DROPPED), "an Untyped")?;
    w.does(&mut pair.server, ANSWER)?;
    w.finish(&mut pair.client)?;
    equal(sends(w, &mut pair, &[REPLY], (WINDOW, 1))?, (0, OUT_CAPS_DROPPED), "a Reply")
}

fn answer_with_capability(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    let bell = w.make(Kind::Notification, 0)?;
    w.give(pair.server, 20, bell, ALL, 5)?;
    w.page_of(pair.server)?.send(&[20])?;
    w.page_of(pair.client)?.window(WINDOW, 1)?;
    w.does(&mut pair.server, ANSWER.caps(1))?;
    equal(w.finish(&mut pair.client)?.word().caps(), 1, "capabilities")?;
    equal(w.inspect(pair.client.table, WINDOW)?[4], 5, "badge")
}

fn receive_look_up(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    look_up(w, Op::Receive, &[], Some((door, Rights::SEND | Rights::GRANT)))
}

/// Reply slots that are none.
const BAD_REPLIES: [(u32, ErrorCode); 5] =
    [(0, SlotOutOfRange), (64, SlotOutOfRange), (u32::MAX, SlotOutOfRange), (40, EmptySlot), (DOOR, WrongKind)];

fn receive_needs_reply(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    for (slot, code) in BAD_REPLIES {
        failed(&w.does(&mut pair.server, RECEIVE.reply(slot))?, code, 9)?;
    }
    Ok(())
}

/// A second thread on the table of the first.
fn twin(w: &mut World, of: agent::Agent) -> Check<agent::Agent> {
    let twin = w.agent()?;
    let handler = w.copy(w.faults(), Rights::SEND, twin.number.into())?;
    let page = [twin.page.into(), abi::layout::USER_MESSAGE_PAGE];
    let args = [of.table.into(), twin.space.into(), page[0], page[1], handler.into(), 0x6464];
    w.ok(Op::ThreadConfigure, twin.thread, &args)?;
    Ok(twin)
}

fn reply_busy(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    failed(&w.does(&mut pair.server, RECEIVE)?, Busy, 9)?;
    w.does(&mut pair.server, ANSWER)?;
    w.finish(&mut pair.client)?;
    let mut twin = twin(w, pair.server)?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    failed(&w.does(&mut twin, RECEIVE)?, Busy, 9)
}

fn receive_cancelled(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    w.ok(Op::ThreadCancel, pair.server.thread, &[])?;
    failed(&w.finish(&mut pair.server)?, Cancelled, 0)?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)
}

fn receive_revoked(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    w.ok(Op::Delete, pair.server.table, &[REPLY.into()])?;
    failed(&w.finish(&mut pair.server)?, Revoked, 0)?;
    let mut pair = Pair::waiting(w)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[pair.door.into()])?;
    equal(w.state(pair.server)?, State::Receiving, "the server")?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[pair.door.into()])?;
    failed(&w.finish(&mut pair.server)?, Revoked, 0)
}

fn two_receivers(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    let (mut second, mut other) = (w.agent()?, w.agent()?);
    w.give(second, DOOR, pair.door, Rights::RECEIVE, 0)?;
    w.give(other, DOOR, pair.door, Rights::SEND, 2)?;
    w.blocks(&mut second, RECEIVE, State::Receiving)?;
    w.blocks(&mut pair.client, call().length(1), State::Calling)?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 1, 0, BADGE)?;
    w.blocks(&mut other, call().length(2), State::Calling)?;
    arrived(&w.finish(&mut second)?, other, 2, 0, 2)
}

/// A Notification that ends the receives of an agent.
fn bound(w: &mut World, agent: agent::Agent) -> Check<u32> {
    let bell = w.make(Kind::Notification, 0)?;
    w.ok(Op::ThreadBind, agent.thread, &[bell.into()])?;
    Ok(bell)
}

/// That a receive returned with bits.
#[track_caller]
fn notified(out: &agent::Out, bits: u64) -> Check {
    equal(out.status(), Ok(()), "status")?;
    equal((out.word().flags(), out.word().words()), (OUT_NOTIFICATION, 1), "flags and words")?;
    equal((out.words(), out.badge()), ([bits, 0, 0, 0, 0, 0, 0, 0], 0), "bits")
}

fn receive_notified(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let bell = bound(w, pair.server)?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.ok(Op::Signal, bell, &[0x11])?;
    notified(&w.finish(&mut pair.server)?, 0x11)?;
    w.ok(Op::Signal, bell, &[0x22])?;
    notified(&w.does(&mut pair.server, RECEIVE)?, 0x22)?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.begin(&mut pair.client, call().length(1))?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 1, 0, BADGE)
}

fn bits_first(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    let bell = bound(w, pair.server)?;
    w.blocks(&mut pair.client, call().length(1), State::Calling)?;
    w.ok(Op::Signal, bell, &[3])?;
    notified(&w.does(&mut pair.server, RECEIVE)?, 3)?;
    arrived(&w.does(&mut pair.server, RECEIVE)?, pair.client, 1, 0, BADGE)
}

fn answers_and_receives(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    for words in 0..=8 {
        w.blocks(&mut pair.server, ANSWER_RECEIVE.length(words).label(words.into()), State::Receiving)?;
        arrived(&w.finish(&mut pair.client)?, pair.server, words, words.into(), 0)?;
        w.begin(&mut pair.client, call().length(8 - words))?;
        arrived(&w.finish(&mut pair.server)?, pair.client, 8 - words, 0, BADGE)?;
    }
    Ok(())
}

fn takes_the_next(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    let mut second = w.agent()?;
    w.give(second, DOOR, pair.door, Rights::SEND, 2)?;
    w.blocks(&mut second, call().length(4), State::Calling)?;
    arrived(&w.does(&mut pair.server, ANSWER_RECEIVE.length(2))?, second, 4, 0, 2)?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 2, 0, 0)
}

fn reply_without_caller(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    w.blocks(&mut pair.server, ANSWER_RECEIVE, State::Receiving)?;
    w.begin(&mut pair.client, call().length(1))?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 1, 0, BADGE)
}

fn answers_with_bits(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    let bell = bound(w, pair.server)?;
    w.ok(Op::Signal, bell, &[0x80])?;
    notified(&w.does(&mut pair.server, ANSWER_RECEIVE.length(3))?, 0x80)?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 3, 0, 0)
}

fn caller_has_left(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.ok(Op::ThreadCancel, pair.client.thread, &[])?;
    failed(&w.finish(&mut pair.client)?, Cancelled, MAY_HAVE_ACTED)?;
    w.blocks(&mut pair.server, ANSWER_RECEIVE.length(3), State::Receiving)
}

fn reply_receive_look_up(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    look_up(w, Op::ReplyReceive, &[], Some((door, Rights::SEND)))?;
    let mut pair = Pair::taken(w)?;
    w.give(pair.server, 11, pair.door, Rights::SEND, 0)?;
    for unused in UNUSED {
        let request = ANSWER_RECEIVE.length(2).unused(unused);
        for (slot, code) in BAD_REPLIES {
            failed(&w.does(&mut pair.server, request.reply(slot))?, code, 9)?;
        }
        let at = |slot| agent::Request::new(Op::ReplyReceive, slot).reply(REPLY).length(2).unused(unused);
        for (slot, code) in [(0, SlotOutOfRange), (64, SlotOutOfRange), (40, EmptySlot), (REPLY, WrongKind)] {
            failed(&w.does(&mut pair.server, at(slot))?, code, 0)?;
        }
        failed(&w.does(&mut pair.server, at(11))?, MissingRight, 0)?;
    }
    still_owed(w, pair)
}

/// The caller still waits and gets its answer.
fn still_owed(w: &mut World, mut pair: Pair) -> Check {
    equal(w.state(pair.client)?, State::Calling, "the client")?;
    w.does(&mut pair.server, ANSWER.length(1).label(9))?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 1, 9, 0)
}

/// Answers that claim too much are refused.
fn claims(w: &mut World, request: agent::Request) -> Check {
    let mut pair = Pair::taken(w)?;
    for unused in UNUSED {
        failed(&w.does(&mut pair.server, request.length(65).unused(unused))?, TooManyWords, 8)?;
        failed(&w.does(&mut pair.server, request.caps(5).unused(unused))?, TooManyCaps, 8)?;
    }
    let page = w.page_of(pair.server)?;
    page.send(&[64])?;
    failed(&w.does(&mut pair.server, request.caps(1))?, SlotOutOfRange, 8)?;
    page.send(&[40])?;
    failed(&w.does(&mut pair.server, request.caps(1))?, EmptySlot, 8)?;
    still_owed(w, pair)?;
    let mut pair = Pair::new(w)?;
    pair.server = w.agent_with(Setup { page: false, ..Setup::default() })?;
    w.give(pair.server, DOOR, pair.door, Rights::RECEIVE, 0)?;
    w.blocks(&mut pair.server, RECEIVE, State::Receiving)?;
    w.blocks(&mut pair.client, call(), State::Calling)?;
    w.finish(&mut pair.server)?;
    failed(&w.does(&mut pair.server, request.length(9))?, NoMessagePage, 8)?;
    still_owed(w, pair)
}

fn reply_receive_message(w: &mut World) -> Check {
    claims(w, ANSWER_RECEIVE)
}

fn reply_receive_busy(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    let mut twin = twin(w, pair.server)?;
    failed(&w.does(&mut twin, ANSWER_RECEIVE)?, Busy, 9)?;
    w.blocks(&mut pair.server, ANSWER_RECEIVE, State::Receiving)?;
    w.finish(&mut pair.client)?;
    failed(&w.does(&mut twin, ANSWER_RECEIVE)?, Busy, 9)
}

fn reply_receive_cancelled(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.blocks(&mut pair.server, ANSWER_RECEIVE.length(1), State::Receiving)?;
    w.ok(Op::ThreadCancel, pair.server.thread, &[])?;
    failed(&w.finish(&mut pair.server)?, Cancelled, 0)?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 1, 0, 0)
}

fn reply_receive_revoked(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.blocks(&mut pair.server, ANSWER_RECEIVE, State::Receiving)?;
    w.finish(&mut pair.client)?;
    w.ok(Op::Revoke, abi::SLOT_TABLE, &[pair.door.into()])?;
    w.ok(Op::Delete, abi::SLOT_TABLE, &[pair.door.into()])?;
    failed(&w.finish(&mut pair.server)?, Revoked, 0)
}

fn reply_answers(w: &mut World) -> Check {
    for words in [0, 1, 8, 9, 64] {
        let mut pair = Pair::taken(w)?;
        equal(w.does(&mut pair.server, ANSWER.length(words).label(3))?.status(), Ok(()), "the reply")?;
        equal(w.finish(&mut pair.client)?.word(), abi::OutWord::message(words, 0, 0, 3), "the answer")?;
    }
    Ok(())
}

fn reply_look_up(w: &mut World) -> Check {
    look_up(w, Op::Reply, &[], None)
}

fn reply_invalid(w: &mut World) -> Check {
    let mut pair = Pair::new(w)?;
    failed(&w.does(&mut pair.server, ANSWER)?, InvalidState, 0)?;
    let mut pair = Pair::taken(w)?;
    let mut twin = twin(w, pair.server)?;
    failed(&w.does(&mut twin, ANSWER)?, InvalidState, 0)?;
    w.does(&mut pair.server, ANSWER)?;
    w.finish(&mut pair.client).map(drop)
}

fn reply_message(w: &mut World) -> Check {
    claims(w, ANSWER)
}

fn reply_once(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.does(&mut pair.server, ANSWER)?;
    w.finish(&mut pair.client)?;
    failed(&w.does(&mut pair.server, ANSWER)?, InvalidState, 0)
}

fn open_look_up(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    look_up(w, Op::EndpointOpen, &[], Some((door, Rights::SEND | Rights::GRANT)))
}

fn opened(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    w.ok(Op::EndpointClose, pair.door, &[1])?;
    failed(&w.does(&mut pair.client, call())?, Closed, 0)?;
    w.ok(Op::EndpointOpen, pair.door, &[])?;
    w.begin(&mut pair.client, call().length(2))?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 2, 0, BADGE)?;
    // An endpoint that is open stays so.
    w.ok(Op::EndpointOpen, pair.door, &[])?;
    w.blocks(&mut pair.server, ANSWER_RECEIVE, State::Receiving)?;
    w.finish(&mut pair.client)?;
    w.begin(&mut pair.client, call().length(2))?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 2, 0, BADGE)
}

fn close_look_up(w: &mut World) -> Check {
    let door = w.make(Kind::Endpoint, 0)?;
    look_up(w, Op::EndpointClose, &[1], Some((door, Rights::SEND | Rights::GRANT)))
}

fn close_reason(w: &mut World) -> Check {
    let mut pair = Pair::waiting(w)?;
    for reason in [1 << 32, u64::MAX] {
        w.refused(Op::EndpointClose, pair.door, &[reason], InvalidArgument, 1)?;
    }
    w.begin(&mut pair.client, call())?;
    arrived(&w.finish(&mut pair.server)?, pair.client, 0, 0, BADGE)
}

fn close_tells(w: &mut World) -> Check {
    let pair = Pair::new(w)?;
    let mut clients = alloc::vec![pair.client];
    for _ in 0..5 {
        let client = w.agent()?;
        w.give(client, DOOR, pair.door, Rights::SEND, 0)?;
        clients.push(client);
    }
    for client in &mut clients {
        w.blocks(client, call(), State::Calling)?;
    }
    w.ok(Op::EndpointClose, pair.door, &[77])?;
    for client in &mut clients {
        let out = w.finish(client)?;
        failed(&out, Closed, 0)?;
        equal(out.word().label(), 77, "reason")?;
    }
    Ok(())
}

fn close_keeps_taken(w: &mut World) -> Check {
    let mut pair = Pair::taken(w)?;
    w.ok(Op::EndpointClose, pair.door, &[1])?;
    w.does(&mut pair.server, ANSWER.length(5))?;
    arrived(&w.finish(&mut pair.client)?, pair.server, 5, 0, 0)
}

fn close_keeps_receiver(w: &mut World) -> Check {
    let pair = Pair::waiting(w)?;
    w.ok(Op::EndpointClose, pair.door, &[1])?;
    w.settle()?;
    equal(w.state(pair.server)?, State::Receiving, "the server")
}
