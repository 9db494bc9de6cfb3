//! The driver on a fake device.

use kit::dma::fake::space;
use kit::entropy::Entropy;
use kit::fake::Noise;
use kit::virtio::fake::{Device, FakeTransport};

use super::*;

const VERSION_1: u64 = 1 << 32;

fn generator() -> (Device, VirtioRng<FakeTransport>) {
    let (device, transport) = Device::new(4, VERSION_1 | 0xff, &[]);
    (device, VirtioRng::new(transport, space()).expect("a device"))
}

fn taken(generator: &mut VirtioRng<FakeTransport>) -> Option<Vec<u8>> {
    let mut block = [0xee; BLOCK];
    let count = generator.take(&mut block)?;
    assert!(block[count..].iter().all(|&byte| byte == 0xee));
    Some(block[..count].to_vec())
}

#[test]
fn bytes_come_when_they_are_asked_for() {
    let (device, mut generator) = generator();
    assert_eq!((device.accepted(), device.take(), taken(&mut generator)), (VERSION_1, None, None));
    generator.request();
    generator.request();
    assert_eq!(device.notified(), 1);
    let head = device.take().expect("a buffer");
    assert_eq!((device.take(), taken(&mut generator)), (None, None));
    device.serve_one(head, |input, output| {
        assert_eq!((input.len(), output.len()), (0, BLOCK));
        output[..3].copy_from_slice(&[1, 2, 3]);
        3
    });
    generator.acknowledge();
    assert_eq!((taken(&mut generator), taken(&mut generator)), (Some(vec![1, 2, 3]), None));
}

#[test]
fn the_buffer_is_wiped() {
    let (device, mut generator) = generator();
    generator.request();
    device.serve(|_, output| {
        output.fill(9);
        BLOCK as u32
    });
    assert_eq!(taken(&mut generator), Some(vec![9; BLOCK]));
    let mut left = [1; BLOCK];
    generator.block.read(0, &mut left).expect("inside");
    assert_eq!(left, [0; BLOCK]);
}

#[test]
fn devices_that_cannot_be_driven_are_refused() {
    let refused = |kind, offered| VirtioRng::new(Device::new(kind, offered, &[]).1, space()).expect_err("refused");
    assert!(matches!(refused(2, VERSION_1), Failure::Kind(_)));
    assert!(matches!(refused(4, 0), Failure::Features));
}

#[test]
fn a_device_that_lies_is_reset() {
    // Nothing brought, a buffer it was never given, the same twice.
    for lies in [&[(0, 0)][..], &[(7, 4)], &[(0, 4), (0, 4)], &[(u32::MAX, u32::MAX)]] {
        let (device, mut generator) = generator();
        generator.request();
        lies.iter().for_each(|&(id, written)| device.complete(id, written));
        while taken(&mut generator).is_some() {}
        assert!(generator.has_failed() && device.is_reset(), "{lies:?}");
        generator.request();
        assert_eq!(taken(&mut generator), None);
    }
    let (device, mut generator) = generator();
    generator.request();
    device.complete(0, 5000);
    assert_eq!(taken(&mut generator).map(|bytes| bytes.len()), Some(BLOCK), "more than there is room for");
}

#[test]
fn random_operations_do_no_harm() {
    let mut noise = Noise::new(3);
    for _ in 0..40 {
        let (device, mut generator) = generator();
        for _ in 0..300 {
            let mut any = [0; 4];
            noise.fill(&mut any).expect("noise");
            match any[0] % 8 {
                0..3 => generator.request(),
                3..5 => {
                    if let Some(head) = device.take() {
                        device.serve_one(head, |_, output| u32::from(any[1]) % (output.len() as u32 + 9));
                    }
                }
                5 if any[1] < 16 => device.complete(u32::from(any[2] % 3), u32::from(any[3])),
                6 => generator.acknowledge(),
                _ => assert!(taken(&mut generator).is_none_or(|bytes| (1..=BLOCK).contains(&bytes.len()))),
            }
        }
        assert_eq!(generator.has_failed(), device.is_reset());
    }
}
