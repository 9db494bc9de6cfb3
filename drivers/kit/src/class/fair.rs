//! Whose turn it is: clients share a device fairly.
//!
//! While several of them are at work, none has more requests under way than the busiest of the others has, and whose turn is
//! next is who was served least, in whatever the class counts. A client that floods its ring gains nothing by it.

/// So many requests of others later a client that does nothing counts no longer.
const FORGOTTEN: u32 = 256;

/// A client's part in the device.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Requests in the ring when the client last said so, less those taken since.
    waiting: usize,
    under_way: usize,
    /// The most it has asked for at a time, since it was last idle; 0: it does nothing.
    peak: usize,
    /// Requests of others since it did anything.
    idle: u32,
    /// What was done for it.
    served: u64,
}

/// The two highest peaks of all clients.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peaks(usize, usize);

impl<'s> FromIterator<&'s Share> for Peaks {
    fn from_iter<T: IntoIterator<Item = &'s Share>>(shares: T) -> Self {
        shares.into_iter().fold(Self::default(), |Self(first, second), share| match share.peak {
            peak if peak > first => Self(peak, first),
            peak => Self(first, second.max(peak)),
        })
    }
}

impl Share {
    /// The part of a client that had a session before: so many of its requests the device still has, and so much was done for
    /// it. Who attaches again gains nothing by it.
    pub fn of_earlier(under_way: usize, served: u64) -> Self {
        Self { under_way, served, ..Self::default() }
    }

    /// What was done for it.
    pub const fn served(&self) -> u64 {
        self.served
    }

    /// Whether it does anything.
    pub const fn is_at_work(&self) -> bool {
        self.peak > 0
    }

    /// The client says that so many requests wait. `least`: what was done for the least served of those at work.
    pub fn look(&mut self, waiting: usize, least: u64) {
        self.waiting = waiting;
        if self.peak == 0 {
            // Who comes back has no claim on what it did not ask for.
            self.served = self.served.max(least);
        }
        let wanted = self.under_way + waiting;
        self.peak = if self.under_way == 0 { wanted } else { self.peak.max(wanted) };
        self.idle = 0;
    }

    /// Whether a request of it may be taken now.
    pub const fn may_take(&self, Peaks(first, second): Peaks) -> bool {
        let others = if self.peak == first { second } else { first };
        self.waiting > 0 && (others == 0 || self.under_way < others)
    }

    /// A request was taken out of the ring, and costs so much.
    pub const fn took(&mut self, price: u64) {
        self.waiting -= 1;
        self.served += price;
    }

    /// No request can be taken until the client says that there are some.
    pub const fn took_none(&mut self) {
        self.waiting = 0;
    }

    /// The request that was taken goes to the device.
    pub const fn begin(&mut self) {
        self.under_way += 1;
    }

    /// The device is done with one of its requests.
    pub const fn end(&mut self) {
        self.under_way -= 1;
    }

    /// A request of another was done.
    pub const fn note_other(&mut self) {
        if self.peak > 0 {
            self.idle += 1;
        }
        if self.idle > FORGOTTEN && self.under_way == 0 {
            self.peak = 0;
        }
    }
}
