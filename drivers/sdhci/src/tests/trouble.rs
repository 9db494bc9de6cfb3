//! Controllers and cards that fail, lie, or are taken away.

use ipc::Error;
use ipc::block::Status;

use super::fake::DATA_CRC;
use super::*;

fn failure(kind: Kind) -> Failure {
    open(&Device::new(kind)).map(drop).expect_err("it cannot be driven")
}

#[test]
fn what_cannot_be_driven_is_named() {
    let kind = Kind::default;
    let csd = |csd, by_blocks| Kind { csd: Some(csd), by_blocks, ..Kind::default() };
    for (kind, expected) in [
        (Kind { present: false, ..kind() }, Failure::NoCard),
        (Kind { capabilities: 100 << 8 | 1 << 24, ..kind() }, Failure::Dma),
        (Kind { capabilities: 100 << 8 | 1 << 19, ..kind() }, Failure::Voltage),
        (Kind { stuck: true, ..kind() }, Failure::NotReset),
        (Kind { unstable: true, ..kind() }, Failure::Clock),
        (Kind { state: 0b01, ..kind() }, Failure::Busy),
        (Kind { state: 0b10, ..kind() }, Failure::Busy),
        (Kind { slow: u32::MAX, ..kind() }, Failure::NotReady),
        (Kind { echo: 0x155, ..kind() }, Failure::Echo(0x155)),
        (Kind { silent: Some(2), ..kind() }, Failure::Unanswered("ALL_SEND_CID")),
        (Kind { mute: Some(0), ..kind() }, Failure::Unanswered("GO_IDLE_STATE")),
        (Kind { mute: Some(7), ..kind() }, Failure::Unanswered("SELECT_CARD")),
        (Kind { status: 1 << 25, ..kind() }, Failure::Locked),
        (Kind { status: 1 << 19, ..kind() }, Failure::Refused("SELECT_CARD", 1 << 19)),
        (csd(0, false), Failure::Capacity),
        (csd(15 << 80, false), Failure::Capacity),
        (csd(1 << 126, false), Failure::Csd { structure: 1, by_blocks: false }),
        (csd(9 << 80, true), Failure::Csd { structure: 0, by_blocks: true }),
        (csd(u128::MAX, true), Failure::Csd { structure: 3, by_blocks: true }),
    ] {
        assert_eq!(failure(kind), expected);
    }
    let device = Device::new(kind());
    device.remove();
    assert_eq!(open(&device).map(drop), Err(Failure::Gone));
}

#[test]
fn an_error_is_tried_again_and_then_said() {
    for error in [DATA_CRC, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24, 1 << 25] {
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
fn a_card_that_ends_no_transfer_is_identified_anew() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| (kind.errors, kind.silent) = ((DATA_CRC, 1), Some(13)));
    client.ask(read(3));
    client.device.change(|kind| kind.silent = None);
    assert_eq!(client.done(), []);
    client.pass(100);
    assert_eq!(client.done(), [(0, 0)]);
    assert!(client.device.commands().contains(&(0, 0)));
}

#[test]
fn a_short_transfer_is_an_error() {
    // It says that it is done, and the card that it is not where it was asked to be.
    let mut client = client(Kind { csd: Some(1 << 126 | 0xffff << 48), ..Kind::default() }, 2);
    assert_eq!(client.outcome(read(60_000_000)), outcome::DEVICE_FAILED);
    assert_eq!(client.outcome(read(0)), 0);
}

#[test]
fn a_write_that_the_card_complains_of_afterwards_fails() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.status = 1 << 19);
    assert_eq!(client.outcome(request(Operation::Write, 0, 1)), outcome::DEVICE_FAILED);
}

#[test]
fn a_card_that_comes_back_goes_on() {
    let mut client = client(Kind::default(), 2);
    client.device.insert(false);
    client.serve();
    client.pass(10);
    assert_eq!(client.outcome(read(3)), outcome::DEVICE_FAILED);
    client.device.insert(true);
    client.serve();
    client.pass(100);
    assert_eq!(client.outcome(read(3)), 0);
}

#[test]
fn a_card_that_is_taken_out_in_the_middle_fails_its_request() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.hangs = 1);
    client.ask(read(3));
    client.device.insert(false);
    client.serve();
    client.pass(2000);
    assert_eq!(client.done(), [(0, outcome::DEVICE_FAILED)]);
    client.device.insert(true);
    client.serve();
    client.pass(100);
    assert_eq!(client.outcome(read(3)), 0);
}

#[test]
fn another_card_is_not_taken_for_the_first() {
    let mut client = client(Kind::default(), 2);
    client.device.insert(false);
    client.serve();
    client.pass(10);
    client.device.change(|kind| kind.cid += 1 << 8);
    client.device.insert(true);
    client.serve();
    client.pass(100);
    assert_eq!(client.outcome(request(Operation::Write, 3, 1)), outcome::DEVICE_FAILED);
    client.device.insert(false);
    client.serve();
    client.pass(10);
    client.device.change(|kind| kind.cid -= 1 << 8);
    client.device.insert(true);
    client.serve();
    client.pass(100);
    assert_eq!(client.outcome(request(Operation::Write, 3, 1)), 0);
}

#[test]
fn a_controller_that_is_gone_fails_all() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.hangs = 1);
    client.ask(read(3));
    client.device.remove();
    client.server.borrow_mut().interrupt();
    assert_eq!(client.done(), [(0, outcome::DEVICE_FAILED)]);
    assert_eq!(client.block.submit(), Err(Error::Status(Status::DeviceError)));
}

#[test]
fn an_interrupt_without_end_is_cut_off() {
    let client = client(Kind { sticky: 1 << 6, ..Kind::default() }, 2);
    client.device.raise(1 << 6);
    for _ in 0..20_000 {
        if client.device.line.is_raised() {
            client.server.borrow_mut().interrupt();
        }
    }
    assert!(!client.device.line.is_raised());
    assert_eq!(client.block.submit(), Err(Error::Status(Status::DeviceError)));
}

#[test]
fn a_controller_that_does_not_come_to_rest_keeps_the_memory() {
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| (kind.hangs, kind.stuck) = (1, true));
    assert_eq!(client.outcome(read(3)), outcome::DEVICE_FAILED);
    assert_eq!(client.block.submit(), Err(Error::Status(Status::DeviceError)));
}

#[test]
fn random_registers_do_no_harm() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..40 {
        let mut client = client(Kind::default(), 2);
        for _ in 0..100 {
            let (operation, bits) = (if random() % 2 == 0 { Operation::Read } else { Operation::Write }, random());
            client.device.change(|kind| {
                kind.status = if bits % 3 == 0 { (bits >> 8) as u32 } else { 0 };
                kind.errors = (1 << (16 + bits % 10), (bits >> 4) as u32 % 4);
                kind.hangs = (bits >> 8) as u32 % 2;
                kind.silent = (bits >> 12).is_multiple_of(4).then_some((bits >> 16) as u8 & 63);
                kind.state = if (bits >> 24).is_multiple_of(8) { bits >> 32 & 3 } else { 0 };
                kind.stuck = (bits >> 36).is_multiple_of(64);
                kind.present = !(bits >> 42).is_multiple_of(8);
            });
            let _ = client.rings.ask(&client.buffer, &request(operation, bits % 8192, 1));
            let _ = client.block.submit();
            client.device.raise(random() & 0x03ff_00c3);
            (0..20).for_each(|_| client.server.borrow_mut().interrupt());
            client.pass(5);
            client.done();
        }
    }
}
