//! Disks: the protocol `block` with a session for each client, in front of a [`Disk`].
//!
//! Clients share a device fairly, in bytes with a fixed price for each request.

use alloc::rc::Rc;
use alloc::vec::Vec;

use ipc::block::{Block, BlockServer, Completion, Info, Operation, Request, ServerRings, Status, outcome};
use ipc::{Buffer, Client, NoSession, Sessions, Shared, Signal};
use rt::Env;

use super::fair::{Peaks, Share};
use crate::Interrupt;
use crate::dma::{Memory, Piece, Space};

/// Clients at a time.
const CLIENTS: usize = 8;
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

    /// Prepares a request, which has number `id` below [`Self::places`] and was checked; `data` is as long as its sectors, none
    /// of a flush. `false`:
    /// the device has failed. [`Self::start`] follows after the last of several.
    fn submit(&mut self, operation: Operation, sector: u64, data: Option<Piece>, id: usize) -> bool;

    /// Tells the device of what was submitted.
    fn start(&mut self);

    /// The interrupt was seen.
    fn acknowledge(&mut self);

    /// The next request that is done: its number, and what its completion says.
    fn finished(&mut self) -> Option<(usize, u32)>;

    /// The device failed: its requests finish as failed, and it takes no others.
    fn has_failed(&self) -> bool;
}

/// Serves `block` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["block"]`.
pub fn serve(env: &Env, disk: impl Disk + 'static, space: Space, interrupt: Interrupt) -> crate::Result {
    let info = disk.info();
    log::info!("{} sectors{}", info.sectors, if info.read_only { ", read-only" } else { "" });
    let service = Shared::new(Service::new(disk, space));
    let disk = service.clone();
    crate::on_interrupt(interrupt, move || disk.borrow_mut().interrupt());
    Ok(ipc::serve(env, BlockServer(service))?)
}

/// Whose a request is: a session is never confused with the one that replaced it.
#[derive(Clone, Copy, Debug)]
struct Owner {
    component: u32,
    session: u64,
    tag: u32,
}

/// The memory a client shares, and how it is told.
struct Session {
    component: u32,
    number: u64,
    memory: Rc<Memory>,
    rings: ServerRings,
    signal: Signal,
    share: Share,
    /// Requests of this session that the device has.
    owed: usize,
    /// Completions were written that it was not signalled for yet.
    news: bool,
    /// Its memory was found to be there since the last batch.
    present: bool,
    /// Its rings lie, or it took its memory away, or it died.
    broken: bool,
}

/// One device and its clients.
pub struct Service<D> {
    disk: D,
    space: Space,
    sessions: Sessions<Session, CLIENTS>,
    /// By their numbers.
    under_way: Vec<Option<Owner>>,
    /// Numbers that are free.
    free: Vec<usize>,
    /// Sessions begun so far.
    begun: u64,
}

impl<D: Disk> Service<D> {
    /// Serves this device, which reaches memory through this space.
    pub fn new(disk: D, space: Space) -> Self {
        let places = disk.places();
        let (under_way, free) = ((0..places).map(|_| None).collect(), (0..places).rev().collect());
        Self { disk, space, sessions: Sessions::new(), under_way, free, begun: 0 }
    }

    /// The device wants attention: completes what is done, takes what waits, and wakes whom it concerns.
    pub fn interrupt(&mut self) {
        self.disk.acknowledge();
        while let Some((id, status)) = self.disk.finished() {
            let Some(owner) = self.under_way.get_mut(id).and_then(Option::take) else { continue };
            self.free.push(id);
            self.sessions.iter_mut().for_each(|session| session.note(owner, status));
        }
        self.pump();
    }

    /// Takes requests while there is room for them, and signals.
    fn pump(&mut self) {
        let mut started = false;
        while let Some(&id) = self.free.last() {
            let Some((owner, operation, sector, data)) = self.next() else { break };
            if !self.disk.submit(operation, sector, data, id) {
                self.sessions.iter_mut().for_each(|session| session.note(owner, outcome::DEVICE_FAILED));
                continue;
            }
            self.free.pop();
            self.under_way[id] = Some(owner);
            started = true;
        }
        if started {
            self.disk.start();
        }
        for session in self.sessions.iter_mut() {
            session.present = false;
            if core::mem::take(&mut session.news) && !session.broken {
                session.signal.wake();
            }
        }
    }

