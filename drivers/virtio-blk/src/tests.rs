//! The driver and its class on a fake device.

use ipc::block::{BlockClient, BlockServer, ClientRings, Completion, RINGS, Request, Status, outcome};
use ipc::{Error, Loopback, Shared, SignalOn, fake::signalled};
use kit::class::block::Service;
use kit::dma::fake::space;
use kit::virtio::fake::{Device, FakeTransport};
use rt::{Badge, Cap, Notification, SharedBuffer, fake_frames};

use super::*;

const VERSION_1: u64 = 1 << 32;
const SECTORS: u64 = 1000;
const BELL: Cap<Notification> = Cap::from_slot(70);

type Server = Shared<Service<VirtioBlk<FakeTransport>>>;

/// A client with a buffer and rings.
struct Client {
    block: BlockClient<Loopback<BlockServer<Server>>>,
    rings: ClientRings,
    buffer: SharedBuffer,
}

fn disk(offered: u64) -> (Device, Server) {
    disk_of(SECTORS, offered)
}

fn disk_of(sectors: u64, offered: u64) -> (Device, Server) {
    let (device, transport) = Device::new(2, offered, &sectors.to_le_bytes());
    let disk = VirtioBlk::new(transport, space()).expect("a device");
    (device, Shared::new(Service::new(disk, space())))
}

fn client(server: &Server, component: u32, pages: usize) -> Client {
    let loopback = Loopback::with_client(BlockServer(server.clone()), Badge::new(component, 1, 0));
    let buffer = SharedBuffer::fake(pages * 4096);
    let rings = RINGS.client(&buffer).expect("a page");
    Client { block: BlockClient(loopback), rings, buffer }
}

fn attached(server: &Server, component: u32, pages: usize) -> Client {
    let client = client(server, component, pages);
    client.block.attach(&client.buffer, SignalOn { notification: BELL, bits: 4 }).expect("room");
    client
}

impl Client {
    fn ask(&mut self, request: Request) {
        self.rings.ask(&self.buffer, &request).expect("room");
    }

    fn done(&mut self) -> Vec<(u32, u32)> {
        let next = || self.rings.completion(&self.buffer).expect("no lie");
        core::iter::from_fn(next).map(|Completion { tag, status }| (tag, status)).collect()
    }

    /// Asks for one thing and lets the device do everything.
    fn outcome(&mut self, device: &Device, server: &Server, request: Request) -> u32 {
        self.ask(request);
        self.block.submit().expect("attached");
        device.serve(serve);
        server.borrow_mut().interrupt();
        self.done().first().expect("a completion").1
    }
}

fn read(tag: u32) -> Request {
    Request { sector: tag.into(), sectors: 2, offset: 4096 + 1024 * tag, tag, operation: Operation::Read as u32 }
}

/// A disk on which every byte of sector n is n.
fn serve(input: &[u8], output: &mut [u8]) -> u32 {
    assert_eq!((input.len(), &input[..8]), (16, &[0; 8][..]));
    let sector = u64::from_le_bytes(input[8..].try_into().expect("eight"));
    let (status, data) = output.split_last_mut().expect("a status");
    for (index, byte) in data.iter_mut().enumerate() {
        *byte = (sector + (index / SECTOR) as u64) as u8;
    }
    *status = 0;
    output.len() as u32
}

#[test]
fn the_device_is_set_up_with_what_it_offers() {
    let (device, server) = disk(VERSION_1 | READ_ONLY | 0xff);
    assert_eq!(client(&server, 7, 1).block.info(), Ok(Info { sectors: SECTORS, read_only: true }));
    assert_eq!(device.accepted(), VERSION_1 | READ_ONLY);
}

