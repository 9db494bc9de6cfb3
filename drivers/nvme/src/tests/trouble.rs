//! Controllers that cannot be driven, that lie, hang, fail or are taken out.

use core::time::Duration;

use super::fake::{Device, Kind};
use super::*;

/// What the driver says of a controller, and after how long.
fn refused(kind: Kind) -> (Failure, Duration) {
    let device = Device::new(kind);
    let mut clock = Clock::new();
    let failure = open_within(&device, &mut clock).expect_err("refused");
    (failure, clock.elapsed())
}

#[test]
fn a_controller_that_cannot_be_driven_is_refused_by_name() {
    let failure = |kind| refused(kind).0;
    let kind = Kind::default;
    assert_eq!(failure(Kind { nvm: false, ..kind() }), Failure::CommandSet);
    assert_eq!(failure(Kind { min_page: 4, ..kind() }), Failure::PageSize(4));
    assert_eq!(failure(Kind { entries: 1, ..kind() }), Failure::Entries);
    assert_eq!(failure(Kind { blocks: 0, ..kind() }), Failure::NoNamespace);
    assert_eq!(failure(Kind { metadata: 8, ..kind() }), Failure::Metadata(8));
    for power in [0, 8, 13, 255] {
        assert_eq!(failure(Kind { power, ..kind() }), Failure::BlockSize(power));
    }
    assert_eq!(failure(Kind { fatal: true, ..kind() }), Failure::Fatal);
    assert_eq!(failure(Kind { confuses: Some(6), ..kind() }), Failure::Lie);
    for opcode in [6, 9, 5, 1] {
        let Failure::Refused(_, 2) = failure(Kind { refuses: Some(opcode), ..kind() }) else { panic!("{opcode}") };
    }
    let text = Failure::Refused("Create I/O Submission Queue", 0x101).to_string();
    assert_eq!(text, "the controller refuses Create I/O Submission Queue with status 0x101");
}

#[test]
fn waiting_has_an_end() {
    let kind = || Kind { timeout: 4, ..Kind::default() };
    let (failure, time) = refused(Kind { never_ready: true, ..kind() });
    assert_eq!((failure, time.as_millis()), (Failure::NotReady, 2001));
    let (failure, time) = refused(Kind { restless: true, found: (0x46_0001, 1), ..kind() });
    assert_eq!((failure, time.as_millis()), (Failure::NotStopped, 2001));
    for opcode in [6, 9, 5, 1] {
        let (failure, time) = refused(Kind { silent: Some(opcode), ..kind() });
        assert!(matches!(failure, Failure::Unanswered(_)), "{failure}");
        assert_eq!(time.as_millis(), 5001);
    }
}

#[test]
fn a_controller_that_does_not_answer_is_switched_off() {
    let device = Device::new(Kind { silent: Some(5), ..Kind::default() });
    assert!(open(&device).is_err() && device.is_off());
}

#[test]
fn one_that_is_not_there_is_refused() {
    let device = Device::new(Kind::default());
    device.remove();
    assert_eq!(open(&device).expect_err("refused"), Failure::Gone);
}

#[test]
fn doorbells_outside_the_registers_are_refused() {
    let device = kit::fake::Registers::new(0x1000).width_of(0, 8).read_only(0, 1 << 37 | 63).read_write(0x14, 0);
    let registers = [0x28, 0x30].into_iter().fold(device, |device, at| device.width_of(at, 8));
    let failure = Nvme::new(&registers.mmio(), space(), &mut Clock::new(), || Ok(())).expect_err("refused");
    assert!(matches!(failure, Failure::Kit(_)), "{failure}");
}

/// A controller with three requests of a client under way.
fn at_work() -> (Device, Server, Client) {
    let (device, server) = disk(Kind::default());
    kit::class::block::watch(server.clone()).expect("a bit");
    let mut one = client(&server, 7, 9);
    (0..3).for_each(|tag| one.ask(read(tag)));
    one.submit();
    (device, server, one)
}

fn all_failed(client: &mut Client) {
    let mut done = client.done();
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2].map(|tag| (tag, outcome::DEVICE_FAILED)));
}

fn given_up(device: &Device, server: &Server, client: &mut Client) {
    all_failed(client);
    client.ask(read(0));
    assert_eq!(client.block.submit(), Err(Error::Status(Status::DeviceError)));
    server.borrow_mut().interrupt();
    assert!(client.done().iter().all(|&(_, status)| status == outcome::DEVICE_FAILED));
    // And nothing is looked at any more.
    device.registers.log();
    seconds(100);
    assert_eq!(device.registers.log(), []);
}

/// What was woken runs, and time passes.
fn seconds(count: u64) {
    rt::task::run_ready();
    rt::task::fake::advance(count * 1_000_000_000 + 1_000);
}

#[test]
fn a_lying_controller_is_switched_off_and_its_requests_fail() {
    type Lie = fn(&Device);
    let lies: [Lie; 6] = [
        |device| device.claim(1, 0, 3),
        |device| device.claim(1, 0, 0xffff),
        |device| device.claim(0, 0, 0),
        |device| device.claim(2, 0, 0),
        |device| device.claim(1, 64, 0),
        |device| device.claim(1, 0xffff, 0),
    ];
    for lie in lies {
        let (device, server, mut one) = at_work();
        lie(&device);
        server.borrow_mut().interrupt();
        assert!(device.is_off());
        given_up(&device, &server, &mut one);
    }
}

#[test]
fn a_command_that_is_done_twice_is_a_lie() {
    let (device, server, mut one) = at_work();
    device.claim(1, 3, 1);
    device.claim(1, 3, 1);
    server.borrow_mut().interrupt();
    assert!(device.is_off());
    assert_eq!(one.done(), [(1, 0), (0, outcome::DEVICE_FAILED), (2, outcome::DEVICE_FAILED)]);
}

