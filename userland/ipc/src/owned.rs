//! Capabilities in messages, as types: who gets one owns it, and it is deleted with its owner.

use core::fmt;

use rt::{Cap, Frame, Notification, SharedBuffer, TABLE};

use crate::incoming::Source;
use crate::outgoing::{Sink, TooLong};
use crate::protocol::Shape;
use crate::wire::{OfKind, Size, Wire, give_cap};

/// A capability of the own table that is deleted when this is dropped. In a protocol: the receiver gets a copy of what the
/// sender keeps.
pub struct Owned<K>(Cap<K>);

impl<K> Owned<K> {
    /// Takes a capability over.
    pub const fn new(cap: Cap<K>) -> Self {
        Self(cap)
    }

    /// The capability, which is not deleted while this is there.
    pub const fn cap(&self) -> Cap<K> {
        self.0
    }

    /// Gives it up without deleting it.
    pub const fn keep(self) -> Cap<K> {
        let cap = self.0;
        core::mem::forget(self);
        cap
    }
}

impl<K> fmt::Debug for Owned<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "owned {:?}", self.0)
    }
}

impl<K> Drop for Owned<K> {
    fn drop(&mut self) {
        discard(self.0);
    }
}

/// Deletes a capability of the own table and frees its slot.
pub fn discard<K>(cap: Cap<K>) {
    if TABLE.delete(cap.slot()).is_ok() {
        rt::free_slot(cap.slot());
    }
}

impl<K: OfKind> Wire for Owned<K> {
    type Sent<'a> = Cap<K>;
    type Given = Cap<K>;
    const SHAPE: &'static Shape = &Shape::Capability(K::KIND as u8);
    const SIZE: Size = Size { words: 0, more: false, caps: 1 };

    fn put(sent: Cap<K>, to: &mut impl Sink) -> Result<(), TooLong> {
        give_cap(sent, to)
    }

    fn give(given: Cap<K>, to: &mut impl Sink) -> Result<(), TooLong> {
        give_cap(given, to)
    }

    fn take(from: &mut impl Source) -> Option<Self> {
        from.cap()
    }
}

/// How a client is woken: a Notification that it handed over, and the bits it asked for.
#[derive(Debug)]
pub struct Signal {
    notification: Owned<Notification>,
    bits: u64,
}

/// A Notification, in a capability that can only signal ([`signal_only`](crate::signal_only)), and bits: what a client hands over
/// to be woken.
#[derive(Clone, Copy, Debug)]
pub struct SignalOn {
    /// The Notification.
    pub notification: Cap<Notification>,
    /// The bits.
    pub bits: u64,
}

impl Signal {
    /// Signals `bits` of a Notification that a client handed over.
    pub const fn new(notification: Owned<Notification>, bits: u64) -> Self {
        Self { notification, bits }
    }

    /// Wakes the client; says whether it still has its Notification.
    pub fn wake(&self) -> bool {
        #[cfg(not(target_os = "none"))]
        return fake::signal(self.notification.cap(), self.bits);
        #[cfg(target_os = "none")]
        self.notification.cap().signal(self.bits).is_ok()
    }

    /// Whether the client still has its Notification: one that has ended has not. Does not wake it.
    pub fn is_there(&self) -> bool {
        #[cfg(not(target_os = "none"))]
        return fake::signal(self.notification.cap(), 0);
        #[cfg(target_os = "none")]
        self.notification.cap().signal(0).is_ok()
    }
}

impl Wire for Signal {
    type Sent<'a> = SignalOn;
    type Given = SignalOn;
    const SHAPE: &'static Shape = &Shape::List(&[u64::SHAPE, Owned::<Notification>::SHAPE]);
    const SIZE: Size = Size { words: 1, more: false, caps: 1 };

    fn put(sent: SignalOn, to: &mut impl Sink) -> Result<(), TooLong> {
        to.word(sent.bits)?;
        give_cap(sent.notification, to)
    }

    fn give(given: SignalOn, to: &mut impl Sink) -> Result<(), TooLong> {
        Self::put(given, to)
    }

    fn take(from: &mut impl Source) -> Option<Self> {
        Some(Self { bits: from.word()?, notification: from.cap()? })
    }
}

/// Memory that a client shares: a Frame, and how many pages of it the client says there are. Whoever maps more than there are
/// is refused.
#[derive(Debug)]
pub struct Buffer {
    /// The Frame.
    pub frame: Owned<Frame>,
    /// Pages, as the client claims.
    pub pages: u32,
}

impl Wire for Buffer {
    type Sent<'a> = &'a SharedBuffer;
    type Given = (Cap<Frame>, u32);
    const SHAPE: &'static Shape = &Shape::List(&[u32::SHAPE, Owned::<Frame>::SHAPE]);
    const SIZE: Size = Size { words: 1, more: false, caps: 1 };

    fn put(sent: &SharedBuffer, to: &mut impl Sink) -> Result<(), TooLong> {
        Self::give((sent.frame(), u32::try_from(sent.pages()).map_err(|_| TooLong)?), to)
    }

    fn give((frame, pages): (Cap<Frame>, u32), to: &mut impl Sink) -> Result<(), TooLong> {
        to.word(pages.into())?;
        give_cap(frame, to)
    }

    fn take(from: &mut impl Source) -> Option<Self> {
        Some(Self { pages: u32::take(from)?, frame: from.cap()? })
    }
}

/// Signals on the host.
#[cfg(not(target_os = "none"))]
pub mod fake {
    use core::cell::RefCell;
    use std::collections::{HashMap, HashSet};

    use rt::{Cap, Notification};

    std::thread_local! {
        static SIGNALS: RefCell<HashMap<u32, u64>> = RefCell::default();
        static ENDED: RefCell<HashSet<u32>> = RefCell::default();
    }

    pub(super) fn signal(notification: Cap<Notification>, bits: u64) -> bool {
        let ended = ENDED.with_borrow(|ended| ended.contains(&notification.slot()));
        if !ended {
            SIGNALS.with_borrow_mut(|signals| *signals.entry(notification.slot()).or_default() |= bits);
        }
        !ended
    }

    /// Takes a Notification away from those it was handed to, as its owner's end would.
    pub fn end(notification: Cap<Notification>) {
        ENDED.with_borrow_mut(|ended| ended.insert(notification.slot()));
    }

    /// The bits that were signalled to a Notification since the last look.
    pub fn signalled(notification: Cap<Notification>) -> u64 {
        SIGNALS.with_borrow_mut(|signals| signals.remove(&notification.slot()).unwrap_or_default())
    }
}
