//! The driver and its class on a fake device.

use ipc::net::{ClientRings, Counters, NetClient, NetServer, Place, Status, outcome};
use ipc::{Error, Loopback, Shared, SignalOn, fake::signalled};
use kit::class::net::Service;
use kit::dma::fake::space;
use kit::virtio::fake::{Device, FakeTransport};
use rt::{Badge, Cap, Notification, SharedBuffer, fake_frames};

use super::*;

const VERSION_1: u64 = 1 << 32;
const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
/// MAC, status.
const CONFIG: [u8; 8] = [0x52, 0x54, 0, 1, 2, 3, 1, 0];
const OFFERED: u64 = VERSION_1 | HAS_MAC | HAS_STATUS;
const KIND: u32 = 1;
const DATA: u32 = ipc::net::DATA as u32;

type Server = Shared<Service<VirtioNet<FakeTransport>>>;

/// The device's two queues, and the driver with its class.
struct World {
    receive: Device,
    transmit: Device,
    server: Server,
}

/// A client with a buffer and rings, whose Notification is its own.
struct Client {
    net: NetClient<Loopback<NetServer<Server>>>,
    rings: ClientRings,
    buffer: SharedBuffer,
    bell: Cap<Notification>,
}

fn world() -> World {
    let (device, transport) = Device::new(KIND, OFFERED, &CONFIG);
    let nic = VirtioNet::new(transport, space()).expect("a device");
    let server = Shared::new(Service::new(nic, space()));
    World { receive: device.queue(0), transmit: device.queue(1), server }
}

impl World {
    fn client(&self, component: u32) -> Client {
        let loopback = Loopback::with_client(NetServer(self.server.clone()), Badge::new(component, 1, 0));
        let buffer = SharedBuffer::fake(33 * 4096);
        let rings = ClientRings::reset(&buffer).expect("a page");
        Client { net: NetClient(loopback), rings, buffer, bell: Cap::from_slot(70 + component) }
    }

    fn attached(&self, component: u32) -> Client {
        let client = self.client(component);
        client.attach();
        client
    }

    fn interrupt(&self) {
        self.server.borrow_mut().interrupt();
    }

    /// A frame comes, or is lost for want of room in the device.
    fn arrives(&self, frame: &[u8]) -> bool {
        let Some(head) = self.receive.take() else { return false };
        self.receive.serve_one(head, |_, output| {
            output[..PREFIX].fill(0xff);
            output[PREFIX..PREFIX + frame.len()].copy_from_slice(frame);
            (PREFIX + frame.len()) as u32
        });
        true
    }

    /// Sends all that waits, and says what it was.
    fn sends(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        self.transmit.serve(|input, _| {
            let (header, frame) = input.split_at(PREFIX);
            assert_eq!(header, [0; PREFIX]);
            frames.push(frame.to_vec());
            0
        });
        self.interrupt();
        frames
    }

    fn counters(&self) -> Counters {
        self.client(99).net.counters().expect("counters")
    }
}

fn place(tag: u32) -> Place {
    Place { offset: DATA + 2048 * (tag % 64), bytes: LONGEST as u32, tag }
}

impl Client {
    fn attach(&self) {
        self.net.attach(&self.buffer, SignalOn { notification: self.bell, bits: 4 }).expect("room");
    }

    fn transmit(&mut self, frame: &[u8], tag: u32) {
        let place = Place { bytes: frame.len() as u32, ..place(tag) };
        self.buffer.write(place.offset as usize, frame).expect("inside");
        self.rings.transmit.ask(&self.buffer, &place).expect("room");
    }

    fn offer(&mut self, tag: u32) {
        self.rings.receive.ask(&self.buffer, &place(tag)).expect("room");
    }

    fn submit(&self) {
        self.net.submit().expect("attached");
    }

    fn sent(&mut self) -> Vec<(u32, u32)> {
        let next = || self.rings.transmit.completion(&self.buffer).expect("no lie");
        core::iter::from_fn(next).map(|done| (done.tag, done.result)).collect()
    }

    fn results(&mut self) -> Vec<(u32, u32)> {
        let next = || self.rings.receive.completion(&self.buffer).expect("no lie");
        core::iter::from_fn(next).map(|done| (done.tag, done.result)).collect()
    }

    /// Tags and frames that have come.
    fn received(&mut self) -> Vec<(u32, Vec<u8>)> {
        let results = self.results();
        let frame = |(tag, bytes)| {
            let mut frame = vec![0; bytes as usize];
            self.buffer.read(place(tag).offset as usize, &mut frame).expect("inside");
            (tag, frame)
        };
        results.into_iter().map(frame).collect()
    }
}

