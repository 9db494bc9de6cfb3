//! The driver on a fake device, which reads and writes its rings as the data sheet says, and lies.

use kit::dma::fake::{device_read, device_write, space};
use kit::fake;

use super::*;

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
const RECEIVE: usize = 0x2800;
const TRANSMIT: usize = 0x3800;

/// The device and its line.
fn device() -> (fake::Registers, fake::Line) {
    let device = fake::Registers::new(0x2_0000)
        .read_write(0x0000, 0)
        .on_write(0x0000, |device, value| device.set(0x0000, value & !(1 << 26)))
        .read_only(0x0008, 2)
        .read_write(0x0018, 0)
        .write_one_to_clear(0x00c0, 0)
        .on_write(0x00d0, |device, ones| device.set(0x00d4, device.get(0x00d4) | ones))
        .read_only(0x00d4, 0)
        .on_write(0x00d8, |device, ones| device.set(0x00d4, device.get(0x00d4) & !ones))
        .write_only(0x00e4)
        .read_write(0x0100, 0)
        .read_write(0x0400, 0)
        .read_only(0x5400, u64::from(u32::from_le_bytes([MAC[0], MAC[1], MAC[2], MAC[3]])))
        .read_only(0x5404, 1 << 31 | u64::from(u16::from_le_bytes([MAC[4], MAC[5]])));
    let device = [RECEIVE, TRANSMIT].into_iter().fold(device, |device, ring| {
        [0, 4, 8, 0x10, 0x18].into_iter().fold(device, |device, at| device.write_only(ring + at))
    });
    let line = device.line(|device| device.get(0x00c0) & device.get(0x00d4) != 0);
    (device, line)
}

fn open(device: &fake::Registers) -> Result<E1000e, Failure> {
    E1000e::new(&device.mmio(), space(), || Ok(()))
}

/// The device's next descriptor of a ring: where it lies; none if the driver has given it no more.
fn next(device: &fake::Registers, ring: usize) -> Option<u64> {
    let (head, tail) = (device.get(ring + 0x10), device.get(ring + 0x18));
    let bus = device.get(ring) | device.get(ring + 4) << 32;
    (head != tail).then(|| {
        device.set(ring + 0x10, (head + 1) % (device.get(ring + 8) / 16));
        bus + 16 * head
    })
}

fn words(at: u64) -> (u64, u32, u32) {
    let mut bytes = [0; 16];
    device_read(at, &mut bytes);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    (u64::from(word(0)) | u64::from(word(4)) << 32, word(8), word(12))
}

fn write_back(at: u64, word: u32, status: u32) {
    device_write(at + 8, &word.to_le_bytes());
    device_write(at + 12, &status.to_le_bytes());
}

/// A frame comes, of which the device says this; `false`: there is no room for it.
fn arrives(device: &fake::Registers, frame: &[u8], length: usize, status: u32) -> bool {
    let Some(at) = next(device, RECEIVE) else { return false };
    device_write(words(at).0, frame);
    write_back(at, length as u32, status);
    device.set(0x00c0, 1 << 7);
    true
}

fn text(received: &Received) -> Option<Vec<u8>> {
    received.frame.as_ref().map(|frame| {
        let mut bytes = vec![0; frame.bytes()];
        frame.read(0, &mut bytes).unwrap();
        bytes
    })
}

fn piece(bytes: &[u8]) -> Piece {
    let memory = Rc::new(Memory::new(space(), 1).unwrap());
    let piece = Piece::new(&memory, 64, bytes.len()).unwrap();
    piece.write(0, bytes).unwrap();
    piece
}

#[test]
fn it_has_the_address_of_its_eeprom_and_receives() {
    let (device, line) = device();
    let mut nic = open(&device).unwrap();
    let info = nic.info();
    assert_eq!((info.mac, info.mtu, info.link), (Mac(MAC), 1500, true));
    assert_eq!(device.get(0x0100), 1 << 1 | 1 << 4 | 1 << 15 | 1 << 26);
    assert!(!line.is_raised());
    for round in 0..200u8 {
        let frame = [round; 60];
        assert!(arrives(&device, &frame, 60, 3));
        assert!(line.is_raised());
        assert!(!nic.acknowledge() && !line.is_raised());
        let received = nic.received().unwrap();
        assert_eq!(text(&received).as_deref(), Some(&frame[..]));
        assert!(nic.received().is_none());
        nic.recycle(received.id);
        nic.start();
    }
}

