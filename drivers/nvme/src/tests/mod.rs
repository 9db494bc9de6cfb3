//! The driver and its class on a fake controller.

mod fake;
mod trouble;

use ipc::block::{BlockClient, BlockServer, ClientRings, Completion, RINGS, Request, Status};
use ipc::{Error, Loopback, Shared, SignalOn};
use kit::class::block::Service;
use kit::dma::fake::space;
use kit::fake::Clock;
use rt::{Badge, Cap, Notification, SharedBuffer};

use super::*;
use fake::{Device, Kind};

const BELL: Cap<Notification> = Cap::from_slot(70);

type Server = Shared<Service<Nvme>>;

/// A client with a buffer and rings.
struct Client {
    block: BlockClient<Loopback<BlockServer<Server>>>,
    rings: ClientRings,
    buffer: SharedBuffer,
}

fn open(device: &Device) -> Result<Nvme, Failure> {
    open_within(device, &mut Clock::new())
}

fn open_within(device: &Device, clock: &mut Clock) -> Result<Nvme, Failure> {
    let master = device.clone();
    Nvme::new(&device.registers.mmio(), space(), clock, move || {
        master.change(|kind| kind.master = true);
        Ok(())
    })
}

fn disk(kind: Kind) -> (Device, Server) {
    rt::task::fake::reset();
    let device = Device::new(kind);
    let disk = open(&device).expect("a controller");
    (device, Shared::new(Service::new(disk, space())))
}

fn client(server: &Server, component: u32, pages: usize) -> Client {
    let loopback = Loopback::with_client(BlockServer(server.clone()), Badge::new(component, 1, 0));
    let buffer = SharedBuffer::fake(pages * 4096);
    let rings = RINGS.client(&buffer).expect("a page");
    let client = Client { block: BlockClient(loopback), rings, buffer };
    client.block.attach(&client.buffer, SignalOn { notification: BELL, bits: 4 }).expect("room");
    client
}

impl Client {
    fn ask(&mut self, request: Request) {
        self.rings.ask(&self.buffer, &request).expect("room");
    }

    fn submit(&self) {
        self.block.submit().expect("attached");
    }

    fn done(&mut self) -> Vec<(u32, u32)> {
        let next = || self.rings.completion(&self.buffer).expect("no lie");
        core::iter::from_fn(next).map(|Completion { tag, status }| (tag, status)).collect()
    }

    /// Asks for one thing and lets the device do everything.
    fn outcome(&mut self, device: &Device, server: &Server, request: Request) -> u32 {
        self.ask(request);
        self.submit();
        run(device, server);
        self.done().first().expect("a completion").1
    }

    fn bytes(&self, offset: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.buffer.read(offset, &mut bytes).expect("inside");
        bytes
    }
}

/// Lets the device do what it has, until it has nothing.
fn run(device: &Device, server: &Server) {
    while device.pending() > 0 {
        device.serve();
        device.line.serve(|| server.borrow_mut().interrupt());
    }
}

fn request(operation: Operation, sector: u64, sectors: u32, offset: u32) -> Request {
    Request { sector, sectors, offset, tag: 0, operation: operation as u32 }
}

fn read(tag: u32) -> Request {
    Request { tag, ..request(Operation::Read, tag.into(), 1, 4096 + 512 * tag) }
}

const FLUSH: Request = Request { sector: 0, sectors: 0, offset: 0, tag: 0, operation: Operation::Flush as u32 };

/// What is written where nothing else is like it.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index / 7 + index) as u8).collect()
}

#[test]
fn the_controller_is_set_up_and_says_what_it_is() {
    let (device, server) = disk(Kind::default());
    let one = client(&server, 7, 2);
    assert_eq!(one.block.info(), Ok(Info { sectors: 8192, read_only: false }));
    let (_, server) = disk(Kind { protected: true, blocks: 5, ..Kind::default() });
    assert_eq!(client(&server, 7, 2).block.info(), Ok(Info { sectors: 5, read_only: true }));
    let (_, server) = disk(Kind { blocks: u64::MAX, power: 12, ..Kind::default() });
    let most = Info { sectors: u64::MAX / 512, read_only: false };
    assert_eq!(client(&server, 7, 2).block.info(), Ok(most));
    assert!(!device.is_off() && !device.line.is_raised());
}

