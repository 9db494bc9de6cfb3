//! Network interfaces: the protocol `net` with a session for each client, in front of a [`Nic`].
//!
//! Clients share what is sent fairly, in bytes with a fixed price for each frame; the device reads frames where they lie in the
//! client's memory. Frames that come lie in memory of the driver's own and are copied, once for each client that has room: the device
//! keeps what it is to write into as long as no frame comes, and a client's memory may be somebody else's by then (decision 0022).

use alloc::rc::Rc;
use alloc::vec::Vec;

use ipc::net::{Completion, Counters, Info, Net, NetServer, Place, ServerRings, Status, outcome};
use ipc::ring::{Lie, PushError};
use ipc::{Buffer, Client, Shared, Signal};
use rt::{Env, SharedBuffer};

use super::clients::{Clients, Refused, Rings, Session};
use crate::Interrupt;
use crate::dma::{Memory, Piece, Space};

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

/// The rings of a client.
struct Ends {
    rings: ServerRings,
    /// Rooms in the ring when the client last said so, less those taken since.
    rooms: usize,
}

/// One device and its clients.
pub struct Service<N> {
    nic: N,
    clients: Clients<Ends>,
    counters: Counters,
}

impl<N: Nic> Service<N> {
    /// Serves this device, which reaches memory through this space.
    pub fn new(nic: N, space: Space) -> Self {
        let clients = Clients::new(space, nic.places());
        Self { nic, clients, counters: Counters::default() }
    }

    /// The device wants attention: completes what was sent, hands out what has come, and wakes whom it concerns.
    pub fn interrupt(&mut self) {
        if self.nic.acknowledge() {
            self.clients.iter_mut().for_each(Session::tell_later);
        }
        while let Some((id, out)) = self.nic.sent() {
            let Some(owner) = self.clients.take_ended(id) else { continue };
            self.count_sent(&owner.request, out);
            self.clients.finish(owner, if out { owner.request.bytes } else { outcome::DEVICE_FAILED });
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
        self.clients.tell();
    }

    /// Gives frames to the device; says whether there were any.
    fn send(&mut self) -> bool {
        let mut sent = false;
        while let Some(id) = self.clients.free_number() {
            let Some((owner, frame)) = self.clients.next(frame) else { break };
            if !self.nic.send(frame, id) {
                self.count_sent(&owner.request, false);
                self.clients.finish(owner, outcome::DEVICE_FAILED);
                continue;
            }
            self.clients.began(owner);
            sent = true;
        }
        sent
    }

    const fn count_sent(&mut self, place: &Place, out: bool) {
        match out {
            true => {
                self.counters.sent += 1;
                self.counters.sent_bytes += place.bytes as u64;
            }
            false => self.counters.errors += 1,
        }
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
        self.clients.iter_mut().any(|session| session.rings().rooms > 0 && !session.is_broken())
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
        let takers = self.clients.iter_mut().map(|session| session.receive(frame)).filter(|&took| took).count();
        self.counters.dropped += u64::from(takers == 0);
    }
}

/// What is to be sent, or why it cannot be.
fn frame(memory: &Rc<Memory>, place: &Place) -> Result<Piece, u32> {
    place.frame(memory.bytes())?;
    Piece::new(memory, place.offset as usize, place.bytes as usize).ok_or(outcome::RANGE)
}

impl<N: Nic> Net for Service<N> {
    fn info(&mut self) -> Result<Info, Status> {
        Ok(self.nic.info())
    }

    fn counters(&mut self) -> Result<Counters, Status> {
        Ok(self.counters)
    }

    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status> {
        let was_alone = self.clients.iter_mut().all(|session| session.is_broken());
        self.clients.attach(client, buffer, signal)?;
        if was_alone {
            self.drop_stale();
        }
        Ok(())
    }

    fn submit(&mut self, client: Client) -> Result<(), Status> {
        if self.nic.has_failed() {
            return Err(Status::DeviceError);
        }
        let broken = self.clients.look(client).ok_or(Status::NotAttached)?.is_broken();
        self.pump();
        if broken { Err(Status::BadRing) } else { Ok(()) }
    }

    fn detach(&mut self, client: Client) -> Result<(), Status> {
        if self.clients.detach(client) { Ok(()) } else { Err(Status::NotAttached) }
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

impl Rings for Ends {
    type Request = Place;

    const NEW: Self = Self { rings: ServerRings::new(), rooms: 0 };

    fn waiting(&mut self, buffer: &SharedBuffer) -> Result<usize, Lie> {
        self.rooms = self.rings.receive.waiting(buffer)?;
        self.rings.transmit.waiting(buffer)
    }

    fn next(&mut self, buffer: &SharedBuffer, under_way: usize) -> Result<Option<Place>, Lie> {
        self.rings.transmit.next(buffer, under_way)
    }

    fn complete(&mut self, buffer: &SharedBuffer, place: &Place, result: u32) -> Result<(), PushError> {
        self.rings.transmit.complete(buffer, &Completion { tag: place.tag, result })
    }

    fn price(place: &Place) -> u64 {
        PRICE + u64::from(place.bytes)
    }
}

impl Session<Ends> {
    /// Copies a frame that has come, if there is room for it.
    fn receive(&mut self, frame: &Piece) -> bool {
        let Some(place) = self.take_room() else { return false };
        let Some((memory, _)) = self.present() else { return false };
        let copied = frame.copy_to(memory.buffer(), place.offset as usize).is_ok();
        self.end_room(&place, if copied { frame.bytes() as u32 } else { outcome::RANGE });
        copied
    }

    /// The next room for a frame. What is none is completed as such.
    fn take_room(&mut self) -> Option<Place> {
        while self.rings().rooms > 0 {
            let (memory, ends) = self.present()?;
            match ends.rings.receive.next(memory.buffer(), 0) {
                Ok(Some(place)) => {
                    ends.rooms -= 1;
                    match place.room(memory.bytes()) {
                        Ok(()) => return Some(place),
                        Err(result) => self.end_room(&place, result),
                    }
                }
                // No place for its completion: the client takes some out, and says so.
                Ok(None) => ends.rooms = 0,
                Err(_) => self.lied(),
            }
        }
        None
    }

    fn end_room(&mut self, place: &Place, result: u32) {
        self.complete(|ends, buffer| ends.rings.receive.complete(buffer, &Completion { tag: place.tag, result }));
    }
}