#[test]
fn devices_that_cannot_be_driven_are_refused() {
    let refused = |kind, offered, config: &[u8]| {
        VirtioBlk::new(Device::new(kind, offered, config).1, space()).expect_err("refused")
    };
    assert!(matches!(refused(1, VERSION_1, &[0; 8]), Failure::Kind(_)));
    assert!(matches!(refused(2, 0, &[0; 8]), Failure::Features));
    assert!(matches!(refused(2, VERSION_1, &[0; 7]), Failure::Config));
    let (device, transport) = Device::new(2, VERSION_1, &[0; 8]);
    device.be_unsteady();
    assert!(matches!(VirtioBlk::new(transport, space()), Err(Failure::Config)));
}

#[test]
fn reads_complete_in_the_clients_memory() {
    let (device, server) = disk(VERSION_1);
    let mut client = attached(&server, 7, 9);
    (0..20).for_each(|tag| client.ask(read(tag)));
    client.block.submit().expect("attached");
    assert_eq!((device.notified(), signalled(BELL)), (1, 0));
    let heads: Vec<u16> = core::iter::from_fn(|| device.take()).collect();
    heads.iter().rev().for_each(|&head| device.serve_one(head, serve));
    server.borrow_mut().interrupt();
    assert_eq!(signalled(BELL), 4);
    assert_eq!(client.done(), (0..20).rev().map(|tag| (tag, 0)).collect::<Vec<_>>());
    for tag in 0..20 {
        let mut data = [0; 1024];
        client.buffer.read(4096 + 1024 * tag, &mut data).expect("inside");
        assert!(data[..512].iter().all(|&byte| byte == tag as u8));
        assert!(data[512..].iter().all(|&byte| byte == tag as u8 + 1));
    }
}

#[test]
fn a_large_request_is_carried_out_in_parts() {
    let (device, server) = disk_of(1 << 20, VERSION_1);
    let mut client = attached(&server, 7, 514);
    let sectors = 2 * 2048 + 1;
    client.ask(Request { sector: 3, sectors, offset: 4096, tag: 9, operation: Operation::Read as u32 });
    client.block.submit().expect("attached");
    for (part, bytes) in [1 << 20, 1 << 20, 512].into_iter().enumerate() {
        assert_eq!((device.notified(), client.done()), (part + 1, vec![]));
        let head = device.take().expect("a part");
        device.serve_one(head, |input, output| {
            assert_eq!(output.len(), bytes + 1);
            serve(input, output)
        });
        assert_eq!(device.take(), None, "one after the other");
        server.borrow_mut().interrupt();
    }
    assert_eq!(client.done(), [(9, 0)]);
    for sector in [0, 2047, 2048, 4095, 4096] {
        let mut data = [0; 512];
        client.buffer.read(4096 + 512 * sector, &mut data).expect("inside");
        assert_eq!(data, [(3 + sector) as u8; 512], "{sector}");
    }
}

#[test]
fn a_part_that_fails_is_the_last_one() {
    let (device, server) = disk_of(1 << 20, VERSION_1);
    let mut client = attached(&server, 7, 514);
    client.ask(Request { sector: 0, sectors: 4096, offset: 4096, tag: 9, operation: Operation::Write as u32 });
    client.block.submit().expect("attached");
    device.serve(|_, output| {
        output.fill(1);
        1
    });
    server.borrow_mut().interrupt();
    assert_eq!((client.done(), device.take()), (vec![(9, 1)], None));
}

#[test]
fn writes_carry_the_clients_data() {
    let (device, server) = disk(VERSION_1);
    let mut client = attached(&server, 7, 2);
    client.buffer.write(4096, &[0xab; 512]).expect("inside");
    client.ask(Request { sector: 9, sectors: 1, offset: 4096, tag: 3, operation: Operation::Write as u32 });
    client.block.submit().expect("attached");
    device.serve(|input, output| {
        assert_eq!((input[0], input[8], &input[16..]), (1, 9, &[0xab; 512][..]));
        output.fill(0);
        1
    });
    server.borrow_mut().interrupt();
    assert_eq!(client.done(), [(3, 0)]);
}

