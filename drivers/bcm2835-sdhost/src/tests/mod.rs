//! The driver and its class on a fake controller and card.

mod fake;
mod trouble;

use ipc::block::{Info, Operation, Request, outcome};
use kit::class::block::Disk;
use kit::dma::Space;
use kit::fake::Clock;
use sd::fake::{Client, pattern, read, request};
use sd::{SlotDisk, Wiring};

use super::*;
use fake::{Device, Kind};

fn open(device: &Device) -> Result<SlotDisk<SdHost>, Failure> {
    SlotDisk::new(SdHost::new(&device.registers.mmio())?, Wiring::STANDARD, &mut Clock::new())
}

fn client(kind: Kind, pages: usize) -> Client<SdHost, Device> {
    rt::task::fake::reset();
    let device = Device::new(kind);
    let disk = open(&device).expect("a card");
    let client = Client::new(disk, Space::none(), device.line.clone(), device, pages);
    client.device.commands();
    client
}

fn kind(second: bool, by_blocks: bool) -> Kind {
    Kind { card: sd::fake::Kind { second, by_blocks, ..sd::fake::Kind::default() }, ..Kind::default() }
}

#[test]
fn cards_of_all_kinds_are_identified() {
    for kind in [kind(true, true), kind(false, false), kind(true, false)] {
        let (cid, by_blocks) = (kind.card.cid, kind.card.by_blocks);
        let disk = open(&Device::new(kind)).expect("a card");
        assert_eq!(disk.info(), Info { sectors: 8192, read_only: false });
        assert_eq!((disk.card().by_blocks, disk.card().cid), (by_blocks, cid), "without the checksum");
    }
}

#[test]
fn what_is_written_is_on_the_card_and_is_read_again() {
    for (kind, scale) in [(kind(true, true), 1), (kind(true, false), 512)] {
        for speed in [1, 3, 16] {
            let mut client = client(Kind { speed, ..kind.clone() }, 4);
            client.buffer.write(4096, &pattern(2048)).expect("inside");
            assert_eq!(client.outcome(request(Operation::Write, 9, 4)), 0);
            assert_eq!(client.device.medium(9 * 512, 2048), pattern(2048));
            assert_eq!(client.device.commands(), [(25, 9 * scale), (12, 0), (13, 0x4567_0000)]);
            assert_eq!(client.outcome(Request { offset: 8192, ..request(Operation::Read, 10, 2) }), 0);
            assert_eq!(client.bytes(8192, 1024), pattern(2048)[512..1536]);
            assert_eq!(client.device.commands(), [(18, 10 * scale), (12, 0)]);
            assert_eq!((client.outcome(read(8191)), client.outcome(read(8192))), (0, outcome::RANGE));
        }
    }
}

#[test]
fn a_request_may_take_several_commands() {
    let mut client = client(Kind::default(), 200);
    assert_eq!(client.outcome(request(Operation::Read, 100, 600)), 0);
    let commands: Vec<_> = client.device.commands().into_iter().filter(|(index, _)| *index == 18).collect();
    assert_eq!(commands, [(18, 100), (18, 356), (18, 612)]);
    for sector in [0, 255, 256, 511, 512, 599] {
        assert_eq!(client.bytes(4096 + sector * 512, 4), (100 + sector as u32).to_le_bytes());
    }
}

#[test]
fn one_data_line_is_enough() {
    let device = Device::new(Kind::default());
    let wiring = Wiring { four_bits: false, ..Wiring::STANDARD };
    let host = SdHost::new(&device.registers.mmio()).expect("a controller");
    SlotDisk::new(host, wiring, &mut Clock::new()).expect("a card");
    assert!(device.commands().iter().all(|&(index, _)| index != 6));
}
