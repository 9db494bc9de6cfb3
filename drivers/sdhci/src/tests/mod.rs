//! The driver and its class on a fake controller and card.

mod fake;
mod trouble;

use ipc::block::{Info, Operation, Request, outcome};
use kit::class::block::Disk;
use kit::dma::fake::space;
use kit::fake::Clock;
use sd::fake::{Client, pattern, read, request};
use sd::{Failure, SlotDisk, Wiring};

use super::*;
use fake::{Device, Kind};

fn open(device: &Device) -> Result<SlotDisk<Sdhci>, Failure> {
    SlotDisk::new(Sdhci::new(&device.registers.mmio(), space())?, Wiring::STANDARD, &mut Clock::new())
}

fn client(kind: Kind, pages: usize) -> Client<Sdhci, Device> {
    rt::task::fake::reset();
    let device = Device::new(kind);
    let disk = open(&device).expect("a card");
    let client = Client::new(disk, space(), device.line.clone(), device, pages);
    client.device.commands();
    client
}

/// Cards of all kinds: SDHC, SDSC of both versions.
fn kinds() -> [Kind; 3] {
    let small = Kind { by_blocks: false, ..Kind::default() };
    [Kind::default(), Kind { second: false, ..small.clone() }, small]
}

#[test]
fn cards_of_all_kinds_are_identified() {
    for kind in kinds() {
        let by_blocks = kind.by_blocks;
        let disk = open(&Device::new(kind)).expect("a card");
        assert_eq!(disk.info(), Info { sectors: 8192, read_only: false });
        assert_eq!(disk.card().by_blocks, by_blocks);
    }
}

#[test]
fn the_capacity_is_what_the_csd_says() {
    // From the specification: 2 GB with blocks of 1024, the largest of each version.
    let small = |csd| Kind { by_blocks: false, csd: Some(csd), ..Kind::default() };
    let large = |csd: u128| Kind { csd: Some(1 << 126 | csd), ..Kind::default() };
    let cases = [
        (small(10 << 80 | 4095 << 62 | 7 << 47), 4096 * 512 * 2),
        (small(11 << 80 | 4095 << 62 | 7 << 47), 4096 * 512 * 4),
        (small(9 << 80), 4),
        (large(0x3f_ffff << 48), 1 << 32),
        (large(0), 1024),
    ];
    for (kind, sectors) in cases {
        assert_eq!(open(&Device::new(kind)).expect("a card").info().sectors, sectors);
    }
}

#[test]
fn data_goes_both_ways() {
    for kind in kinds() {
        let scale = if kind.by_blocks { 1 } else { 512 };
        let mut client = client(kind, 4);
        client.buffer.write(4096, &pattern(2048)).expect("inside");
        assert_eq!(client.outcome(request(Operation::Write, 9, 4)), 0);
        assert_eq!(client.device.medium(9 * 512, 2048), pattern(2048));
        assert_eq!(client.device.commands(), [(25, 9 * scale), (13, 0x4567_0000)]);
        assert_eq!(client.outcome(Request { offset: 8192, ..request(Operation::Read, 10, 2) }), 0);
        assert_eq!(client.bytes(8192, 1024), pattern(2048)[512..1536]);
        assert_eq!(client.device.commands(), [(18, 10 * scale)]);
        assert_eq!(client.outcome(read(8191)), 0, "the last one, behind which the card says that it is out of range");
        assert_eq!(client.outcome(read(8192)), outcome::RANGE);
    }
}

#[test]
fn a_request_may_take_several_commands() {
    for capabilities in [Kind::default().capabilities, Kind::default().capabilities & !(1 << 28)] {
        let mut client = client(Kind { capabilities, ..Kind::default() }, 700);
        assert_eq!(client.outcome(request(Operation::Read, 100, 5000)), 0);
        assert_eq!(client.device.commands(), [(18, 100), (18, 2148), (18, 4196)]);
        for sector in [0, 2047, 2048, 4999] {
            assert_eq!(client.bytes(4096 + sector * 512, 4), (100 + sector as u32).to_le_bytes());
        }
    }
}

#[test]
fn several_requests_wait_for_each_other() {
    let mut client = client(Kind::default(), 4);
    for tag in 0..5 {
        let request = Request { tag, offset: 4096 + 512 * tag, ..read(tag.into()) };
        client.rings.ask(&client.buffer, &request).expect("room");
    }
    client.block.submit().expect("attached");
    client.serve();
    assert_eq!(client.done(), [0, 1, 2, 3, 4].map(|tag| (tag, 0)));
}

#[test]
fn what_is_protected_is_not_written() {
    let protected = Kind { csd: Some(1 << 126 | 7 << 48 | 1 << 12), ..Kind::default() };
    for kind in [Kind { writable: false, ..Kind::default() }, protected] {
        let mut client = client(kind, 2);
        assert_eq!(client.block.info().map(|info| info.read_only), Ok(true));
        assert_eq!(client.outcome(request(Operation::Write, 0, 1)), outcome::READ_ONLY);
        assert_eq!(client.device.commands(), []);
    }
    // The switch was moved while the card was out.
    let mut client = client(Kind::default(), 2);
    client.device.change(|kind| kind.writable = false);
    assert_eq!(client.outcome(request(Operation::Write, 0, 1)), outcome::READ_ONLY);
    assert_eq!(client.outcome(read(0)), 0);
}

#[test]
fn one_data_line_is_enough() {
    let device = Device::new(Kind::default());
    let wiring = Wiring { four_bits: false, ..Wiring::STANDARD };
    let host = Sdhci::new(&device.registers.mmio(), space()).expect("a controller");
    SlotDisk::new(host, wiring, &mut Clock::new()).expect("a card");
    assert!(device.commands().iter().all(|&(index, _)| index != 6));
}