#[test]
fn a_flush_goes_to_a_device_with_a_cache() {
    let flush = Request { operation: Operation::Flush as u32, tag: 5, ..Request::default() };
    let (device, server) = disk(VERSION_1 | FLUSH);
    assert_eq!(device.accepted(), VERSION_1 | FLUSH);
    let mut one = attached(&server, 7, 2);
    one.ask(flush);
    one.block.submit().expect("attached");
    assert_eq!(one.done(), []);
    device.serve(|input, output| {
        assert_eq!((input, output.len()), (&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], 1));
        output.fill(0);
        1
    });
    server.borrow_mut().interrupt();
    assert_eq!(one.done(), [(5, 0)]);
}

#[test]
fn a_device_without_a_cache_has_written_already() {
    let (device, server) = disk(VERSION_1);
    let mut one = attached(&server, 7, 2);
    one.ask(Request { operation: Operation::Flush as u32, tag: 5, ..Request::default() });
    one.block.submit().expect("attached");
    assert_eq!((one.done(), device.notified()), (vec![(5, 0)], 0));
}

#[test]
fn bad_requests_are_completed_as_such() {
    let (device, server) = disk(VERSION_1 | READ_ONLY);
    let mut one = client(&server, 7, 2);
    assert_eq!(one.block.submit(), Err(Error::Status(Status::NotAttached)));
    one = attached(&server, 7, 2);
    let good = read(0);
    for (bad, status) in [
        (Request { sector: SECTORS - 1, ..good }, outcome::RANGE),
        (Request { sectors: 9, ..good }, outcome::RANGE),
        (Request { offset: 0, ..good }, outcome::RANGE),
        (Request { offset: 8192, ..good }, outcome::RANGE),
        (Request { operation: 1, ..good }, outcome::READ_ONLY),
        (Request { operation: 99, ..good }, outcome::OPERATION),
        (good, outcome::DONE),
    ] {
        assert_eq!(one.outcome(&device, &server, bad), status, "{bad:?}");
    }
}

#[test]
fn rings_that_lie_end_their_session_and_no_other() {
    let (device, server) = disk(VERSION_1);
    let (liar, mut honest) = (attached(&server, 7, 2), attached(&server, 8, 2));
    liar.buffer.store_u32(0, 65).expect("inside");
    assert_eq!(liar.block.submit(), Err(Error::Status(Status::BadRing)));
    assert_eq!(honest.outcome(&device, &server, read(0)), 0);
    let mut again = attached(&server, 7, 2);
    assert_eq!(again.outcome(&device, &server, read(0)), 0);
    again.ask(read(0));
    again.buffer.store_u32(2048 + 64, 999).expect("inside");
    assert_eq!(again.block.submit(), Ok(()));
    assert_eq!(again.block.submit(), Err(Error::Status(Status::BadRing)));
    assert_eq!(honest.outcome(&device, &server, read(0)), 0);
}

#[test]
fn errors_of_the_device_reach_the_client() {
    let (device, server) = disk(VERSION_1);
    let mut client = attached(&server, 7, 9);
    (0..3).for_each(|tag| client.ask(read(tag)));
    client.block.submit().expect("attached");
    let mut answers = [(1, 1025), (0, 4), (UNSET, 1025)].into_iter();
    device.serve(|_, output| {
        let (status, written) = answers.next().expect("three");
        *output.last_mut().expect("a status") = status;
        written
    });
    server.borrow_mut().interrupt();
    assert_eq!(client.done(), [(0, 1), (1, outcome::DEVICE_FAILED), (2, 255)]);
}