#[test]
fn the_device_is_set_up_with_what_it_offers() {
    let (device, transport) = Device::new(KIND, OFFERED | 0xf_ffff, &CONFIG);
    let nic = VirtioNet::new(transport, space()).expect("a device");
    assert_eq!(device.accepted(), OFFERED);
    assert_eq!(nic.info(), Info { mac: Mac(MAC), mtu: 1500, link: true });
    assert_eq!(core::iter::from_fn(|| device.queue(0).take()).count(), ROOMS);
    assert_eq!((device.queue(0).notified(), device.queue(1).notified()), (1, 1));
}

#[test]
fn devices_that_cannot_be_driven_are_refused() {
    let refused = |kind, offered, config: &[u8]| {
        VirtioNet::new(Device::new(kind, offered, config).1, space()).expect_err("refused")
    };
    assert!(matches!(refused(2, OFFERED, &CONFIG), Failure::Kind(_)));
    assert!(matches!(refused(KIND, HAS_MAC, &CONFIG), Failure::Features));
    assert!(matches!(refused(KIND, VERSION_1, &CONFIG), Failure::Config));
    assert!(matches!(refused(KIND, OFFERED, &CONFIG[..5]), Failure::Config));
}

#[test]
fn frames_go_out_from_the_clients_memory() {
    let world = world();
    let mut client = world.attached(1);
    (0..20).for_each(|tag| client.transmit(&[tag as u8; 100], tag));
    let notified = world.transmit.notified();
    client.submit();
    assert_eq!((world.transmit.notified(), signalled(client.bell)), (notified + 1, 0));
    assert_eq!(world.sends(), (0..20).map(|tag| vec![tag; 100]).collect::<Vec<_>>());
    assert_eq!(signalled(client.bell), 4);
    assert_eq!(client.sent(), (0..20).map(|tag| (tag, 100)).collect::<Vec<_>>());
    assert_eq!(world.counters(), Counters { sent: 20, sent_bytes: 2000, ..Counters::default() });
}

#[test]
fn a_place_that_is_changed_after_it_was_sent_changes_nothing() {
    let world = world();
    let mut client = world.attached(1);
    client.transmit(b"a frame of its own", 0);
    client.submit();
    // The entry of the ring, behind the two counts.
    (0..3).for_each(|word| client.buffer.store_u32(128 + 4 * word, u32::MAX).expect("inside"));
    assert_eq!(world.sends(), [b"a frame of its own"]);
    assert_eq!(client.sent(), [(0, 18)]);
}

#[test]
fn every_client_with_room_receives_every_frame() {
    let world = world();
    let (mut one, mut other, mut without) = (world.attached(1), world.attached(2), world.attached(3));
    (0..8).for_each(|tag| one.offer(tag));
    (8..10).for_each(|tag| other.offer(tag));
    [&one, &other, &without].into_iter().for_each(Client::submit);
    for byte in 0..4 {
        assert!(world.arrives(&[byte; LONGEST]));
    }
    world.interrupt();
    assert_eq!((signalled(one.bell), signalled(other.bell), signalled(without.bell)), (4, 4, 0));
    let frames = |tags: core::ops::Range<u32>| tags.zip(0u8..).map(|(tag, byte)| (tag, vec![byte; LONGEST]));
    assert_eq!(one.received(), frames(0..4).collect::<Vec<_>>());
    assert_eq!(other.received(), frames(8..10).collect::<Vec<_>>());
    assert!(without.received().is_empty());
    let received_bytes = 4 * LONGEST as u64;
    assert_eq!(world.counters(), Counters { received: 4, received_bytes, ..Counters::default() });
}

#[test]
fn frames_wait_in_the_device_until_there_is_room() {
    let world = world();
    let mut client = world.attached(1);
    let came = (0..=u8::MAX).take_while(|&byte| world.arrives(&[byte; 60])).count();
    world.interrupt();
    assert_eq!((came, signalled(client.bell)), (ROOMS, 0));
    let mut heard = Vec::new();
    while heard.len() < ROOMS {
        (0..16).for_each(|tag| client.offer(tag));
        client.submit();
        assert_eq!(signalled(client.bell), 4);
        heard.extend(client.received().into_iter().map(|(_, frame)| frame[0]));
    }
    assert_eq!(heard, (0..ROOMS as u8).collect::<Vec<_>>());
    assert!(world.arrives(&[1; 60]), "the rooms are used again");
    assert_eq!((world.counters().received, world.counters().dropped), (ROOMS as u64, 0));
}

#[test]
fn what_came_while_there_was_nobody_is_nobodys() {
    let world = world();
    for _ in 0..3 {
        while world.arrives(&[1; 60]) {}
        world.interrupt();
    }
    let client = world.attached(1);
    assert_eq!((world.counters().received, world.counters().dropped), (ROOMS as u64, ROOMS as u64));
    assert!(world.arrives(b"kept, as there is no room"));
    world.interrupt();
    client.net.detach().expect("attached");
    assert_eq!(client.net.detach(), Err(Error::Status(Status::NotAttached)));
    let mut next = world.attached(2);
    next.offer(0);
    next.submit();
    assert!(next.received().is_empty());
}

