//! The driver on a fake keyboard and a fake tablet.

use ipc::input::{InputClient, InputServer, Status};
use ipc::input::{codes, has};
use ipc::{Error, Loopback, Shared};
use kit::class::input::Service;
use kit::dma::fake::space;
use kit::entropy::Entropy;
use kit::fake::Noise;
use kit::virtio::fake::{Device as Fake, FakeTransport};

use super::*;

const VERSION_1: u64 = 1 << 32;
const KEY_A: u16 = 30;
const KEY_POWER: u16 = 116;
const BTN_LEFT: u16 = 0x110;
const CAPSLOCK: u16 = 1;

/// A device that answers what is selected.
fn fake(answer: impl Fn(u8, u8) -> Vec<u8> + 'static) -> (Fake, FakeTransport) {
    let (device, transport) = Fake::new(18, VERSION_1 | 0xff, &[0; 136]);
    device.answer_config(move |config| {
        let shown = answer(config[0], config[1]);
        config[2] = shown.len() as u8;
        config[8..8 + shown.len().min(128)].copy_from_slice(&shown[..shown.len().min(128)]);
    });
    (device, transport)
}

fn keyboard(select: u8, subsel: u8) -> Vec<u8> {
    match (select, subsel) {
        (0x01, 0) => b"a keyboard".to_vec(),
        (0x03, 0) => vec![6, 0, 0x27, 6, 1, 0, 2, 0],
        (0x11, 1) => codes([KEY_A, KEY_POWER]).to_vec(),
        (0x11, 0x11) => vec![7],
        _ => Vec::new(),
    }
}

fn tablet(select: u8, subsel: u8) -> Vec<u8> {
    match (select, subsel) {
        (0x01, 0) => b"a tablet\0and what lay behind".to_vec(),
        (0x11, 1) => codes([BTN_LEFT]).to_vec(),
        (0x11, 3) => vec![0b111, 0],
        (0x12, 0 | 1) => [0u32, 32767, 0, 0, 12].iter().flat_map(|value| value.to_le_bytes()).collect(),
        (0x12, 2) => [5u32, 5, 0, 0, 0].iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => Vec::new(),
    }
}

fn open(answer: impl Fn(u8, u8) -> Vec<u8> + 'static) -> (Fake, VirtioInput<FakeTransport>) {
    let (device, transport) = fake(answer);
    (device, VirtioInput::new(transport, space()).expect("a device"))
}

/// The device reports an event, if it has a buffer.
fn report(device: &Fake, kind: u16, code: u16, value: i32) -> bool {
    let Some(head) = device.take() else { return false };
    device.serve_one(head, |input, output| {
        assert_eq!((input.len(), output.len()), (0, 8));
        output[..2].copy_from_slice(&kind.to_le_bytes());
        output[2..4].copy_from_slice(&code.to_le_bytes());
        output[4..].copy_from_slice(&value.to_le_bytes());
        8
    });
    true
}

fn events(input: &mut VirtioInput<FakeTransport>) -> Vec<(u16, u16, i32)> {
    core::iter::from_fn(|| input.next()).map(|event| (event.kind, event.code, event.value)).collect()
}

#[test]
fn it_says_what_it_is() {
    let (device, keyboard) = open(keyboard);
    assert_eq!(device.accepted(), VERSION_1);
    let info = keyboard.info();
    assert_eq!((info.name.as_str(), info.kinds), ("a keyboard", 1 | 1 << kind::KEY | 1 << kind::LED));
    assert_eq!(keyboard.identity.ids, [6, 0x627, 1, 2]);
    assert!(has(&keyboard.codes(kind::KEY), KEY_POWER) && !has(&keyboard.codes(kind::KEY), BTN_LEFT));
    assert_eq!((keyboard.codes(kind::ABS).len(), keyboard.axis(0)), (0, None));
    let (_, tablet) = open(tablet);
    assert_eq!(tablet.info().name.as_str(), "a tablet");
    let axis = Axis { maximum: 32767, resolution: 12, ..Axis::default() };
    assert_eq!((tablet.axis(0), tablet.axis(1)), (Some(axis), Some(axis)));
    assert_eq!((tablet.axis(2), tablet.axis(3)), (None, None), "without a range, and without an axis");
}

#[test]
fn events_pass_in_order_and_buffers_go_back() {
    let (device, mut input) = open(tablet);
    assert_eq!((device.notified(), events(&mut input).len()), (1, 0));
    for round in 0..100 {
        assert!(report(&device, kind::ABS, 0, round) && report(&device, kind::ABS, 1, -round));
        assert!(report(&device, kind::KEY, BTN_LEFT, 1) && report(&device, kind::SYN, 0, 0));
        let touch = [(3, 0, round), (3, 1, -round), (1, BTN_LEFT, 1), (0, 0, 0)];
        assert_eq!(events(&mut input), touch);
    }
    let burst = (0..).take_while(|&value| report(&device, kind::ABS, 0, value)).count();
    assert_eq!((burst, events(&mut input).len()), (EVENTS, EVENTS));
}

