//! Requests that make sense to a kind of virtio device: what is corrupted.

use alloc::vec::Vec;

use kit::virtio::DeviceType;

use crate::random::Random;

/// A piece of a request.
#[derive(Clone, Debug)]
pub enum Piece {
    /// The device reads these bytes.
    Says(Vec<u8>),
    /// It writes, or reads, so many bytes of data.
    Data(u32, bool),
}

/// A request to a queue.
#[derive(Clone, Debug)]
pub struct Request {
    /// The queue.
    pub queue: u16,
    /// Its pieces.
    pub pieces: Vec<Piece>,
}

/// Queues of the kind that are used.
pub const fn queues(kind: DeviceType) -> u16 {
    match kind {
        DeviceType::Console => 4,
        DeviceType::Network | DeviceType::Input | DeviceType::GPU => 2,
        _ => 1,
    }
}

/// Features that are taken if they are offered: ports and their control queues of a console (virtio 1.2, 5.3.3).
pub const fn features(kind: DeviceType) -> u64 {
    match kind {
        DeviceType::Console => 1 << 1,
        _ => 0,
    }
}

/// Bytes a descriptor has at least that is not a table. QEMU 7.2 ends itself (`assert` in `iov_copy` and `iov_from_buf_full`) where a
/// frame that is sent, or memory for one that comes, is shorter than the frame's header (virtio 1.2, 5.1.6); which is a fault of the
/// emulator and nothing that a system under it can do anything about.
pub const fn least(kind: DeviceType) -> u32 {
    match kind {
        DeviceType::Network => 12,
        _ => 0,
    }
}

/// A random one that makes sense. `data`: where memory lies whose address stands in requests.
pub fn sensible(kind: DeviceType, random: &mut Random, data: u64) -> Request {
    match kind {
        DeviceType::Block => block(random),
        DeviceType::Network => network(random),
        DeviceType::GPU => gpu(random, data),
        DeviceType::Input => input(random),
        DeviceType::Console => console(random),
        _ => Request { queue: 0, pieces: Vec::from([Piece::Data(1 + random.below(64) as u32, true)]) },
    }
}

fn words(words: &[u32]) -> Piece {
    Piece::Says(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// 5.2.6: read, write, flush, and the name of the disk.
fn block(random: &mut Random) -> Request {
    let kind = random.one_of(&[0, 0, 0, 1, 1, 4, 8]);
    let sector = random.below(2048) as u32;
    let data = match kind {
        0 | 1 => Some(Piece::Data(512 * (1 + random.below(8) as u32), kind == 0)),
        8 => Some(Piece::Data(20, true)),
        _ => None,
    };
    let pieces = [words(&[kind, 0, sector, 0])].into_iter().chain(data).chain([Piece::Data(1, true)]).collect();
    Request { queue: 0, pieces }
}

/// 5.1.6: a frame to be sent, a question that is answered; or memory for what comes.
fn network(random: &mut Random) -> Request {
    if random.below(2) == 0 {
        return Request { queue: 0, pieces: Vec::from([Piece::Data(2048, true)]) };
    }
    let mut frame = [0; 72];
    frame[12..72].copy_from_slice(&crate::arp::QUESTION);
    Request { queue: 1, pieces: Vec::from([Piece::Says(frame.into())]) }
}

/// 5.7.6: commands of the display, among them one that has an address in it.
fn gpu(random: &mut Random, data: u64) -> Request {
    let head = |command: u32, rest: &[u32]| words(&[&[command, 0, 0, 0, 0, 0], rest].concat());
    let says = match random.below(6) {
        0 => head(0x100, &[]),
        1 => head(0x101, &[1, 1, 16, 16]),
        2 => head(0x106, &[1, 1, data as u32, (data >> 32) as u32, 1024, 0]),
        3 => head(0x105, &[0, 0, 16, 16, 0, 0, 1, 0]),
        4 => head(0x102, &[1, 0]),
        _ => head(0x104, &[0, 0, 16, 16, 1, 0]),
    };
    Request { queue: 0, pieces: Vec::from([says, Piece::Data(512, true)]) }
}

/// 5.8.6: memory for events, or the state of a lamp.
fn input(random: &mut Random) -> Request {
    if random.below(4) == 0 {
        return Request { queue: 0, pieces: Vec::from([Piece::Data(8, true)]) };
    }
    Request { queue: 1, pieces: Vec::from([words(&[0x11, random.below(2) as u32])]) }
}

/// 5.3.6: bytes to be sent, memory for those that come, and the same of the control queues, which answer.
fn console(random: &mut Random) -> Request {
    let queue = random.below(4) as u16;
    let piece = match queue {
        0 | 2 => Piece::Data(64, true),
        1 => Piece::Says(Vec::from(*b"hello\n")),
        _ => words(&[random.one_of(&[0, 0, 0, 1]), 0x1_0000 * random.below(2) as u32 + random.one_of(&[0, 3, 6])]),
    };
    Request { queue, pieces: Vec::from([piece]) }
}