#[test]
fn one_that_fails_or_is_taken_out_is_noticed_while_it_has_commands() {
    for trouble in [Device::fail as fn(&Device), Device::remove] {
        let (device, server, mut one) = at_work();
        trouble(&device);
        seconds(1);
        given_up(&device, &server, &mut one);
    }
}

#[test]
fn a_lost_interrupt_costs_a_second() {
    let (device, _, mut one) = at_work();
    device.serve();
    seconds(1);
    assert_eq!(one.done().len(), 3);
}

#[test]
fn an_idle_controller_is_not_looked_at() {
    let (device, server, mut one) = at_work();
    run(&device, &server);
    assert_eq!(one.done().len(), 3);
    seconds(2);
    device.registers.log();
    seconds(100);
    assert_eq!(device.registers.log(), []);
}

#[test]
fn a_command_that_takes_too_long_ends_in_a_reset() {
    let (device, server, mut one) = at_work();
    seconds(10);
    assert_eq!(one.done(), [], "not yet");
    seconds(1);
    all_failed(&mut one);
    assert!(!device.is_off() && device.pending() == 0);
    for tag in 0..200 {
        assert_eq!(one.outcome(&device, &server, Request { tag, ..read(tag % 60) }), 0);
    }
    // One that is late and another that is not: it is a reset for both.
    one.ask(read(1));
    one.submit();
    seconds(8);
    one.ask(read(2));
    one.submit();
    seconds(3);
    assert_eq!(one.done(), [(2, outcome::DEVICE_FAILED), (1, outcome::DEVICE_FAILED)]);
    assert_eq!(one.outcome(&device, &server, read(3)), 0);
}

#[test]
fn requests_wait_while_the_controller_is_reset() {
    let (device, server, mut one) = at_work();
    device.change(|kind| kind.silent = Some(6));
    seconds(11);
    all_failed(&mut one);
    one.ask(read(5));
    one.submit();
    server.borrow_mut().interrupt();
    assert_eq!((one.done(), device.pending()), (vec![], 0));
    // It does not answer, and is given up: what waits is not forgotten.
    seconds(6);
    assert_eq!(one.done(), [(5, outcome::DEVICE_FAILED)]);
    assert!(device.is_off());
}

#[test]
fn a_controller_that_comes_to_rest_late_keeps_its_memory_till_then() {
    let (device, server, mut one) = at_work();
    device.change(|kind| kind.restless = true);
    seconds(11);
    assert_eq!(one.done(), []);
    one.ask(read(7));
    one.submit();
    device.registers.set(0x1c, 0);
    rt::task::fake::advance(1_000_000);
    all_failed(&mut one);
    assert_eq!(device.pending(), 1, "what waited is under way");
    run(&device, &server);
    assert_eq!(one.done(), [(7, 0)]);
}

#[test]
fn one_that_does_not_come_to_rest_keeps_its_memory_for_ever() {
    let (device, server, mut one) = at_work();
    device.change(|kind| kind.restless = true);
    seconds(11);
    seconds(2);
    given_up(&device, &server, &mut one);
    // It is still the device's: that the driver touches none of it, the fake sees to.
    let _ = one.block.attach(&one.buffer, SignalOn { notification: BELL, bits: 4 });
    let bus = device.seen()[0].data[0];
    kit::dma::fake::device_write(bus, &[1; 512]);
}

#[test]
fn one_that_is_something_else_after_a_reset_is_given_up() {
    let changes: [fn(&mut Kind); 4] =
        [|kind| kind.blocks -= 1, |kind| kind.power = 12, |kind| kind.cache = false, |kind| kind.protected = true];
    for change in changes {
        let (device, server, mut one) = at_work();
        device.change(change);
        seconds(11);
        given_up(&device, &server, &mut one);
        assert!(device.is_off());
        assert_eq!(one.block.info(), Ok(Info { sectors: 8192, read_only: false }));
    }
}

#[test]
fn one_that_completes_nothing_is_given_up_after_three_resets() {
    let (device, server, mut one) = at_work();
    for _ in 0..3 {
        seconds(11);
        all_failed(&mut one);
        assert!(!device.is_off());
        (0..3).for_each(|tag| one.ask(read(tag)));
        one.submit();
    }
    seconds(11);
    assert!(device.is_off());
    given_up(&device, &server, &mut one);
}

#[test]
fn random_requests_and_a_random_controller_do_no_harm() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..60 {
        let power = if round % 3 == 0 { 12 } else { 9 };
        let (device, server) = disk(Kind { power, mdts: 1, blocks: 100, entries: 2 + random(70), ..Kind::default() });
        kit::class::block::watch(server.clone()).expect("a bit");
        let mut clients = [client(&server, 7, 40), client(&server, 8, 4)];
        for _ in 0..400 {
            let client = &mut clients[random(2) as usize];
            let any = request(
                [Operation::Read, Operation::Write, Operation::Flush][random(3) as usize],
                random(110),
                random(70) as u32,
                random(300) as u32 * 512,
            );
            let _ = client.rings.ask(&client.buffer, &any);
            match random(400) {
                0 => device.claim(random(3) as u16, random(70) as u16, random(70) as u16),
                1 => device.fail(),
                2..5 => seconds(random(20)),
                5..150 => device.serve_one(random(device.pending() as u64 + 1) as usize),
                150..200 => drop(client.block.submit()),
                200..230 => drop(client.rings.completion(&client.buffer)),
                _ => server.borrow_mut().interrupt(),
            }
        }
    }
}
