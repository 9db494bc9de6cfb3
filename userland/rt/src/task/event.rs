//! Bits of the own Notification that a task waits for.

use core::future::poll_fn;
use core::task::{Poll, Waker};

use spin::Mutex;

/// Bits that are not given out: the tasks' own.
const TAKEN: u64 = super::CLOCK | super::AGAIN;
/// The supervisor's bits: of a server, and of a client that ended.
const ENDED: u64 = 1 << 63;
const CLIENT_ENDED: u64 = 1 << 60;

/// One for the process; on the host one for each thread, as each is a test of its own.
struct Events {
    given: u64,
    /// Bits that came and that nobody has taken yet.
    raised: u64,
    wakers: [Option<Waker>; 64],
}

impl Events {
    const fn new() -> Self {
        Self { given: TAKEN, raised: 0, wakers: [const { None }; 64] }
    }
}

#[cfg(target_os = "none")]
fn events() -> &'static Mutex<Events> {
    static EVENTS: Mutex<Events> = Mutex::new(Events::new());
    &EVENTS
}

#[cfg(not(target_os = "none"))]
fn events() -> &'static Mutex<Events> {
    std::thread_local!(static EVENTS: &'static Mutex<Events> =
        alloc::boxed::Box::leak(alloc::boxed::Box::new(Mutex::new(Events::new()))));
    EVENTS.with(|events| *events)
}

/// All bits are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEvent;

/// A bit of the own Notification, for one task to wait for. Dropping it gives the bit back.
#[derive(Debug)]
pub struct Event(u32);

impl Event {
    /// A bit that nobody has.
    ///
    /// # Errors
    /// All 60 are given out.
    pub fn new() -> Result<Self, NoEvent> {
        let mut events = events().lock();
        let free = (events.given | ENDED | CLIENT_ENDED).trailing_ones();
        if free >= u64::BITS {
            return Err(NoEvent);
        }
        events.given |= 1 << free;
        events.raised &= !(1 << free);
        Ok(Self(free))
    }

    /// The supervisor's bit: the server of a protocol that this component uses has ended. One at a time.
    ///
    /// # Errors
    /// Another task waits for it.
    pub fn server_ended() -> Result<Self, NoEvent> {
        Self::only(ENDED)
    }

    /// Another of the supervisor's: a component that uses a protocol of this one has ended. One at a time.
    ///
    /// # Errors
    /// Another task waits for it.
    pub fn client_ended() -> Result<Self, NoEvent> {
        Self::only(CLIENT_ENDED)
    }

    /// This bit, if no other has it.
    fn only(bit: u64) -> Result<Self, NoEvent> {
        let mut events = events().lock();
        let free = events.given & bit == 0;
        events.given |= bit;
        free.then_some(Self(bit.trailing_zeros())).ok_or(NoEvent)
    }

    /// The bit, for who signals it.
    pub const fn bits(&self) -> u64 {
        1 << self.0
    }

    /// Waits until it was signalled since the last time. However often that was, it counts once.
    pub async fn wait(&self) {
        poll_fn(|context| {
            let mut events = events().lock();
            if events.raised & self.bits() != 0 {
                events.raised &= !self.bits();
                return Poll::Ready(());
            }
            let place = &mut events.wakers[self.0 as usize];
            if !place.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *place = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let mut events = events().lock();
        events.given &= !self.bits();
        events.wakers[self.0 as usize] = None;
    }
}

/// These bits came, or a task of this process says so to others: what waits for them is woken.
#[inline]
pub fn raise(bits: u64) {
    let mut events = events().lock();
    events.raised |= bits;
    let mut rest = bits;
    while rest != 0 {
        if let Some(waker) = &events.wakers[rest.trailing_zeros() as usize] {
            waker.wake_by_ref();
        }
        rest &= rest - 1;
    }
}

#[cfg(not(target_os = "none"))]
pub(super) fn reset() {
    *events().lock() = Events::new();
}