#[test]
fn a_controller_that_is_on_is_switched_off_first() {
    for found in [(0x46_0001, 1), (0x46_0001, 0b11), (0x46_0001, 0b10)] {
        // The fake sees to it that it is not switched on while it is ready.
        disk(Kind { found, ..Kind::default() });
    }
}

#[test]
fn a_controller_reaches_memory_when_it_has_nothing_of_a_predecessors() {
    let device = Device::new(Kind { found: (0x46_0001, 1), ..Kind::default() });
    let error = kit::Error { kind: "", what: "use:pci", cause: kit::Cause::Missing };
    let refused = Nvme::new(&device.registers.mmio(), space(), &mut Clock::new(), || {
        assert!(device.is_off() && device.registers.get(0x1c) == 0);
        Err(error)
    });
    assert_eq!(refused.map(drop), Err(Failure::Kit(error)));
    assert!(device.is_off(), "it is not switched on");
}

#[test]
fn a_controller_that_was_just_switched_on_is_waited_for() {
    let device = Device::new(Kind { found: (0x46_0001, 0), ..Kind::default() });
    let mut clock = Clock::new();
    open_within(&device, &mut clock).expect("a controller");
    assert_eq!(clock.elapsed(), Duration::from_millis(1001), "as long as it says, and no longer");
}

#[test]
fn what_is_written_is_read_again() {
    let (device, server) = disk(Kind::default());
    let mut one = client(&server, 7, 40);
    let data = pattern(20 * 4096);
    one.buffer.write(8192, &data).expect("inside");
    assert_eq!(one.outcome(&device, &server, request(Operation::Write, 77, 160, 8192)), 0);
    assert_eq!(device.medium(77 * 512, data.len()), data);
    one.buffer.write(8192, &vec![0xee; data.len()]).expect("inside");
    assert_eq!(one.outcome(&device, &server, request(Operation::Read, 77, 160, 4096 + 512)), 0);
    assert_eq!(one.bytes(4096 + 512, data.len()), data);
    let beyond = one.bytes(4096 + 512 + data.len(), 512);
    assert!(one.bytes(4096, 512).iter().all(|&byte| byte == 0) && beyond.iter().all(|&byte| byte == 0xee));
}

#[test]
fn the_pages_of_a_transfer_are_named_in_three_ways() {
    let (device, server) = disk(Kind::default());
    let mut one = client(&server, 7, 100);
    let mut named = |sectors, offset| {
        assert_eq!(one.outcome(&device, &server, request(Operation::Read, 0, sectors, offset)), 0);
        let last = offset as usize + (sectors as usize - 1) * SECTOR;
        assert_eq!(one.bytes(last, 4), (sectors - 1).to_le_bytes(), "{sectors} sectors at {offset}");
        let seen = device.seen();
        assert_eq!((seen.len(), seen[0].last), (1, sectors - 1));
        seen[0].data
    };
    let base = named(1, 4096)[0] - 4096;
    let at = |offset: u64| base + offset;
    // Within a page, and to its end.
    assert_eq!(named(1, 4096), [at(4096), 0]);
    assert_eq!(named(8, 4096), [at(4096), 0]);
    assert_eq!(named(1, 8192 - 512), [at(8192 - 512), 0]);
    // Two pages: the second is named.
    assert_eq!(named(9, 4096), [at(4096), at(8192)]);
    assert_eq!(named(16, 4096), [at(4096), at(8192)]);
    assert_eq!(named(2, 8192 - 512), [at(8192 - 512), at(8192)]);
    assert_eq!(named(9, 8192 - 512), [at(8192 - 512), at(8192)]);
    // Three pages and more: a list, into which the fake looks.
    for (sectors, offset) in [(17, 4096), (10, 8192 - 512), (24, 4096 + 1024), (96 * 8, 8192 + 512)] {
        let [first, list] = named(sectors, offset);
        assert_eq!(first, at(offset.into()));
        assert!(!(base..base + 100 * 4096).contains(&list), "{list:#x} is the client's");
    }
}

