//! The driver and its class on a fake controller and card.

mod fake;
mod trouble;

use ipc::block::{BlockClient, BlockServer, ClientRings, Completion, Info, Operation, RINGS, Request, outcome};
use ipc::{Loopback, Shared, SignalOn};
use kit::class::block::{Disk, Service};
use kit::dma::fake::space;
use kit::fake::Clock;
use rt::{Badge, Cap, Notification, SharedBuffer};
use sd::{Failure, SlotDisk, Wiring};

use super::*;
use fake::{Device, Kind};

const BELL: Cap<Notification> = Cap::from_slot(70);

type Server = Shared<Service<SlotDisk<Sdhci>>>;

fn open(device: &Device) -> Result<SlotDisk<Sdhci>, Failure> {
    SlotDisk::new(Sdhci::new(&device.registers.mmio(), space())?, Wiring::STANDARD, &mut Clock::new())
}

/// A client with a buffer and rings.
struct Client {
    block: BlockClient<Loopback<BlockServer<Server>>>,
    rings: ClientRings,
    buffer: SharedBuffer,
    device: Device,
    server: Server,
}

fn client(kind: Kind, pages: usize) -> Client {
    rt::task::fake::reset();
    let device = Device::new(kind);
    let server = Shared::new(Service::new(open(&device).expect("a card"), space()));
    kit::class::block::watch(server.clone()).expect("a bit");
    let loopback = Loopback::with_client(BlockServer(server.clone()), Badge::new(7, 1, 0));
    let buffer = SharedBuffer::fake(pages * 4096);
    let rings = RINGS.client(&buffer).expect("a page");
    let client = Client { block: BlockClient(loopback), rings, buffer, device, server };
    client.block.attach(&client.buffer, SignalOn { notification: BELL, bits: 4 }).expect("room");
    client.device.commands();
    client
}

impl Client {
    fn done(&mut self) -> Vec<(u32, u32)> {
        let next = || self.rings.completion(&self.buffer).expect("no lie");
        core::iter::from_fn(next).map(|Completion { tag, status }| (tag, status)).collect()
    }

    fn ask(&mut self, request: Request) {
        self.rings.ask(&self.buffer, &request).expect("room");
        self.block.submit().expect("attached");
        self.serve();
    }

    /// Interrupts, until there are none.
    fn serve(&self) {
        self.device.line.serve(|| self.server.borrow_mut().interrupt());
    }

    /// Lets time pass, with the interrupts that come.
    fn pass(&self, milliseconds: u32) {
        for _ in 0..milliseconds {
            rt::task::run_ready();
            rt::task::fake::advance(1_000_000);
            self.serve();
        }
    }

    fn outcome(&mut self, request: Request) -> u32 {
        self.ask(request);
        for _ in 0..40 {
            if let [(_, status)] = self.done()[..] {
                return status;
            }
            self.pass(1000);
        }
        panic!("no completion");
    }

    fn bytes(&self, offset: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.buffer.read(offset, &mut bytes).expect("inside");
        bytes
    }
}

fn request(operation: Operation, sector: u64, sectors: u32) -> Request {
    Request { sector, sectors, offset: 4096, tag: 0, operation: operation as u32 }
}

fn read(sector: u64) -> Request {
    request(Operation::Read, sector, 1)
}

/// What is written where nothing else is like it.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index / 7 + index) as u8).collect()
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