    /// The next request, of the client that was served least.
    fn next(&mut self) -> Option<(Owner, Operation, u64, Option<Piece>)> {
        let (info, has_cache) = (self.disk.info(), self.disk.has_cache());
        loop {
            let peaks: Peaks = self.sessions.iter_mut().map(|session| &session.share).collect();
            let session = self
                .sessions
                .iter_mut()
                .filter(|session| session.share.may_take(peaks) && !session.broken)
                .min_by_key(|session| session.share.served())?;
            let Some(request) = session.take() else { continue };
            match session.checked(info, &request) {
                Ok((Operation::Flush, _)) if !has_cache => {
                    session.complete(Completion { tag: request.tag, status: outcome::DONE });
                }
                Ok((operation, data)) => {
                    session.share.begin();
                    session.owed += 1;
                    let owner = Owner { component: session.component, session: session.number, tag: request.tag };
                    return Some((owner, operation, request.sector, data));
                }
                Err(status) => session.complete(Completion { tag: request.tag, status }),
            }
        }
    }
}

impl<D: Disk> Block for Service<D> {
    fn info(&mut self) -> Result<Info, Status> {
        Ok(self.disk.info())
    }

    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status> {
        let memory = Memory::attach(self.space, buffer.frame.keep(), buffer.pages.into()).map_err(|error| {
            log::warn!("client {}: {error}", client.component());
            Status::BadCapability
        })?;
        let served = self.sessions.close(client).map_or(0, |session| session.share.served());
        // Who is gone leaves its place to who comes.
        self.sessions.retain(|session| session.memory.is_present());
        let component = client.component();
        let under_way = self.under_way.iter().flatten().filter(|owner| owner.component == component).count();
        self.begun += 1;
        let session = Session::new(component, self.begun, memory, signal, Share::of_earlier(under_way, served));
        let opened = self.sessions.open(client, |_| Ok::<_, NoSession>(session));
        opened.map(drop).map_err(|NoSession| Status::TooManySessions)
    }

    fn submit(&mut self, client: Client) -> Result<(), Status> {
        if self.disk.has_failed() {
            return Err(Status::DeviceError);
        }
        let at_work = self.sessions.iter_mut().map(|session| &session.share).filter(|share| share.is_at_work());
        let least = at_work.map(Share::served).min();
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        session.look(least.unwrap_or(0));
        let broken = session.broken;
        self.pump();
        if broken { Err(Status::BadRing) } else { Ok(()) }
    }
}

impl Session {
    fn new(component: u32, number: u64, memory: Memory, signal: Signal, share: Share) -> Self {
        Self {
            component,
            number,
            memory: Rc::new(memory),
            rings: ServerRings::new(),
            signal,
            share,
            owed: 0,
            news: false,
            present: false,
            broken: false,
        }
    }

    /// The client says that there are requests. `least`: what was done for the least served of those at work.
    fn look(&mut self, least: u64) {
        if !self.is_present() {
            return;
        }
        match self.rings.waiting(self.memory.buffer()) {
            Ok(waiting) => self.share.look(waiting, least),
            Err(_) => self.broken = true,
        }
    }

    /// Whether its memory may be touched: asked once for each batch, as this process runs above its clients, so that none of
    /// them can act in between.
    fn is_present(&mut self) -> bool {
        if !self.present && !self.broken {
            self.present = self.memory.is_present();
            self.broken = !self.present;
        }
        !self.broken
    }

    /// The next request of the ring.
    fn take(&mut self) -> Option<Request> {
        if !self.is_present() {
            return None;
        }
        match self.rings.request(self.memory.buffer(), self.owed) {
            Ok(Some(request)) => {
                self.share.took(PRICE + request.bytes() as u64);
                return Some(request);
            }
            // No place for its completion: the client takes some out, and says so.
            Ok(None) => self.share.took_none(),
            Err(_) => self.broken = true,
        }
        None
    }

    fn checked(&self, info: Info, request: &Request) -> Result<(Operation, Option<Piece>), u32> {
        let operation = request.check(info, self.memory.bytes())?;
        if operation == Operation::Flush {
            return Ok((operation, None));
        }
        let data = Piece::new(&self.memory, request.offset as usize, request.bytes()).ok_or(outcome::RANGE)?;
        Ok((operation, Some(data)))
    }

    /// The device is done with a request, of this session, an earlier one of its client, or another client.
    fn note(&mut self, owner: Owner, status: u32) {
        if self.component != owner.component {
            return self.share.note_other();
        }
        self.share.end();
        if self.number == owner.session {
            self.owed -= 1;
            self.complete(Completion { tag: owner.tag, status });
        }
    }

    fn complete(&mut self, completion: Completion) {
        if self.is_present() {
            self.broken = self.rings.complete(self.memory.buffer(), completion).is_err();
            self.news = true;
        }
    }
}