#[test]
fn each_command_has_a_list_of_its_own() {
    let (device, server) = disk(Kind::default());
    let mut one = client(&server, 7, 1 + 63 * 3);
    for tag in 0..63 {
        one.ask(Request { tag, ..request(Operation::Read, u64::from(tag) * 17, 17, 4096 + tag * 3 * 4096) });
    }
    one.submit();
    run(&device, &server);
    assert_eq!(one.done(), (0..63).rev().map(|tag| (tag, 0)).collect::<Vec<_>>());
    for tag in 0..63 {
        for sector in 0..17 {
            let bytes = one.bytes(4096 + tag * 3 * 4096 + sector * SECTOR, 4);
            assert_eq!(bytes, ((tag * 17 + sector) as u32).to_le_bytes(), "{tag} {sector}");
        }
    }
}

#[test]
fn what_is_longer_than_a_command_takes_several() {
    // 8 KiB; 512 KiB; as long as they like, which is a MiB here.
    for (mdts, most) in [(1, 16), (7, 1024), (0, 2048), (200, 2048)] {
        let (device, server) = disk(Kind { mdts, ..Kind::default() });
        let mut one = client(&server, 7, 2 + 4096 / 8);
        for offset in [4096, 4096 + 512] {
            let all = 2 * most + 3;
            let asked = if all * 512 + offset <= one.buffer.len() as u32 { all } else { most + 3 };
            assert_eq!(one.outcome(&device, &server, request(Operation::Read, 5, asked, offset)), 0);
            let seen: Vec<_> = device.seen().iter().map(|command| (command.first, command.last + 1)).collect();
            let starts = (0..asked).step_by(most as usize);
            let parts: Vec<_> = starts.map(|start| (5 + u64::from(start), (asked - start).min(most))).collect();
            assert_eq!(seen, parts);
            for sector in 0..asked {
                let bytes = one.bytes((offset + sector * 512) as usize, 4);
                assert_eq!(bytes, (5 + sector).to_le_bytes(), "{mdts} {offset} {sector}");
            }
        }
    }
}

#[test]
fn a_transfer_that_fails_in_the_middle_has_failed() {
    let (device, server) = disk(Kind { mdts: 1, ..Kind::default() });
    let mut one = client(&server, 7, 8);
    one.ask(request(Operation::Read, 0, 40, 4096));
    one.submit();
    device.serve();
    server.borrow_mut().interrupt();
    // Unrecovered Read Error.
    device.end(0x281);
    server.borrow_mut().interrupt();
    assert_eq!((one.done(), device.pending()), (vec![(0, 0x81)], 0));
}

#[test]
fn a_flush_goes_to_a_controller_with_a_cache() {
    let (device, server) = disk(Kind::default());
    let mut one = client(&server, 7, 2);
    assert_eq!((one.outcome(&device, &server, FLUSH), device.flushes()), (0, 1));
    let (device, server) = disk(Kind { cache: false, ..Kind::default() });
    let mut one = client(&server, 7, 2);
    assert_eq!((one.outcome(&device, &server, FLUSH), device.flushes()), (0, 0));
}

#[test]
fn the_phase_turns_with_every_round() {
    for entries in [2, 3, 64, 65536] {
        let (device, server) = disk(Kind { entries, ..Kind::default() });
        let mut one = client(&server, 7, 2);
        for tag in 0..300 {
            let ask = Request { sector: tag.into(), tag, ..read(0) };
            assert_eq!(one.outcome(&device, &server, ask), 0, "{entries} {tag}");
            assert_eq!(one.bytes(4096, 4), tag.to_le_bytes());
        }
    }
}