#[test]
fn what_the_device_did_not_announce_is_passed_over() {
    let (device, mut input) = open(keyboard);
    for (kind, code) in [(1, BTN_LEFT), (3, 0), (1, KEY_A), (40_000, 0), (1, u16::MAX), (0, 0)] {
        assert!(report(&device, kind, code, 1));
    }
    assert_eq!(events(&mut input), [(1, KEY_A, 1), (0, 0, 1)]);
}

#[test]
fn lights_are_switched() {
    let (device, input) = open(keyboard);
    let service = Shared::new(Service::new(input));
    let client = InputClient(Loopback::new(InputServer(service.clone())));
    assert_eq!(client.light(9, true), Err(Error::Status(Status::NoLight)));
    assert_eq!((client.light(CAPSLOCK, true), client.light(CAPSLOCK, false)), (Ok(()), Ok(())));
    let mut seen = Vec::new();
    let lights = device.queue(1);
    lights.serve(|input, output| {
        assert!(output.is_empty());
        seen.push(input.to_vec());
        0
    });
    assert_eq!(seen, [[0x11, 0, 1, 0, 1, 0, 0, 0], [0x11, 0, 1, 0, 0, 0, 0, 0]]);
    let taken = (0..100).take_while(|_| client.light(CAPSLOCK, true).is_ok()).count();
    assert_eq!((taken, client.light(CAPSLOCK, true)), (LIGHTS, Err(Error::Status(Status::NotNow))));
    lights.serve(|_, _| 0);
    service.borrow_mut().interrupt();
    assert_eq!(client.light(CAPSLOCK, true), Ok(()));
}

#[test]
fn devices_that_cannot_be_driven_are_refused() {
    let refused = |transport| VirtioInput::new(transport, space()).expect_err("refused");
    assert!(matches!(refused(Fake::new(4, VERSION_1, &[0; 136]).1), Failure::Kind(_)));
    assert!(matches!(refused(Fake::new(18, 0, &[0; 136]).1), Failure::Features));
    assert!(matches!(refused(Fake::new(18, VERSION_1, &[0; 136]).1), Failure::Config), "nothing can be selected");
    let (device, transport) = Fake::new(18, VERSION_1, &[0; 9]);
    device.answer_config(|config| config[2] = 200);
    assert!(matches!(refused(transport), Failure::Config), "it shows more than there is");
}

#[test]
fn a_device_that_lies_is_reset() {
    // A buffer it was never given, half an event, none.
    for lies in [&[(99, 8)][..], &[(0, 4)], &[(1, 8), (0, 0)]] {
        let (device, mut input) = open(keyboard);
        lies.iter().for_each(|&(id, written)| device.complete(id, written));
        assert!(events(&mut input).len() < 2 && device.is_reset(), "{lies:?}");
        input.acknowledge();
        assert_eq!((events(&mut input).len(), input.light(CAPSLOCK, true)), (0, false));
    }
    let (device, mut input) = open(keyboard);
    device.queue(1).complete(3, 0);
    input.acknowledge();
    assert!(device.is_reset());
}

#[test]
fn random_devices_do_no_harm() {
    let mut noise = Noise::new(11);
    let mut any = move || {
        let mut bytes = [0; 4];
        noise.fill(&mut bytes).expect("noise");
        bytes
    };
    for _ in 0..30 {
        let seed = u64::from(u32::from_le_bytes(any()));
        let (device, transport) = fake(move |select, subsel| {
            let mut noise = Noise::new(seed << 16 | u64::from(select) << 8 | u64::from(subsel));
            let mut shown = [0; 150];
            noise.fill(&mut shown).expect("noise");
            let count = usize::from(shown[149]) % 150;
            shown[..count].to_vec()
        });
        let mut input = VirtioInput::new(transport, space()).expect("whatever it says of itself");
        for code in 0..=u16::from(u8::MAX) {
            assert!(input.axis(code).is_none_or(|axis| axis.minimum < axis.maximum));
        }
        for _ in 0..400 {
            let [what, a, b, c] = any();
            match what % 8 {
                0 if a < 8 => device.queue(usize::from(b % 3)).complete(u32::from(c % 70), u32::from(a)),
                1..4 => _ = report(&device, u16::from(a % 6), u16::from(b), i32::from(c)),
                4 => _ = input.light(u16::from(a % 16), true),
                5 => device.queue(1).serve(|_, _| u32::from(a)),
                6 => input.acknowledge(),
                _ => assert!(events(&mut input).len() <= 4 * EVENTS),
            }
        }
    }
}
