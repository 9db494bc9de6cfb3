//! Controllers and cards that fail, lie, or are taken away.

use super::fake::{DATA_ERRORS, STATUS};
use super::*;

#[test]
fn what_cannot_be_driven_is_named() {
    let kind = Kind::default;
    for (kind, expected) in [
        (Kind { present: false, ..kind() }, Failure::Unanswered("APP_CMD")),
        (Kind { silent: Some(2), ..kind() }, Failure::Unanswered("ALL_SEND_CID")),
        (Kind { stuck: Some(7), ..kind() }, Failure::Busy),
    ] {
        assert_eq!(open(&Device::new(kind)).map(drop), Err(expected));
    }
    let device = Device::new(kind());
    assert_eq!(SdHost::new(&device.remove().mmio()).map(drop), Err(Failure::Gone));
}

#[test]
fn a_command_that_does_not_end_is_given_up() {
    // The lines cannot be had back either: the controller is not used.
    assert!(open(&Device::new(Kind { mute: Some(7), ..Kind::default() })).is_err());
}

#[test]
fn an_error_is_tried_again_and_then_said() {
    for error in DATA_ERRORS {
        for operation in [Operation::Read, Operation::Write] {
            let mut client = client(Kind::default(), 2);
            client.device.change(|kind| kind.errors = (error, 2));
            assert_eq!(client.outcome(request(operation, 5, 1)), 0, "{error:#x}");
            let commands: Vec<_> = client.device.commands().into_iter().map(|(index, _)| index).collect();
            let moves = if operation == Operation::Read { 18 } else { 25 };
            assert_eq!(commands[..7], [moves, 12, 13, moves, 12, 13, moves], "the card is told to stop before");
            client.device.change(|kind| kind.errors = (error, 3));
            assert_eq!(client.outcome(request(operation, 5, 1)), outcome::DEVICE_FAILED);
            assert_eq!(client.outcome(request(operation, 5, 1)), 0, "the next one may be better");
        }
    }
}

#[test]
fn a_transfer_that_never_ends_is_given_up() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.hangs = 1);
    assert_eq!(client.outcome(read(3)), 0);
    client.device.change(|kind| kind.hangs = u32::MAX);
    assert_eq!(client.outcome(read(3)), outcome::DEVICE_FAILED);
    client.device.change(|kind| kind.hangs = 0);
    assert_eq!(client.outcome(read(3)), 0);
}

#[test]
fn a_write_that_the_card_complains_of_afterwards_fails() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.card.status = 1 << 19);
    assert_eq!(client.outcome(request(Operation::Write, 0, 1)), outcome::DEVICE_FAILED);
}

#[test]
fn memory_that_is_taken_away_is_not_touched() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.hangs = 1);
    client.ask(read(3));
    let before = client.bytes(4096, 512);
    rt::fake_frames::revoke(client.buffer.frame());
    client.pass(30_000);
    assert_eq!(client.bytes(4096, 512), before);
    assert!(client.device.commands().iter().filter(|(index, _)| *index == 18).count() > 1, "it was tried");
}

#[test]
fn random_registers_do_no_harm() {
    let seed = 0x1234_5678_9abc_def1u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..40 {
        let mut client = client(Kind::default(), 2);
        for _ in 0..100 {
            let (operation, bits) = (if random() % 2 == 0 { Operation::Read } else { Operation::Write }, random());
            client.device.change(|kind| {
                kind.card.status = if bits % 3 == 0 { (bits >> 8) as u32 } else { 0 };
                kind.errors = (bits >> 4 & 0xf8, (bits >> 4) as u32 % 4);
                kind.hangs = (bits >> 8) as u32 % 2;
                kind.speed = (bits >> 20) as usize % 17;
                kind.silent = (bits >> 12).is_multiple_of(4).then_some((bits >> 16) as u8 & 63);
                kind.mute = (bits >> 26).is_multiple_of(64).then_some((bits >> 34) as u8 & 63);
                kind.stuck = (bits >> 36).is_multiple_of(64).then_some(bits >> 50 & 0xf);
                kind.present = !(bits >> 42).is_multiple_of(8);
            });
            let _ = client.rings.ask(&client.buffer, &request(operation, bits % 8192, 1));
            let _ = client.block.submit();
            let device = &client.device.registers;
            device.set(STATUS, device.get(STATUS) | random() & 0x7f8);
            (0..20).for_each(|_| client.server.borrow_mut().interrupt());
            client.pass(5);
            client.done();
        }
    }
}