#[test]
fn a_batch_is_told_of_once() {
    let (device, server) = disk(Kind::default());
    let mut one = client(&server, 7, 9);
    (0..64).for_each(|tag| one.ask(Request { tag, ..read(0) }));
    device.registers.log();
    one.submit();
    assert_eq!(device.registers.log(), [kit::fake::write(0x1008, 63)], "no register is read");
    assert_eq!(device.pending(), 63, "one place stays free");
    device.serve();
    server.borrow_mut().interrupt();
    let (taken, sent) = (kit::fake::write(0x100c, 63), kit::fake::write(0x1008, 0));
    assert_eq!(device.registers.log(), [taken, sent]);
    run(&device, &server);
    assert_eq!(one.done().len(), 64);
}

#[test]
fn fewer_entries_are_fewer_commands_at_a_time() {
    let (device, server) = disk(Kind { entries: 5, ..Kind::default() });
    let mut one = client(&server, 7, 9);
    (0..20).for_each(|tag| one.ask(Request { tag, ..read(0) }));
    one.submit();
    assert_eq!(device.pending(), 4);
    run(&device, &server);
    assert_eq!(one.done().len(), 20);
}

#[test]
fn doorbells_stand_where_the_controller_says() {
    let (device, server) = disk(Kind { stride: 5, ..Kind::default() });
    let mut one = client(&server, 7, 2);
    device.registers.log();
    one.ask(read(0));
    one.submit();
    assert_eq!(device.registers.log(), [kit::fake::write(0x1000 + 2 * 128, 1)]);
    run(&device, &server);
    assert_eq!(one.done(), [(0, 0)]);
}

#[test]
fn larger_blocks_are_read_and_written_whole() {
    let (device, server) = disk(Kind { power: 12, ..Kind::default() });
    let mut one = client(&server, 7, 9);
    assert_eq!(one.block.info(), Ok(Info { sectors: 8 * 8192, read_only: false }));
    for (sector, sectors) in [(1, 8), (8, 7), (0, 1), (4, 8), (65528, 4)] {
        let asked = request(Operation::Read, sector, sectors, 4096);
        assert_eq!(one.outcome(&device, &server, asked), outcome::ALIGNMENT, "{sector} {sectors}");
    }
    assert_eq!(device.seen(), []);
    // The place in memory need not be a block's.
    assert_eq!(one.outcome(&device, &server, request(Operation::Read, 24, 16, 4096 + 512)), 0);
    assert_eq!((one.bytes(4096 + 512, 4), one.bytes(8192 + 512, 4)), (vec![3, 0, 0, 0], vec![4, 0, 0, 0]));
    let seen = device.seen();
    assert_eq!((seen[0].first, seen[0].last), (3, 1));
    let data = pattern(8192);
    one.buffer.write(4096, &data).expect("inside");
    assert_eq!(one.outcome(&device, &server, request(Operation::Write, 65520, 16, 4096)), 0);
    assert_eq!(device.medium(8190 * 4096, 8192), data);
    assert_eq!(one.outcome(&device, &server, FLUSH), 0);
}

#[test]
fn errors_of_the_controller_reach_the_client() {
    let (device, server) = disk(Kind::default());
    let mut one = client(&server, 7, 9);
    let answers = [(0x80, 0x80), (0x281, 0x81), (0x4002, 0x02), (0x20, outcome::READ_ONLY), (0x700, 256), (0x2000, 0)];
    (0..answers.len() as u32).for_each(|tag| one.ask(read(tag)));
    one.submit();
    answers.iter().for_each(|&(status, _)| device.end(status));
    device.line.serve(|| server.borrow_mut().interrupt());
    let told: Vec<_> = answers.iter().enumerate().map(|(tag, &(_, told))| (tag as u32, told)).collect();
    assert_eq!(one.done(), told);
}

#[test]
fn memory_stays_while_the_controller_has_it() {
    let (device, server) = disk(Kind::default());
    let mut gone = client(&server, 7, 2);
    gone.ask(read(0));
    gone.submit();
    rt::fake_frames::revoke(gone.buffer.frame());
    let mut other = client(&server, 8, 2);
    other.ask(Request { tag: 3, ..read(0) });
    other.submit();
    // The fake ends the test if what it writes is not attached any more.
    run(&device, &server);
    assert_eq!(other.done(), [(3, 0)]);
}