#[test]
fn a_lying_device_is_reset_and_its_requests_fail() {
    let (device, server) = disk(VERSION_1);
    let mut client = attached(&server, 7, 9);
    (0..3).for_each(|tag| client.ask(read(tag)));
    client.block.submit().expect("attached");
    device.complete(60, 1);
    server.borrow_mut().interrupt();
    assert!(device.is_reset());
    let mut done = client.done();
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2].map(|tag| (tag, outcome::DEVICE_FAILED)));
    client.ask(read(0));
    assert_eq!(client.block.submit(), Err(Error::Status(Status::DeviceError)));
    server.borrow_mut().interrupt();
}

#[test]
fn a_client_that_is_gone_is_not_written_to() {
    let (device, server) = disk(VERSION_1);
    let (mut gone, mut other) = (attached(&server, 7, 9), attached(&server, 8, 2));
    (0..2).for_each(|tag| gone.ask(read(tag)));
    gone.block.submit().expect("attached");
    fake_frames::revoke(gone.buffer.frame());
    device.serve(serve);
    server.borrow_mut().interrupt();
    assert!(gone.done().is_empty());
    assert_eq!(gone.block.submit(), Err(Error::Status(Status::BadRing)));
    assert_eq!(other.outcome(&device, &server, read(0)), 0);
}

#[test]
fn a_client_that_is_gone_is_not_asked_for_more() {
    let (device, server) = disk(VERSION_1);
    let (mut gone, mut other) = (attached(&server, 7, 9), attached(&server, 8, 2));
    while other.rings.ask(&other.buffer, &read(0)).is_ok() {}
    other.block.submit().expect("attached");
    gone.ask(read(0));
    gone.block.submit().expect("attached");
    let heads: Vec<u16> = core::iter::from_fn(|| device.take()).collect();
    // Its request waits until the device has room for it; what is done is another's.
    fake_frames::revoke(gone.buffer.frame());
    heads.iter().for_each(|&head| device.serve_one(head, serve));
    server.borrow_mut().interrupt();
    assert_eq!(other.done().len(), heads.len());
    assert_eq!(gone.buffer.load_u32(64), Ok(0), "nothing is read of memory that is not there");
}

#[test]
fn who_attaches_again_has_no_more_under_way() {
    let (device, server) = disk(VERSION_1);
    let mut polite = attached(&server, 8, 2);
    polite.ask(read(0));
    polite.block.submit().expect("attached");
    for _ in 0..10 {
        let mut flood = attached(&server, 7, 9);
        (0..3).for_each(|tag| flood.ask(read(tag)));
        flood.block.submit().expect("attached");
    }
    let heads: Vec<u16> = core::iter::from_fn(|| device.take()).collect();
    assert_eq!(heads.len(), 2, "one of each");
    heads.iter().for_each(|&head| device.serve_one(head, serve));
    server.borrow_mut().interrupt();
    assert_eq!(polite.done(), [(0, 0)]);
    assert_eq!(core::iter::from_fn(|| device.take()).count(), 1, "the place of the old session's is free again");
}

#[test]
fn who_attaches_again_while_the_device_hangs_is_refused() {
    let (device, server) = disk(VERSION_1);
    let signal = SignalOn { notification: BELL, bits: 4 };
    let mut polite = attached(&server, 8, 2);
    polite.ask(read(0));
    (1..6).for_each(|_| polite.ask(read(1)));
    polite.block.submit().expect("attached");
    for round in 0..10 {
        let mut again = client(&server, 7, 9);
        let answer = again.block.attach(&again.buffer, signal);
        let refused = Err(Error::Status(Status::TooManySessions));
        assert_eq!(answer, if round < 3 { Ok(()) } else { refused }, "{round}");
        again.ask(read(1));
        let _ = again.block.submit();
    }
    device.serve(serve);
    server.borrow_mut().interrupt();
    let mut again = attached(&server, 7, 9);
    assert_eq!(again.outcome(&device, &server, read(1)), 0);
}

