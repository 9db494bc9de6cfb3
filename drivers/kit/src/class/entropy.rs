//! Random bytes: the protocol `entropy` with a share for each client, in front of a [`Generator`].
//!
//! What the device brings is dealt out byte by byte, to each client in turn whose share is not full; what nobody has room for
//! is kept for clients that come. A byte lies in one place only, and where it lay is wiped. The message that carries it to the client
//! is overwritten by the next.

use alloc::boxed::Box;
use alloc::vec;

use ipc::entropy::{Data, Entropy, EntropyServer, MAX_BYTES, Status};
use ipc::{Client, NoSession, Sessions, Shared, Signal};
use rt::Env;
use zeroize::Zeroize;

use crate::Interrupt;

/// Most bytes that a device brings at a time.
pub const BLOCK: usize = 256;

/// Clients at a time.
const CLIENTS: usize = 8;
/// So many equal bytes in a row are not random: they come once in 2^80 bytes (NIST SP 800-90B, 4.4.1, repetition count test).
const REPEATED: u32 = 11;

/// A device that brings random bytes when it is asked.
pub trait Generator {
    /// Asks for up to [`BLOCK`] bytes, unless some are under way.
    fn request(&mut self);

    /// The interrupt was seen.
    fn acknowledge(&mut self);

    /// Takes what was brought: how many bytes of `block` it filled. `None`: nothing has come. The device's own copy is wiped.
    fn take(&mut self, block: &mut [u8; BLOCK]) -> Option<usize>;

    /// The device failed: it brings nothing any more.
    fn has_failed(&self) -> bool;
}

/// Serves `entropy` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["entropy"]`.
pub fn serve(env: &Env, generator: impl Generator + 'static, interrupt: Interrupt) -> crate::Result {
    let service = Shared::new(Service::new(generator));
    let source = service.clone();
    crate::on_interrupt(interrupt, move || source.borrow_mut().interrupt());
    Ok(ipc::serve(env, EntropyServer(service))?)
}

/// Bytes that wait for somebody, at most [`MAX_BYTES`], as a stack: their order says nothing. Behind them are zeros.
struct Share {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Share {
    fn new() -> Self {
        Self { bytes: vec![0; MAX_BYTES].into_boxed_slice(), filled: 0 }
    }

    fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
    }

    /// Shows at most `most` bytes, which are in here no longer.
    fn take<R>(&mut self, most: usize, with: impl FnOnce(&[u8]) -> R) -> R {
        let rest = self.filled.saturating_sub(most);
        let taken = &mut self.bytes[rest..self.filled];
        let result = with(taken);
        taken.zeroize();
        self.filled = rest;
        result
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

struct Session {
    signal: Signal,
    share: Share,
    /// A read was cut short.
    wants: bool,
}

/// One source and its clients.
pub struct Service<G> {
    generator: G,
    sessions: Sessions<Session, CLIENTS>,
    /// For clients that come.
    kept: Share,
    /// Whose turn it is.
    turn: usize,
    /// The last byte, and how often it came in a row.
    last: (u8, u32),
    failed: bool,
}

impl<G: Generator> Service<G> {
    /// A source without clients, which begins to bring bytes.
    pub fn new(generator: G) -> Self {
        let sessions = Sessions::new();
        let mut service = Self { generator, sessions, kept: Share::new(), turn: 0, last: (0, 0), failed: false };
        service.refill();
        service
    }

    /// The device wants attention: deals out what it brought, and wakes who waits.
    pub fn interrupt(&mut self) {
        self.generator.acknowledge();
        let mut block = [0; BLOCK];
        // One block: a device that always has another must not hold up everything else.
        if let Some(count) = self.generator.take(&mut block) {
            self.deal(&block[..count.min(BLOCK)]);
            block.zeroize();
        }
        self.refill();
        for session in self.sessions.iter_mut() {
            if session.wants && (session.share.filled > 0 || self.failed) {
                session.wants = false;
                session.signal.wake();
            }
        }
    }

    fn deal(&mut self, bytes: &[u8]) {
        if bytes.iter().any(|&byte| self.repeats(byte)) {
            log::error!("the device brings the same byte over and over; it is not used any more");
            self.failed = true;
            return;
        }
        for &byte in bytes {
            let turn = self.turn;
            let order = |place: usize| (place + CLIENTS - turn) % CLIENTS;
            let sessions = self.sessions.iter_mut().enumerate();
            let hungry = sessions.filter(|(_, session)| !session.share.is_full());
            match hungry.min_by_key(|&(place, _)| order(place)) {
                Some((place, session)) => {
                    session.share.put(byte);
                    self.turn = (place + 1) % CLIENTS;
                }
                None => self.kept.put(byte),
            }
        }
    }

    fn repeats(&mut self, byte: u8) -> bool {
        let (last, count) = self.last;
        self.last = (byte, if byte == last { count + 1 } else { 1 });
        self.last.1 >= REPEATED
    }

    /// Asks for more while there is room.
    fn refill(&mut self) {
        self.failed |= self.generator.has_failed();
        let room = !self.kept.is_full() || self.sessions.iter_mut().any(|session| !session.share.is_full());
        if room && !self.failed {
            self.generator.request();
            self.failed |= self.generator.has_failed();
        }
    }
}

impl<G: Generator> Entropy for Service<G> {
    fn attach(&mut self, client: Client, signal: Signal) -> Result<(), Status> {
        let before = self.sessions.close(client).map(|session| session.share);
        let share = before.unwrap_or_else(Share::new);
        // Who is gone leaves its place to who comes.
        self.sessions.retain(|session| session.signal.is_there());
        let opened = self.sessions.open(client, |_| Ok::<_, NoSession>(Session { signal, share, wants: false }));
        let session = opened.map_err(|NoSession| Status::TooManySessions)?;
        let room = MAX_BYTES - session.share.filled;
        self.kept.take(room, |bytes| bytes.iter().for_each(|&byte| session.share.put(byte)));
        self.refill();
        Ok(())
    }

    fn read(&mut self, client: Client, most: u32) -> Result<Data, Status> {
        let session = self.sessions.get(client).ok_or(Status::NotAttached)?;
        let most = (most as usize).min(MAX_BYTES);
        if session.share.filled < most {
            if self.failed {
                return Err(Status::DeviceError);
            }
            session.wants = true;
        }
        let data = session.share.take(most, Data::cut);
        self.refill();
        Ok(data)
    }
}

#[cfg(test)]
mod tests;
