//! The driver on a fake device, alone and behind its class.

use ipc::serial::{SerialClient, SerialServer};
use ipc::{Loopback, Shared, SignalOn, fake::signalled};
use kit::class::serial::Service;
use kit::dma::fake::space;
use kit::entropy::Entropy;
use kit::fake::Noise;
use kit::virtio::fake::{Device, FakeTransport};
use rt::{Badge, Cap, Notification};

use super::*;

const VERSION_1: u64 = 1 << 32;
const BELL: Cap<Notification> = Cap::from_slot(71);

type Line = Shared<Service<VirtioConsole<FakeTransport>>>;

fn console() -> (Device, VirtioConsole<FakeTransport>) {
    let (device, transport) = Device::new(3, VERSION_1 | 7, &[]);
    (device, VirtioConsole::new(transport, space()).expect("a device"))
}

/// The device receives what fits of this into its next buffer.
fn bring(device: &Device, bytes: &[u8]) -> bool {
    let Some(head) = device.take() else { return false };
    device.serve_one(head, |input, output| {
        assert_eq!((input.len(), output.len()), (0, BYTES));
        output[..bytes.len()].copy_from_slice(bytes);
        bytes.len() as u32
    });
    true
}

/// What the device has sent.
fn sent(device: &Device) -> Vec<u8> {
    let mut all = Vec::new();
    device.queue(1).serve(|input, output| {
        assert!(output.is_empty() && !input.is_empty());
        all.extend_from_slice(input);
        0
    });
    all
}

fn received(console: &mut VirtioConsole<FakeTransport>) -> Vec<u8> {
    core::iter::from_fn(|| console.receive())
        .map(|received| match received {
            Received::Byte(byte) => byte,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_device_gets_all_buffers_and_no_features() {
    let (device, _console) = console();
    assert_eq!((device.accepted(), device.notified(), device.queue(1).notified()), (VERSION_1, 1, 0));
    assert_eq!(core::iter::from_fn(|| device.take()).count(), BUFFERS);
}

#[test]
fn what_arrives_is_read_in_order_and_buffers_go_back() {
    let (device, mut console) = console();
    assert_eq!(received(&mut console), b"");
    for _ in 0..10 {
        assert!(bring(&device, b"ab") && bring(&device, b"") && bring(&device, b"") && bring(&device, b"cde"));
        assert!(!bring(&device, b"more than it has buffers for"));
        assert_eq!(received(&mut console), b"abcde");
    }
    assert!(bring(&device, &[7; BYTES]));
    assert_eq!(received(&mut console), [7; BYTES]);
}

#[test]
fn what_is_sent_goes_out_by_the_buffer() {
    let (device, mut console) = console();
    assert!(b"hello".iter().all(|&byte| console.send(byte)));
    assert_eq!(device.queue(1).notified(), 0);
    console.flush();
    console.flush();
    assert_eq!((device.queue(1).notified(), sent(&device)), (1, b"hello".to_vec()));
    // Four buffers under way and one that is collected.
    let taken = (0..2000u32).take_while(|&byte| console.send(byte as u8)).count();
    assert_eq!(taken, 5 * BYTES);
    assert_eq!(sent(&device).len(), 4 * BYTES);
    assert!(console.send(0));
}

#[test]
fn devices_that_cannot_be_driven_are_refused() {
    let refused = |kind, offered| VirtioConsole::new(Device::new(kind, offered, &[]).1, space()).expect_err("refused");
    assert!(matches!(refused(4, VERSION_1), Failure::Kind(_)));
    assert!(matches!(refused(3, 0), Failure::Features));
}

#[test]
fn a_device_that_lies_is_reset_and_nobody_waits_for_it() {
    for queue in [0, 1] {
        let (device, mut console) = console();
        device.queue(queue).complete(9, 1);
        assert_eq!(received(&mut console), b"");
        console.flush();
        assert!(device.is_reset(), "queue {queue}");
        assert!((0..5000).all(|_| console.send(b'x')));
        console.flush();
        assert_eq!(received(&mut console), b"");
    }
    // It says that it wrote more than there is room for.
    let (device, mut console) = console();
    device.complete(0, u32::MAX);
    assert_eq!(received(&mut console).len(), BYTES);
}

#[test]
fn its_class_serves_it() {
    let (device, console) = console();
    let line: Line = Shared::new(Service::new(console));
    let client = SerialClient(Loopback::with_client(SerialServer(line.clone()), Badge::new(7, 1, 0)));
    client.attach(SignalOn { notification: BELL, bits: 1 }).expect("room");
    assert!(bring(&device, b"help\r"));
    line.borrow_mut().interrupt();
    assert_eq!((signalled(BELL), client.read(100).as_deref()), (1, Ok(&b"help\r"[..])));
    assert_eq!((client.write(b"commands\r\n"), sent(&device)), (Ok(10), b"commands\r\n".to_vec()));
    // More than the class has room for stays at the device until it is read.
    let text: Vec<u8> = (0..5000u32).map(|byte| (byte % 251) as u8).collect();
    let (mut left, mut read) = (text.as_slice(), Vec::new());
    while read.len() < text.len() {
        while !left.is_empty() {
            let part = left.len().min(BYTES);
            if !bring(&device, &left[..part]) {
                break;
            }
            left = &left[part..];
            line.borrow_mut().interrupt();
        }
        read.extend_from_slice(&client.read(300).expect("attached"));
    }
    assert!(read == text);
}

#[test]
fn random_operations_do_no_harm() {
    let mut noise = Noise::new(5);
    for _ in 0..20 {
        let (device, console) = console();
        let line: Line = Shared::new(Service::new(console));
        let client = SerialClient(Loopback::with_client(SerialServer(line.clone()), Badge::new(7, 1, 0)));
        client.attach(SignalOn { notification: BELL, bits: 1 }).expect("room");
        for _ in 0..1500 {
            let mut any = [0; 4];
            noise.fill(&mut any).expect("noise");
            match any[0] % 16 {
                0 if any[1] < 8 => {
                    device.queue(usize::from(any[2] % 3)).complete(u32::from(any[3] % 6), u32::from(any[1]))
                }
                0..4 => _ = bring(&device, &[any[1]; BYTES][..usize::from(any[2])]),
                4..7 => {
                    if let Some(head) = device.queue(1).take() {
                        device.queue(1).serve_one(head, |_, _| u32::from(any[1]));
                    }
                }
                7..10 => _ = client.write(&[any[1]; 504][..usize::from(any[2]) + 200]),
                10..13 => _ = client.read(u32::from(any[1]) * 3),
                _ => line.borrow_mut().interrupt(),
            }
        }
    }
}
