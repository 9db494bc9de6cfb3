//! Clients that share a device through rings in memory of their own: who they are, what the device has of theirs, and whose
//! turn it is.

use alloc::rc::Rc;
use alloc::vec::Vec;

use ipc::ring::{Lie, PushError};
use ipc::{Buffer, Client, NoSession, Sessions, Signal};
use rt::SharedBuffer;

use super::fair::{Peaks, Share};
use crate::dma::{Memory, Space};

/// Clients at a time.
const CLIENTS: usize = 8;
/// Sessions of one client of which the device still has something. Each keeps its memory: who attaches again and again while
/// the device hangs is refused.
const ENDED: usize = 2;

/// The server's ends of the rings in a client's memory.
pub(super) trait Rings {
    /// What the client asks for.
    type Request: Copy;

    /// Empty rings.
    const NEW: Self;

    /// How many requests wait.
    fn waiting(&mut self, buffer: &SharedBuffer) -> Result<usize, Lie>;

    /// The next request, if its completion will have a place beside those of the requests `under_way`.
    fn next(&mut self, buffer: &SharedBuffer, under_way: usize) -> Result<Option<Self::Request>, Lie>;

    /// Puts in what became of a request.
    fn complete(&mut self, buffer: &SharedBuffer, request: &Self::Request, result: u32) -> Result<(), PushError>;

    /// What a request costs, in bytes.
    fn price(request: &Self::Request) -> u64;
}

/// Whose a request is: a session is never confused with the one that replaced it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<Q> {
    component: u32,
    session: u64,
    /// What it asked for.
    pub request: Q,
}

/// The memory a client shares, and how it is told.
pub(super) struct Session<R> {
    component: u32,
    number: u64,
    memory: Rc<Memory>,
    rings: R,
    signal: Signal,
    share: Share,
    /// Requests of this session that the device has.
    owed: usize,
    /// It is to be signalled.
    news: bool,
    /// Its memory was found to be there since it was last signalled.
    present: bool,
    /// Its rings lie, or it took its memory away, or it died.
    broken: bool,
}

/// Why a client cannot attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its memory cannot be used.
    Memory,
    /// There are too many clients, or the device still has requests of too many earlier sessions of this one.
    Full,
}

/// The clients of a device.
pub(super) struct Clients<R: Rings> {
    space: Space,
    sessions: Sessions<Session<R>, CLIENTS>,
    /// What the device has, by its numbers.
    under_way: Vec<Option<Owner<R::Request>>>,
    /// Numbers that are free.
    free: Vec<usize>,
    /// Sessions begun so far.
    begun: u64,
}

impl<R: Rings> Clients<R> {
    /// None yet, of a device that takes so many requests at a time and reaches memory through this space.
    pub fn new(space: Space, places: usize) -> Self {
        let (under_way, free) = ((0..places).map(|_| None).collect(), (0..places).rev().collect());
        Self { space, sessions: Sessions::new(), under_way, free, begun: 0 }
    }

    /// Begins a session, and ends the one that the client had.
    pub fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Refused> {
        let component = client.component();
        if self.ended(component) >= ENDED {
            return Err(Refused::Full);
        }
        let memory = Memory::attach(self.space, buffer.frame.keep(), buffer.pages.into()).map_err(|error| {
            log::warn!("client {component}: {error}");
            Refused::Memory
        })?;
        let served = self.sessions.close(client).map_or(0, |session| session.share.served());
        // Who is gone leaves its place to who comes.
        self.sessions.retain(|session| session.memory.is_present());
        self.begun += 1;
        let under_way = self.owners(component).count();
        let session = Session::new(component, self.begun, memory, signal, Share::of_earlier(under_way, served));
        let opened = self.sessions.open(client, |_| Ok::<_, NoSession>(session));
        opened.map(drop).map_err(|NoSession| Refused::Full)
    }

    /// Ends a client's session; says whether it had one.
    pub fn detach(&mut self, client: Client) -> bool {
        self.sessions.close(client).is_some()
    }

    fn owners(&self, component: u32) -> impl Iterator<Item = &Owner<R::Request>> {
        self.under_way.iter().flatten().filter(move |owner| owner.component == component)
    }

    /// Sessions of a component of which the device has something, the present one left out.
    fn ended(&mut self, component: u32) -> usize {
        let present = self.iter_mut().find(|session| session.component == component).map(|session| session.number);
        let mut numbers: Vec<_> = self.owners(component).map(|owner| owner.session).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().filter(|&&number| Some(number) != present).count()
    }

    /// The session of a client that says that it has put something into its rings.
    pub fn look(&mut self, client: Client) -> Option<&mut Session<R>> {
        let at_work = self.iter_mut().map(|session| &session.share).filter(|share| share.is_at_work());
        let least = at_work.map(Share::served).min().unwrap_or(0);
        let session = self.sessions.get(client)?;
        session.look(least);
        Some(session)
    }