#[test]
fn who_is_gone_leaves_its_place() {
    let (device, server) = disk(VERSION_1);
    let mut all: Vec<Client> = (10..18).map(|component| attached(&server, component, 2)).collect();
    let ninth = client(&server, 20, 2);
    let signal = SignalOn { notification: BELL, bits: 4 };
    assert_eq!(ninth.block.attach(&ninth.buffer, signal), Err(Error::Status(Status::TooManySessions)));
    fake_frames::revoke(all.remove(3).buffer.frame());
    let mut ninth = attached(&server, 20, 2);
    assert_eq!(ninth.outcome(&device, &server, read(0)), 0);
}

#[test]
fn a_new_session_does_not_see_the_requests_of_the_old() {
    let (device, server) = disk(VERSION_1);
    let mut old = attached(&server, 7, 9);
    old.ask(read(0));
    old.block.submit().expect("attached");
    let mut new = attached(&server, 7, 9);
    device.serve(serve);
    server.borrow_mut().interrupt();
    assert!(old.done().is_empty() && new.done().is_empty());
    assert_eq!(new.outcome(&device, &server, read(1)), 0);
}

#[test]
fn a_client_that_does_not_drain_its_ring_waits_for_itself() {
    let (device, server) = disk(VERSION_1);
    let (mut lazy, mut other) = (attached(&server, 7, 2), attached(&server, 8, 2));
    for round in 0..200 {
        if lazy.rings.ask(&lazy.buffer, &read(0)).is_err() {
            break;
        }
        assert!(round < 129, "the ring takes no more than it has places, and as many completions");
        let _ = lazy.block.submit();
        device.serve(serve);
        server.borrow_mut().interrupt();
    }
    assert_eq!(other.outcome(&device, &server, read(0)), 0);
    assert_eq!(lazy.done().len(), ipc::block::PLACES);
    let _ = lazy.block.submit();
    device.serve(serve);
    server.borrow_mut().interrupt();
    assert!(!lazy.done().is_empty());
}

#[test]
fn a_client_that_floods_leaves_its_neighbour_its_half() {
    let (device, server) = disk(VERSION_1);
    let (mut flood, mut polite) = (attached(&server, 7, 9), attached(&server, 8, 2));
    let (mut mine, mut theirs) = (0, 0);
    polite.ask(read(0));
    polite.block.submit().expect("attached");
    for _ in 0..2000 {
        while flood.rings.ask(&flood.buffer, &Request { sectors: 8, ..read(1) }).is_ok() {}
        flood.block.submit().expect("attached");
        if let Some(head) = device.take() {
            device.serve_one(head, serve);
        }
        server.borrow_mut().interrupt();
        theirs += flood.done().len();
        for _ in polite.done() {
            mine += 1;
            polite.ask(read(0));
            polite.block.submit().expect("attached");
        }
    }
    assert!(mine * 10 >= (mine + theirs) * 4, "{mine} of {}", mine + theirs);
}

#[test]
fn random_requests_and_a_random_device_do_no_harm() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..50 {
        let (device, server) = disk(VERSION_1);
        let mut clients = [attached(&server, 7, 4), attached(&server, 8, 4)];
        for _ in 0..400 {
            let client = &mut clients[random(2) as usize];
            let any = Request {
                sector: random(SECTORS + 10),
                sectors: random(12) as u32,
                offset: random(40) as u32 * 512,
                tag: random(100) as u32,
                operation: random(3) as u32,
            };
            let _ = client.rings.ask(&client.buffer, &any);
            match random(24) {
                0 => device.complete(random(70) as u32, random(5000) as u32),
                1..10 => {
                    if let Some(head) = device.take() {
                        device.serve_one(head, |_, output| random(output.len() as u64 + 9) as u32);
                    }
                }
                10 => drop(client.buffer.store_u32(random(1000) as usize * 4, random(80) as u32)),
                11..16 => drop(client.block.submit()),
                16 => drop(client.rings.completion(&client.buffer)),
                _ => server.borrow_mut().interrupt(),
            }
        }
    }
}