#[test]
fn bad_places_are_completed_as_such() {
    let world = world();
    let mut client = world.client(1);
    assert_eq!(client.net.submit(), Err(Error::Status(Status::NotAttached)));
    client.attach();
    let good = place(0);
    let bad = [
        (Place { offset: 0, ..good }, outcome::RANGE),
        (Place { offset: 33 * 4096 - 1, ..good }, outcome::RANGE),
        (Place { offset: u32::MAX, bytes: u32::MAX, ..good }, outcome::RANGE),
        (Place { bytes: 13, ..good }, outcome::LENGTH),
    ];
    for (place, result) in bad {
        client.rings.transmit.ask(&client.buffer, &place).expect("room");
        client.rings.receive.ask(&client.buffer, &place).expect("room");
        client.offer(1);
        client.submit();
        assert!(world.arrives(&[5; 60]));
        world.interrupt();
        assert_eq!(client.sent(), [(0, result)], "{place:?}");
        assert_eq!(client.results(), [(0, result), (1, 60)], "{place:?}");
    }
    assert!(world.sends().is_empty());
}

#[test]
fn rings_that_lie_end_their_session_and_no_other() {
    let world = world();
    let mut honest = world.attached(2);
    for at in [0, 1024 + 64, 2048, 3072 + 64] {
        let mut liar = world.attached(1);
        liar.transmit(&[1; 60], 0);
        liar.offer(1);
        liar.buffer.store_u32(at, 999).expect("inside");
        let _ = liar.net.submit();
        honest.offer(3);
        honest.submit();
        assert!(world.arrives(&[7; 60]));
        world.interrupt();
        assert_eq!(liar.net.submit(), Err(Error::Status(Status::BadRing)), "count at {at}");
        assert_eq!(honest.received(), [(3, vec![7; 60])]);
        world.sends();
    }
    let mut again = world.attached(1);
    again.transmit(&[2; 60], 9);
    again.submit();
    assert_eq!(world.sends(), [[2; 60]]);
    assert_eq!(again.sent(), [(9, 60)]);
}

#[test]
fn a_client_that_is_gone_is_not_written_to() {
    let world = world();
    let (mut gone, mut other) = (world.attached(1), world.attached(2));
    gone.transmit(&[1; 60], 0);
    gone.offer(1);
    gone.submit();
    fake_frames::revoke(gone.buffer.frame());
    assert!(world.arrives(&[7; 60]));
    world.sends();
    assert!(gone.sent().is_empty() && gone.results().is_empty());
    assert_eq!(gone.net.submit(), Err(Error::Status(Status::BadRing)));
    other.offer(2);
    other.submit();
    assert_eq!(other.received(), [(2, vec![7; 60])], "it waited for who has room");
}

#[test]
fn a_new_session_does_not_see_the_frames_of_the_old() {
    let world = world();
    let mut old = world.attached(1);
    old.transmit(&[1; 60], 0);
    old.offer(1);
    old.submit();
    let mut new = world.attached(1);
    assert!(world.arrives(&[7; 60]));
    assert_eq!(world.sends(), [[1; 60]]);
    assert!(old.sent().is_empty() && old.results().is_empty() && new.sent().is_empty());
    new.offer(2);
    new.submit();
    assert_eq!(new.received(), [(2, vec![7; 60])]);
}

#[test]
fn the_link_comes_and_goes() {
    let world = world();
    let client = world.attached(1);
    let link = || client.net.info().expect("info").link;
    assert!(link());
    world.receive.configure(6, &[0, 0]);
    world.interrupt();
    assert_eq!((link(), signalled(client.bell)), (false, 4));
    world.receive.configure(6, &[3, 0]);
    world.interrupt();
    assert_eq!((link(), signalled(client.bell)), (true, 4));
    world.receive.configure(6, &[1, 0]);
    world.interrupt();
    assert_eq!((link(), signalled(client.bell)), (true, 0));
}

#[test]
fn frames_that_are_none_are_errors() {
    let world = world();
    let mut client = world.attached(1);
    client.offer(0);
    client.submit();
    for written in [0, 11, 12, 25] {
        world.receive.serve_one(world.receive.take().expect("room"), |_, _| written);
    }
    world.interrupt();
    assert!(client.results().is_empty());
    world.receive.serve_one(world.receive.take().expect("room"), |_, _| u32::MAX);
    world.interrupt();
    assert_eq!(client.results(), [(0, LONGEST as u32)], "never more than there is room for");
    assert_eq!(world.counters().errors, 4);
}