    /// All sessions.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session<R>> {
        self.sessions.iter_mut()
    }

    /// The number that the device's next request has; `None`: it has as many as it can take.
    pub fn free_number(&self) -> Option<usize> {
        self.free.last().copied()
    }

    /// The next request, of the client that was served least. `prepare`: what is to be done for it, or what becomes of it at
    /// once.
    pub fn next<T>(
        &mut self,
        mut prepare: impl FnMut(&Rc<Memory>, &R::Request) -> Result<T, u32>,
    ) -> Option<(Owner<R::Request>, T)> {
        loop {
            let peaks: Peaks = self.iter_mut().map(|session| &session.share).collect();
            let session = self
                .iter_mut()
                .filter(|session| session.share.may_take(peaks) && !session.broken)
                .min_by_key(|session| session.share.served())?;
            let Some(request) = session.take() else { continue };
            match prepare(&session.memory, &request) {
                Ok(prepared) => return Some((session.begin(request), prepared)),
                Err(result) => session.complete(|rings, buffer| rings.complete(buffer, &request, result)),
            }
        }
    }

    /// The device has a request, under the number that was free.
    pub fn began(&mut self, owner: Owner<R::Request>) {
        if let Some(id) = self.free.pop() {
            self.under_way[id] = Some(owner);
        }
    }

    /// Whose the request was that the device had under this number. It has none now.
    pub fn take_ended(&mut self, id: usize) -> Option<Owner<R::Request>> {
        let owner = self.under_way.get_mut(id).and_then(Option::take)?;
        self.free.push(id);
        Some(owner)
    }

    /// What became of a request: the client is told if its session is still there.
    pub fn finish(&mut self, owner: Owner<R::Request>, result: u32) {
        self.iter_mut().for_each(|session| session.note(owner, result));
    }

    /// Wakes all for whom there is something new. The batch ends with it.
    pub fn tell(&mut self) {
        self.iter_mut().for_each(Session::tell);
    }
}

impl<R: Rings> Session<R> {
    fn new(component: u32, number: u64, memory: Memory, signal: Signal, share: Share) -> Self {
        Self {
            component,
            number,
            memory: Rc::new(memory),
            rings: R::NEW,
            signal,
            share,
            owed: 0,
            news: false,
            present: false,
            broken: false,
        }
    }

    /// Its rings lie, or its memory is gone.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// The server's ends.
    pub const fn rings(&mut self) -> &mut R {
        &mut self.rings
    }

    /// It is signalled when the batch ends.
    pub const fn tell_later(&mut self) {
        self.news = true;
    }

    /// Its memory and its rings, if they may be touched.
    pub fn present(&mut self) -> Option<(&Memory, &mut R)> {
        self.is_present().then_some((&self.memory, &mut self.rings))
    }

    /// What it says is not so: it gets nothing more.
    pub const fn lied(&mut self) {
        self.broken = true;
    }

    /// `least`: what was done for the least served of those at work.
    fn look(&mut self, least: u64) {
        let Some((memory, rings)) = self.present() else { return };
        match rings.waiting(memory.buffer()) {
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
    fn take(&mut self) -> Option<R::Request> {
        let owed = self.owed;
        let (memory, rings) = self.present()?;
        match rings.next(memory.buffer(), owed) {
            Ok(Some(request)) => {
                self.share.took(R::price(&request));
                return Some(request);
            }
            // No place for its completion: the client takes some out, and says so.
            Ok(None) => self.share.took_none(),
            Err(_) => self.broken = true,
        }
        None
    }

    const fn begin(&mut self, request: R::Request) -> Owner<R::Request> {
        self.share.begin();
        self.owed += 1;
        Owner { component: self.component, session: self.number, request }
    }

    /// The device is done with a request, of this session, an earlier one of its client, or another client.
    fn note(&mut self, owner: Owner<R::Request>, result: u32) {
        if self.component != owner.component {
            return self.share.note_other();
        }
        self.share.end();
        if self.number == owner.session {
            self.owed -= 1;
            self.complete(|rings, buffer| rings.complete(buffer, &owner.request, result));
        }
    }

    /// Puts a completion in, and has the client told.
    pub fn complete(&mut self, put: impl FnOnce(&mut R, &SharedBuffer) -> Result<(), PushError>) {
        if let Some((memory, rings)) = self.present() {
            self.broken = put(rings, memory.buffer()).is_err();
            self.news = true;
        }
    }

    fn tell(&mut self) {
        self.present = false;
        if core::mem::take(&mut self.news) && !self.broken {
            self.signal.wake();
        }
    }
}
