//! Network interfaces: the protocol `net` with a session for each client, in front of a [`Nic`].
//!
//! Clients share what is sent fairly, in bytes with a fixed price for each frame; the device reads frames where they lie in the
//! client's memory. Frames that come lie in memory of the driver's own and are copied, once for each client that has room: the device
//! keeps what it is to write into as long as no frame comes, and a client's memory may be somebody else's by then (decision 0022).

use alloc::rc::Rc;
use alloc::vec::Vec;

use ipc::net::{Completion, Counters, Info, Net, NetServer, Place, Served, ServerRings, Status, outcome};
use ipc::{Buffer, Client, NoSession, Sessions, Shared, Signal};
use rt::Env;

use super::fair::{Peaks, Share};
use crate::Interrupt;
use crate::dma::{Memory, Piece, Space};

/// Clients at a time.
const CLIENTS: usize = 8;
/// What a frame costs beside its bytes, in bytes.
const PRICE: u64 = 1024;

/// A device that sends and receives frames.
pub trait Nic {
    /// What it is. The link may come and go.
    fn info(&self) -> Info;

    /// How many frames can be on their way out.
    fn places(&self) -> usize;

    /// Prepares a frame to be sent, which has number `id` below [`Self::places`] and was checked. `false`: the device has failed.
    /// [`Self::start`] follows after the last of several.
    fn send(&mut self, frame: Piece, id: usize) -> bool;

    /// The next frame that was sent: its number, and whether it went out.
    fn sent(&mut self) -> Option<(usize, bool)>;

    /// The next frame that has come, no longer than [`LONGEST`](ipc::net::LONGEST); what is none is given without its bytes.
    /// [`Self::recycle`] follows when it was copied.
    fn received(&mut self) -> Option<Received>;

    /// The memory of a frame may be used again. [`Self::start`] follows after the last of several.
    fn recycle(&mut self, id: usize);

    /// Tells the device of what was prepared.
    fn start(&mut self);

    /// The interrupt was seen. `true`: the link has come or gone.
    fn acknowledge(&mut self) -> bool;

    /// The device failed: its frames finish as failed, and it takes no others.
    fn has_failed(&self) -> bool;
}

/// A frame that has come, in memory of the driver.
#[derive(Debug)]
pub struct Received {
    /// Its number, for [`Nic::recycle`].
    pub id: usize,
    /// Its bytes.
    pub frame: Option<Piece>,
}

/// Serves `net` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["net"]`.
pub fn serve(env: &Env, nic: impl Nic + 'static, space: Space, interrupt: Interrupt) -> crate::Result {
    let Info { mac, link, .. } = nic.info();
    log::info!("{mac}, link {}", if link { "up" } else { "down" });
    let service = Shared::new(Service::new(nic, space));
    let nic = service.clone();
    crate::on_interrupt(interrupt, move || nic.borrow_mut().interrupt());
    Ok(ipc::serve(env, NetServer(service))?)
}

/// Whose a frame is that is on its way out: a session is never confused with the one that replaced it.
#[derive(Clone, Copy, Debug)]
struct Owner {
    component: u32,
    session: u64,
    tag: u32,
    bytes: u32,
}

/// The memory a client shares, and how it is told.
struct Session {
    component: u32,
    number: u64,
    memory: Rc<Memory>,
    rings: ServerRings,
    signal: Signal,
    share: Share,
    /// Frames of this session that the device has.
    owed: usize,
    /// Rooms in the ring when the client last said so, less those taken since.
    rooms: usize,
    /// It is to be signalled.
    news: bool,
    /// Its memory was found to be there since it was last signalled.
    present: bool,
    /// Its rings lie, or it took its memory away, or it died.
    broken: bool,
}

/// One device and its clients.
pub struct Service<N> {
    nic: N,
    space: Space,
    sessions: Sessions<Session, CLIENTS>,
    /// Frames on their way out, by their numbers.
    under_way: Vec<Option<Owner>>,
    /// Numbers that are free.
    free: Vec<usize>,
    counters: Counters,
    /// Sessions begun so far.
    begun: u64,
}

impl<N: Nic> Service<N> {
    /// Serves this device, which reaches memory through this space.
    pub fn new(nic: N, space: Space) -> Self {
        let places = nic.places();
        let (under_way, free) = ((0..places).map(|_| None).collect(), (0..places).rev().collect());
        Self { nic, space, sessions: Sessions::new(), under_way, free, counters: Counters::default(), begun: 0 }
    }

