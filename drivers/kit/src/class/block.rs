//! Disks: the protocol `block` with a session for each client, in front of a [`Disk`].
//!
//! Clients share a device fairly, in bytes with a fixed price for each request.

use alloc::rc::Rc;
use core::time::Duration;

use ipc::block::{Block, BlockServer, Completion, Info, Operation, RINGS, Request, ServerRings, Status, outcome};
use ipc::ring::{Lie, PushError};
use ipc::{Buffer, Client, Shared, Signal};
use rt::task::{Event, NoEvent, raise};
use rt::{Env, SharedBuffer};

use super::clients::{Clients, Refused, Rings};
use crate::Interrupt;
use crate::dma::{Memory, Piece, Space};

/// What a request costs beside its bytes, in bytes.
const PRICE: u64 = 16 * 1024;

/// A device of sectors.
pub trait Disk {
    /// What it is.
    fn info(&self) -> Info;

    /// How many requests can be under way.
    fn places(&self) -> usize;

    /// What was written may be in a cache of its own until a flush. Where it is not, no flush gets here.
    fn has_cache(&self) -> bool;

    /// Takes requests now. While it does not, they wait where their clients put them.
    fn is_ready(&self) -> bool {
        true
    }

    /// Prepares a request, which has number `id` below [`Self::places`] and was checked; `data` is as long as its sectors, none
    /// of a flush. [`Self::start`] follows after the last of several.
    ///
    /// # Errors
    /// What its completion says, of [`outcome`]: it was not taken.
    fn submit(&mut self, operation: Operation, sector: u64, data: Option<Piece>, id: usize) -> Result<(), u32>;

    /// Tells the device of what was submitted.
    fn start(&mut self);

    /// The interrupt was seen.
    fn acknowledge(&mut self);

    /// The next request that is done: its number, and what its completion says.
    fn finished(&mut self) -> Option<(usize, u32)>;

    /// The device failed: its requests finish as failed, and it takes no others.
    fn has_failed(&self) -> bool;

    /// After how long it is to be looked at, whether it interrupts or not. `None`: it has nothing that could take too long.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// The time of [`Self::patience`] has passed.
    fn look(&mut self) {}
}

/// Serves `block` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["block"]`.
pub fn serve(env: &Env, disk: impl Disk + 'static, space: Space, interrupt: Interrupt) -> crate::Result {
    let info = disk.info();
    log::info!("{} sectors{}", info.sectors, if info.read_only { ", read-only" } else { "" });
    let service = Shared::new(Service::new(disk, space));
    watch(service.clone())?;
    let disk = service.clone();
    crate::on_interrupt(interrupt, move || disk.borrow_mut().interrupt());
    Ok(ipc::serve(env, BlockServer(service))?)
}

/// Looks at the device while it has something that could take too long.
///
/// # Errors
/// The process has no bit left.
pub fn watch(service: Shared<Service<impl Disk + 'static>>) -> Result<(), NoEvent> {
    let event = Event::new()?;
    crate::spawn(async move {
        loop {
            let patience = service.borrow_mut().patience(&event);
            match patience {
                Some(time) => {
                    crate::sleep(time).await;
                    service.borrow_mut().look();
                }
                None => event.wait().await,
            }
        }
    });
    Ok(())
}

/// One device and its clients.
pub struct Service<D> {
    disk: D,
    clients: Clients<ServerRings>,
    /// What wakes the task that looks at the device, while it has nothing to look for.
    idle: Option<u64>,
}

impl<D: Disk> Service<D> {
    /// Serves this device, which reaches memory through this space.
    pub fn new(disk: D, space: Space) -> Self {
        let clients = Clients::new(space, disk.places());
        Self { disk, clients, idle: None }
    }

    /// After how long the device is to be looked at. `None`: `event` is raised when it is.
    fn patience(&mut self, event: &Event) -> Option<Duration> {
        let patience = self.disk.patience();
        self.idle = patience.is_none().then_some(event.bits());
        patience
    }

    /// Time has passed: the device may have taken too long, or its interrupt was lost.
    fn look(&mut self) {
        self.disk.look();
        self.interrupt();
    }

    /// The device wants attention: completes what is done, takes what waits, and wakes whom it concerns.
    pub fn interrupt(&mut self) {
        self.disk.acknowledge();
        while let Some((id, status)) = self.disk.finished() {
            if let Some(owner) = self.clients.take_ended(id) {
                self.clients.finish(owner, status);
            }
        }
        self.pump();
    }

    /// Takes requests while there is room for them, and signals.
    fn pump(&mut self) {
        if self.disk.is_ready() {
            self.take();
        }
        self.clients.tell();
        if let Some(bits) = self.idle
            && self.disk.patience().is_some()
        {
            self.idle = None;
            raise(bits);
        }
    }

    fn take(&mut self) {
        let (info, has_cache) = (self.disk.info(), self.disk.has_cache());
        let mut started = false;
        while let Some(id) = self.clients.free_number() {
            let next = self.clients.next(|memory, request| prepare(memory, request, info, has_cache));
            let Some((owner, (operation, data))) = next else { break };
            if let Err(status) = self.disk.submit(operation, owner.request.sector, data, id) {
                self.clients.finish(owner, status);
                continue;
            }
            self.clients.began(owner);
            started = true;
        }
        if started {
            self.disk.start();
        }
    }
}

/// What the device is to do, or what becomes of the request without it.
fn prepare(
    memory: &Rc<Memory>,
    request: &Request,
    info: Info,
    has_cache: bool,
) -> Result<(Operation, Option<Piece>), u32> {
    match request.check(info, memory.bytes())? {
        Operation::Flush if !has_cache => Err(outcome::DONE),
        Operation::Flush => Ok((Operation::Flush, None)),
        operation => {
            let data = Piece::new(memory, request.offset as usize, request.bytes()).ok_or(outcome::RANGE)?;
            Ok((operation, Some(data)))
        }
    }
}

impl<D: Disk> Block for Service<D> {
    fn info(&mut self) -> Result<Info, Status> {
        Ok(self.disk.info())
    }

    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status> {
        Ok(self.clients.attach(client, buffer, signal)?)
    }

    fn submit(&mut self, client: Client) -> Result<(), Status> {
        if self.disk.has_failed() {
            return Err(Status::DeviceError);
        }
        let broken = self.clients.look(client).ok_or(Status::NotAttached)?.is_broken();
        self.pump();
        if broken { Err(Status::BadRing) } else { Ok(()) }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Memory => Self::BadCapability,
            Refused::Full => Self::TooManySessions,
        }
    }
}

impl Rings for ServerRings {
    type Request = Request;

    const NEW: Self = RINGS.server();

    fn waiting(&mut self, buffer: &SharedBuffer) -> Result<usize, Lie> {
        self.waiting(buffer)
    }

    fn next(&mut self, buffer: &SharedBuffer, under_way: usize) -> Result<Option<Request>, Lie> {
        self.next(buffer, under_way)
    }

    fn complete(&mut self, buffer: &SharedBuffer, request: &Request, status: u32) -> Result<(), PushError> {
        self.complete(buffer, &Completion { tag: request.tag, status })
    }

    fn price(request: &Request) -> u64 {
        PRICE + request.bytes() as u64
    }
}
