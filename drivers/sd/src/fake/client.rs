//! A client of a slot's disk, with a buffer and rings.

use std::vec;
use std::vec::Vec;

use ipc::block::{BlockClient, BlockServer, ClientRings, Completion, Operation, RINGS, Request};
use ipc::{Loopback, Shared, SignalOn};
use kit::class::block::Service;
use kit::dma::Space;
use kit::fake::Line;
use rt::{Badge, Cap, Notification, SharedBuffer};

use crate::{Host, SlotDisk};

const BELL: Cap<Notification> = Cap::from_slot(70);

type Server<H> = Shared<Service<SlotDisk<H>>>;

/// A client, and the device at the other end.
pub struct Client<H: Host + 'static, D> {
    /// The disk, as a client calls it.
    pub block: BlockClient<Loopback<BlockServer<Server<H>>>>,
    /// Its rings.
    pub rings: ClientRings,
    /// Its buffer, in which the rings are, too.
    pub buffer: SharedBuffer,
    /// The disk, as its own tasks see it.
    pub server: Server<H>,
    /// The test's side of the controller.
    pub device: D,
    line: Line,
}

impl<H: Host + 'static, D> Client<H, D> {
    /// A client with a buffer of so many pages, of this disk, whose controller has this line.
    ///
    /// # Panics
    /// It cannot attach.
    pub fn new(disk: SlotDisk<H>, space: Space, line: Line, device: D, pages: usize) -> Self {
        let server = Shared::new(Service::new(disk, space));
        kit::class::block::watch(server.clone()).expect("a bit");
        let loopback = Loopback::with_client(BlockServer(server.clone()), Badge::new(7, 1, 0));
        let buffer = SharedBuffer::fake(pages * 4096);
        let rings = RINGS.client(&buffer).expect("a page");
        let client = Self { block: BlockClient(loopback), rings, buffer, server, device, line };
        client.block.attach(&client.buffer, SignalOn { notification: BELL, bits: 4 }).expect("room");
        client
    }

    /// Requests that are done since this was last asked: tag and status.
    ///
    /// # Panics
    /// The server lies.
    pub fn done(&mut self) -> Vec<(u32, u32)> {
        let next = || self.rings.completion(&self.buffer).expect("no lie");
        core::iter::from_fn(next).map(|Completion { tag, status }| (tag, status)).collect()
    }

    /// Asks, and serves the interrupts that come of it.
    ///
    /// # Panics
    /// There is no room in the ring.
    pub fn ask(&mut self, request: Request) {
        self.rings.ask(&self.buffer, &request).expect("room");
        self.block.submit().expect("attached");
        self.serve();
    }

    /// Interrupts, until there are none.
    pub fn serve(&self) {
        self.line.serve(|| self.server.borrow_mut().interrupt());
    }

    /// Lets time pass, with the interrupts that come.
    pub fn pass(&self, milliseconds: u32) {
        for _ in 0..milliseconds {
            rt::task::run_ready();
            rt::task::fake::advance(1_000_000);
            self.serve();
        }
    }

    /// What becomes of a request.
    ///
    /// # Panics
    /// Nothing does, for forty seconds.
    pub fn outcome(&mut self, request: Request) -> u32 {
        self.ask(request);
        for _ in 0..40 {
            if let [(_, status)] = self.done()[..] {
                return status;
            }
            self.pass(1000);
        }
        panic!("no completion");
    }

    /// Bytes of the buffer.
    ///
    /// # Panics
    /// They do not lie inside.
    pub fn bytes(&self, offset: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.buffer.read(offset, &mut bytes).expect("inside");
        bytes
    }
}

/// A request with its data behind the rings.
pub const fn request(operation: Operation, sector: u64, sectors: u32) -> Request {
    Request { sector, sectors, offset: 4096, tag: 0, operation: operation as u32 }
}

/// Of one sector.
pub const fn read(sector: u64) -> Request {
    request(Operation::Read, sector, 1)
}

/// What is written where nothing else is like it.
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index / 7 + index) as u8).collect()
}