#[test]
fn a_lying_device_is_reset_and_its_frames_fail() {
    for liar in 0..2 {
        let world = world();
        let mut client = world.attached(1);
        (0..3).for_each(|tag| client.transmit(&[1; 60], tag));
        client.offer(5);
        client.submit();
        [&world.receive, &world.transmit][liar].complete(40_000, 1);
        world.interrupt();
        world.interrupt();
        assert!(world.receive.is_reset());
        let mut sent = client.sent();
        sent.sort_unstable();
        assert_eq!(sent, [0, 1, 2].map(|tag| (tag, outcome::DEVICE_FAILED)));
        assert!(!client.net.info().expect("info").link);
        assert_eq!(client.net.submit(), Err(Error::Status(Status::DeviceError)));
        assert_eq!(world.counters().errors, 3);
    }
}

#[test]
fn a_client_that_does_not_drain_its_ring_waits_for_itself() {
    let world = world();
    let (mut lazy, mut other) = (world.attached(1), world.attached(2));
    for round in 0..200 {
        if lazy.rings.transmit.ask(&lazy.buffer, &place(0)).is_err() {
            break;
        }
        assert!(round < 129, "the ring takes no more than it has places, and as many completions");
        lazy.submit();
        world.sends();
    }
    other.transmit(&[3; 60], 4);
    other.submit();
    assert_eq!(world.sends(), [[3; 60]]);
    assert_eq!(lazy.sent().len(), ipc::net::PLACES);
    lazy.submit();
    // The other is still at work, and has one under way at a time.
    let counts: Vec<_> = (0..ipc::net::PLACES).map(|_| world.sends().len()).collect();
    assert_eq!(counts, [1; ipc::net::PLACES]);
}

#[test]
fn a_client_that_floods_leaves_its_neighbour_its_half() {
    let world = world();
    let (mut flood, mut polite) = (world.attached(1), world.attached(2));
    let (mut mine, mut theirs) = (0, 0);
    polite.transmit(&[1; 1000], 0);
    polite.submit();
    for _ in 0..2000 {
        while flood.rings.transmit.ask(&flood.buffer, &place(1)).is_ok() {}
        flood.submit();
        if let Some(head) = world.transmit.take() {
            world.transmit.serve_one(head, |_, _| 0);
        }
        world.interrupt();
        theirs += flood.sent().len();
        for _ in polite.sent() {
            mine += 1;
            polite.transmit(&[1; 1000], 0);
            polite.submit();
        }
    }
    assert!(mine * 10 >= (mine + theirs) * 4, "{mine} of {}", mine + theirs);
}

#[test]
fn random_clients_and_a_random_device_do_no_harm() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..20 {
        let world = world();
        let mut clients = [world.attached(1), world.attached(2)];
        for _ in 0..1500 {
            let client = &mut clients[random(2) as usize];
            // Frames to be sent in the lower half, rooms in the upper: the fake of memory ends a test that writes what the device
            // has, which is right for drivers and harms nobody but a client that asks for it.
            let mut any = |half: u64| Place {
                offset: (17 * half + random(17)) as u32 * 4096,
                bytes: [14, 1514, 1600, 5, u32::MAX][random(5) as usize],
                tag: random(100) as u32,
            };
            let (frame, room) = (any(0), any(1));
            match random(32) {
                0 => world.receive.complete(random(70) as u32, random(5000) as u32),
                1 => world.transmit.complete(random(140) as u32, random(5000) as u32),
                2..8 => {
                    if let Some(head) = world.receive.take() {
                        world.receive.serve_one(head, |_, output| random(output.len() as u64 + 9) as u32);
                    }
                }
                8..13 => {
                    if let Some(head) = world.transmit.take() {
                        world.transmit.serve_one(head, |_, _| random(9) as u32);
                    }
                }
                13 => drop(client.buffer.store_u32(random(1000) as usize * 4, random(80) as u32)),
                14..18 => drop(client.net.submit()),
                18 => drop(client.rings.transmit.completion(&client.buffer)),
                19 => drop(client.rings.receive.completion(&client.buffer)),
                20 => world.receive.configure(6, &[random(2) as u8, 0]),
                21 if random(20) == 0 => drop(client.net.detach()),
                22..25 => drop(client.rings.transmit.ask(&client.buffer, &frame)),
                25..28 => drop(client.rings.receive.ask(&client.buffer, &room)),
                _ => world.interrupt(),
            }
        }
    }
}

#[test]
fn who_attaches_again_has_no_more_under_way() {
    let world = world();
    let mut polite = world.attached(8);
    polite.transmit(&[8; 60], 0);
    polite.submit();
    for _ in 0..10 {
        let mut flood = world.attached(7);
        (0..3).for_each(|tag| flood.transmit(&[7; 60], tag));
        flood.submit();
    }
    assert_eq!(core::iter::from_fn(|| world.transmit.take()).count(), 2, "one of each");
}