    /// The device wants attention: completes what was sent, hands out what has come, and wakes whom it concerns.
    pub fn interrupt(&mut self) {
        if self.nic.acknowledge() {
            self.sessions.iter_mut().for_each(|session| session.news = true);
        }
        while let Some((id, out)) = self.nic.sent() {
            let Some(owner) = self.under_way.get_mut(id).and_then(Option::take) else { continue };
            self.free.push(id);
            self.finish(owner, out);
        }
        self.pump();
    }

    /// Takes frames while there is room for them, hands out those that have come, and signals.
    fn pump(&mut self) {
        let sent = self.send();
        let received = self.receive();
        if sent || received {
            self.nic.start();
        }
        self.sessions.iter_mut().for_each(Session::tell);
    }

    /// Gives frames to the device; says whether there were any.
    fn send(&mut self) -> bool {
        let mut sent = false;
        while let Some(&id) = self.free.last() {
            let Some((owner, frame)) = self.next() else { break };
            if !self.nic.send(frame, id) {
                self.finish(owner, false);
                continue;
            }
            self.free.pop();
            self.under_way[id] = Some(owner);
            sent = true;
        }
        sent
    }

    /// The next frame to send, of the client that was served least.
    fn next(&mut self) -> Option<(Owner, Piece)> {
        loop {
            let peaks: Peaks = self.sessions.iter_mut().map(|session| &session.share).collect();
            let session = self
                .sessions
                .iter_mut()
                .filter(|session| session.share.may_take(peaks) && !session.broken)
                .min_by_key(|session| session.share.served())?;
            if let Some(next) = session.next() {
                return Some(next);
            }
        }
    }

    /// A frame was sent, or failed to be.
    fn finish(&mut self, owner: Owner, out: bool) {
        let result = if out { owner.bytes } else { outcome::DEVICE_FAILED };
        match out {
            true => {
                self.counters.sent += 1;
                self.counters.sent_bytes += u64::from(owner.bytes);
            }
            false => self.counters.errors += 1,
        }
        self.sessions.iter_mut().for_each(|session| session.note(owner, result));
    }

    /// Hands out frames while a client has room for one; says whether there were any. As many as clients have room for, and no
    /// more: a network that never rests does not keep this process from its clients.
    fn receive(&mut self) -> bool {
        let mut received = false;
        while self.is_awaited() {
            let Some(Received { id, frame }) = self.nic.received() else { break };
            self.count(frame.as_ref());
            if let Some(frame) = frame {
                self.hand_out(&frame);
            }
            self.nic.recycle(id);
            received = true;
        }
        received
    }

    fn is_awaited(&mut self) -> bool {
        self.sessions.iter_mut().any(|session| session.rooms > 0 && !session.broken)
    }

    /// What came while there was nobody is nobody's. All of it is taken before any memory is used again: then it ends.
    fn drop_stale(&mut self) {
        let stale: Vec<_> = core::iter::from_fn(|| self.nic.received()).collect();
        for Received { id, frame } in stale {
            self.count(frame.as_ref());
            self.counters.dropped += u64::from(frame.is_some());
            self.nic.recycle(id);
        }
        self.nic.start();
    }

    fn count(&mut self, frame: Option<&Piece>) {
        let Some(frame) = frame else {
            self.counters.errors += 1;
            return;
        };
        self.counters.received += 1;
        self.counters.received_bytes += frame.bytes() as u64;
    }

    fn hand_out(&mut self, frame: &Piece) {
        let takers = self.sessions.iter_mut().map(|session| session.receive(frame)).filter(|&took| took).count();
        self.counters.dropped += u64::from(takers == 0);
    }
}

impl<N: Nic> Net for Service<N> {
    fn info(&mut self) -> Result<Info, Status> {
        Ok(self.nic.info())
    }