#[test]
fn what_is_no_frame_comes_without_bytes_and_its_room_is_used_again() {
    let (device, _) = device();
    let mut nic = open(&device).unwrap();
    let lies = [(60, 1), (60, 3 | 1 << 8), (60, 3 | 0x80 << 8), (13, 3), (1515, 3), (0xffff, 3), (0, 3)];
    for (length, status) in lies.into_iter().cycle().take(200) {
        assert!(arrives(&device, &[1; 60], length, status));
        nic.acknowledge();
        let received = nic.received().unwrap();
        assert!(received.frame.is_none(), "{length} {status:#x}");
        nic.recycle(received.id);
        nic.start();
    }
}

#[test]
fn frames_wait_while_nobody_looks_and_none_overtakes() {
    let (device, _) = device();
    let mut nic = open(&device).unwrap();
    let came = (0..100u8).take_while(|&number| arrives(&device, &[number; 60], 60, 3)).count();
    assert_eq!(came, PLACES);
    let ids: Vec<_> = core::iter::from_fn(|| nic.received()).map(|it| (it.id, text(&it).unwrap()[0])).collect();
    assert!(ids.iter().zip(0..).all(|((_, number), wanted)| *number == wanted) && ids.len() == PLACES);
    // Their rooms come back in another order.
    ids.iter().rev().for_each(|(id, _)| nic.recycle(*id));
    nic.start();
    assert_eq!((0..100u8).take_while(|&number| arrives(&device, &[number; 60], 60, 3)).count(), PLACES);
}

#[test]
fn frames_go_out() {
    let (device, _) = device();
    let mut nic = open(&device).unwrap();
    assert!((0..PLACES).all(|id| nic.send(piece(&[id as u8; 100]), id)));
    assert!(!nic.send(piece(&[0; 100]), 0), "no more than it takes");
    assert!(next(&device, TRANSMIT).is_none(), "it was not told");
    nic.start();
    for id in 0..PLACES {
        assert!(nic.sent().is_none());
        let at = next(&device, TRANSMIT).unwrap();
        let (bus, word, status) = words(at);
        assert_eq!((word, status), (100 | 0b1011 << 24, 0));
        let mut bytes = [0; 100];
        device_read(bus, &mut bytes);
        assert_eq!(bytes, [id as u8; 100]);
        write_back(at, word, 1);
        assert_eq!(nic.sent(), Some((id, true)));
    }
    assert!(nic.sent().is_none());
}

#[test]
fn a_done_bit_where_nothing_is_under_way_is_not_believed() {
    let (device, _) = device();
    let mut nic = open(&device).unwrap();
    let bus = device.get(TRANSMIT) | device.get(TRANSMIT + 4) << 32;
    (0..ring::ENTRIES as u64).for_each(|index| write_back(bus + 16 * index, 0, 1));
    assert!(nic.sent().is_none());
    assert!(nic.send(piece(&[0; 60]), 5));
    nic.start();
    assert!(nic.sent().is_none(), "it was written anew");
}

#[test]
fn the_link_comes_and_goes() {
    let (device, line) = device();
    let mut nic = open(&device).unwrap();
    device.set(0x0008, 0);
    device.set(0x00c0, 1 << 2);
    assert!(line.is_raised() && nic.acknowledge() && !nic.info().link);
    device.set(0x0008, 2);
    device.set(0x00c0, 1 << 2);
    assert!(nic.acknowledge() && nic.info().link);
}

#[test]
fn one_that_is_gone_fails_what_it_had_and_takes_no_more() {
    let (device, _) = device();
    let mut nic = open(&device).unwrap();
    assert!(nic.send(piece(&[0; 60]), 7) && nic.send(piece(&[0; 60]), 8));
    nic.start();
    for at in [0x0000, 0x0008, 0x00c0] {
        device.set(at, u32::MAX.into());
    }
    assert!(nic.acknowledge() && nic.has_failed() && !nic.info().link);
    assert_eq!((nic.sent(), nic.sent(), nic.sent()), (Some((7, false)), Some((8, false)), None));
    assert!(!nic.send(piece(&[0; 60]), 9) && nic.received().is_none() && !nic.acknowledge());
    nic.recycle(0);
    nic.start();
}

#[test]
fn what_cannot_be_used_is_named() {
    let (gone, _) = device();
    gone.set(0x0008, u32::MAX.into());
    assert_eq!(open(&gone).unwrap_err(), Failure::Gone);
    let stuck = device().0.on_write(0x0000, |device, value| device.set(0x0000, value));
    assert_eq!(open(&stuck).unwrap_err(), Failure::NotReset);
    let (nameless, _) = device();
    nameless.set(0x5404, 0);
    assert_eq!(open(&nameless).unwrap_err(), Failure::NoAddress);
    assert!(matches!(
        E1000e::new(&device().0.mmio().part(0, 0x5000).unwrap(), space(), || Ok(())),
        Err(Failure::Kit(_))
    ));
}