    fn counters(&mut self) -> Result<Counters, Status> {
        Ok(self.counters)
    }

    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status> {
        let memory = Memory::attach(self.space, buffer.frame.keep(), buffer.pages.into()).map_err(|error| {
            log::warn!("client {}: {error}", client.component());
            Status::BadCapability
        })?;
        if self.sessions.iter_mut().all(|session| session.broken) {
            self.drop_stale();
        }
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
        if self.nic.has_failed() {
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

    fn detach(&mut self, client: Client) -> Result<(), Status> {
        self.sessions.close(client).map(drop).ok_or(Status::NotAttached)
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
            rooms: 0,
            news: false,
            present: false,
            broken: false,
        }
    }

    /// The client says that there is something in the rings. `least`: what was done for the least served of those at work.
    fn look(&mut self, least: u64) {
        // The caller waits for its answer, and its memory does not vanish meanwhile unless it took it away before.
        if !self.is_present() {
            return;
        }
        let buffer = self.memory.buffer();
        match (self.rings.transmit.waiting(buffer), self.rings.receive.waiting(buffer)) {
            (Ok(waiting), Ok(rooms)) => {
                self.share.look(waiting, least);
                self.rooms = rooms;
            }
            _ => self.broken = true,
        }
    }

    /// Whether its memory may be touched: asked once for each batch, as this process runs above its clients, so that none of them
    /// can act in between.
    fn is_present(&mut self) -> bool {
        if !self.present && !self.broken {
            self.present = self.memory.is_present();
            self.broken = !self.present;
        }
        !self.broken
    }

    /// The next frame that it sends, if it can be sent.
    fn next(&mut self) -> Option<(Owner, Piece)> {
        let place = self.take_frame()?;
        match self.frame(&place) {
            Ok(frame) => {
                self.share.begin();
                self.owed += 1;
                let Place { bytes, tag, .. } = place;
                Some((Owner { component: self.component, session: self.number, tag, bytes }, frame))
            }
            Err(result) => {
                self.complete(|rings| &mut rings.transmit, Completion { tag: place.tag, result });
                None
            }
        }
    }

    fn take_frame(&mut self) -> Option<Place> {
        if !self.is_present() {
            return None;
        }
        match self.rings.transmit.next(self.memory.buffer(), self.owed) {
            Ok(Some(place)) => {
                self.share.took(PRICE + u64::from(place.bytes));
                return Some(place);
            }
            // No place for its completion: the client takes some out, and says so.
            Ok(None) => self.share.took_none(),
            Err(_) => self.broken = true,
        }
        None
    }

    fn frame(&self, place: &Place) -> Result<Piece, u32> {
        place.frame(self.memory.bytes())?;
        Piece::new(&self.memory, place.offset as usize, place.bytes as usize).ok_or(outcome::RANGE)
    }

    /// Copies a frame that has come, if there is room for it.
    fn receive(&mut self, frame: &Piece) -> bool {
        let Some(place) = self.take_room() else { return false };
        let copied = frame.copy_to(self.memory.buffer(), place.offset as usize).is_ok();
        let result = if copied { frame.bytes() as u32 } else { outcome::RANGE };
        self.complete(|rings| &mut rings.receive, Completion { tag: place.tag, result });
        copied
    }

    /// The next room for a frame. What is none is completed as such.
    fn take_room(&mut self) -> Option<Place> {
        while self.rooms > 0 && self.is_present() {
            match self.rings.receive.next(self.memory.buffer(), 0) {
                Ok(Some(place)) => {
                    self.rooms -= 1;
                    match place.room(self.memory.bytes()) {
                        Ok(()) => return Some(place),
                        Err(result) => {
                            self.complete(|rings| &mut rings.receive, Completion { tag: place.tag, result });
                        }
                    }
                }
                // As for frames that it sends.
                Ok(None) => self.rooms = 0,
                Err(_) => self.broken = true,
            }
        }
        None
    }

    /// The device is done with a frame, of this session, an earlier one of its client, or another client.
    fn note(&mut self, owner: Owner, result: u32) {
        if self.component != owner.component {
            return self.share.note_other();
        }
        self.share.end();
        if self.number == owner.session {
            self.owed -= 1;
            self.complete(|rings| &mut rings.transmit, Completion { tag: owner.tag, result });
        }
    }

    fn complete(&mut self, ring: impl Fn(&mut ServerRings) -> &mut Served, completion: Completion) {
        if self.is_present() {
            self.broken = ring(&mut self.rings).complete(self.memory.buffer(), completion).is_err();
            self.news = true;
        }
    }

    /// Wakes the client, if there is something new for it.
    fn tell(&mut self) {
        self.present = false;
        if core::mem::take(&mut self.news) && !self.broken {
            self.signal.wake();
        }
    }
}
