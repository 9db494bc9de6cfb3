//! Memory on the host as a device sees it that does not see the caches: what the driver has and what the device has are
//! two copies, made alike only where a piece is handed over. Bus addresses are no addresses of the process.
//!
//! Clients see the driver's copy, as their caches are the driver's. Whatever goes past the hand-over ends the test, and
//! says what and where. For an example see [`dma`](super).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use abi::layout::PAGE;
use rt::{Cap, Frame, SharedBuffer};

use super::{Coherence, Direction, LINE, Space};
use crate::error::Cause;

/// The space of a device that does not see the caches: a driver that serves it serves any.
pub fn space() -> Space {
    Space::new(Cap::from_slot(0), Coherence::NotCoherent)
}

#[derive(Debug)]
struct Pages {
    /// As the driver sees it, and as the rest of the machine does: one memory, and the driver's use of it is watched.
    driver: SharedBuffer,
    others: SharedBuffer,
    /// As the device sees it, unless the memory is consistent.
    device: Option<Mutex<Vec<u8>>>,
    loans: Arc<Loans>,
    bus: u64,
    attached: AtomicUsize,
}

// SAFETY: the buffers are reached with volatile accesses only, and a test keeps its frames to one thread; the statics of
// this and the virtio module merely have room for memory of any thread.
unsafe impl Sync for Pages {}

/// What the device has.
#[derive(Debug, Default)]
struct Loans(Mutex<Vec<Loan>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loan {
    offset: usize,
    bytes: usize,
    direction: Direction,
}

/// A test that failed while it held a lock is over; the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole lines around a range.
fn lines(offset: usize, bytes: usize) -> (usize, usize) {
    (offset / LINE * LINE, (offset + bytes).next_multiple_of(LINE))
}

impl Loan {
    const fn overlaps(self, start: usize, end: usize) -> bool {
        self.offset < end && start < self.offset + self.bytes
    }

    fn touches_line_of(self, offset: usize, bytes: usize) -> bool {
        let (start, end) = lines(offset, bytes);
        self.overlaps(start, end)
    }
}

impl Loans {
    /// The driver uses bytes: it must not have handed them over.
    fn check(&self, offset: usize, bytes: usize, write: bool) {
        let clash = |loan: &&Loan| match write {
            true => loan.touches_line_of(offset, bytes),
            false => loan.direction.is_written() && loan.overlaps(offset, offset + bytes),
        };
        let found = lock(&self.0).iter().find(clash).copied();
        let Some(loan) = found else { return };
        let does = if write { "writes" } else { "reads" };
        let theirs = format!("{} bytes at {:#x}", loan.bytes, loan.offset);
        match loan.overlaps(offset, offset + bytes) {
            true => panic!(
                "the driver {does} {bytes} bytes at {offset:#x} of memory that the device has ({theirs}): they come back \
                 with `reclaim`"
            ),
            false => panic!(
                "the driver writes {bytes} bytes at {offset:#x}, which shares a cache line ({LINE} bytes) with what the \
                 device has ({theirs}): it belongs into a line of its own"
            ),
        }
    }

    /// The first byte of a range that was not handed over for this.
    fn missing(&self, offset: usize, bytes: usize, fits: impl Fn(Direction) -> bool) -> Option<usize> {
        let loans = lock(&self.0);
        let mut place = offset;
        while place < offset + bytes {
            let over = |loan: &&Loan| fits(loan.direction) && loan.overlaps(place, place + 1);
            match loans.iter().find(over) {
                Some(loan) => place = loan.offset + loan.bytes,
                None => return Some(place),
            }
        }
        None
    }
}

impl Pages {
    fn new(count: u64, consistent: bool) -> Arc<Self> {
        let others = SharedBuffer::fake((count * PAGE) as usize);
        match Self::of(others.frame(), count, consistent) {
            Ok(pages) => pages,
            Err(cause) => panic!("memory of a test: {cause:?}"),
        }
    }

    /// The first `count` pages of a Frame.
    fn of(frame: Cap<Frame>, count: u64, consistent: bool) -> Result<Arc<Self>, Cause> {
        static NEXT: AtomicU64 = AtomicU64::new(0x8000_0000);
        let bytes = (count * PAGE) as usize;
        let loans = Arc::new(Loans::default());
        let (driver, others) = (SharedBuffer::map(frame, count)?, SharedBuffer::map(frame, count)?);
        let watch = loans.clone();
        let pages = Arc::new(Self {
            driver: driver.watched(move |offset, count, write| watch.check(offset, count, write)),
            others,
            device: (!consistent).then(|| Mutex::new(vec![0; bytes])),
            loans,
            bus: NEXT.fetch_add((count + 1) * PAGE, Ordering::Relaxed),
            attached: AtomicUsize::new(0),
        });
        lock(&ATTACHED).insert(pages.bus, Arc::downgrade(&pages));
        Ok(pages)
    }

    fn attach(self: &Arc<Self>) -> (Backing, u64) {
        self.attached.fetch_add(1, Ordering::Relaxed);
        (Backing(self.clone()), self.bus)
    }

    /// Cleans the lines that no device writes, which are the ones that can be dirty.
    fn clean(&self, start: usize, end: usize) {
        let Some(device) = &self.device else { return };
        let loans = lock(&self.loans.0);
        for line in (start..end).step_by(LINE) {
            if !loans.iter().any(|loan| loan.direction.is_written() && loan.touches_line_of(line, LINE)) {
                let _ = self.others.read(line, &mut lock(device)[line..line + LINE]);
            }
        }
    }

    fn invalidate(&self, start: usize, end: usize) {
        if let Some(device) = &self.device {
            let _ = self.others.write(start, &lock(device)[start..end]);
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        lock(&ATTACHED).remove(&self.bus);
    }
}

/// All memory, by bus address.
static ATTACHED: Mutex<BTreeMap<u64, Weak<Pages>>> = Mutex::new(BTreeMap::new());

fn at(bus: u64, bytes: usize) -> Option<(Arc<Pages>, usize)> {
    let pages = lock(&ATTACHED).range(..=bus).next_back()?.1.upgrade()?;
    let offset = usize::try_from(bus - pages.bus).ok()?;
    let inside = offset.checked_add(bytes).is_some_and(|end| end <= pages.others.len());
    (inside && pages.attached.load(Ordering::Relaxed) > 0).then_some((pages, offset))
}

/// The device reads memory.
///
/// # Panics
/// It was not handed over to be read, or nothing is attached there.
#[track_caller]
pub fn device_read(bus: u64, out: &mut [u8]) {
    let bytes = out.len();
    let Some((pages, offset)) = at(bus, bytes) else {
        panic!("the device reads {bytes} bytes at bus address {bus:#x}, where nothing is attached")
    };
    let Some(device) = &pages.device else {
        let _ = pages.others.read(offset, out);
        return;
    };
    if let Some(place) = pages.loans.missing(offset, bytes, Direction::is_read) {
        panic!("the device reads the byte at {place:#x}, which was not handed over to be read: `lend` cleans it before")
    }
    out.copy_from_slice(&lock(device)[offset..offset + bytes]);
}

/// The device writes memory.
///
/// # Panics
/// It was not handed over to be written, or nothing is attached there.
#[track_caller]
pub fn device_write(bus: u64, data: &[u8]) {
    let bytes = data.len();
    let Some((pages, offset)) = at(bus, bytes) else {
        panic!("the device writes {bytes} bytes at bus address {bus:#x}, where nothing is attached")
    };
    let Some(device) = &pages.device else {
        let _ = pages.others.write(offset, data);
        return;
    };
    if let Some(place) = pages.loans.missing(offset, bytes, Direction::is_written) {
        panic!("the device writes the byte at {place:#x}, which was not handed over to be written")
    }
    lock(device)[offset..offset + bytes].copy_from_slice(data);
}

/// A Frame in use.
#[derive(Debug)]
pub(super) struct Backing(Arc<Pages>);

impl Backing {
    pub(super) fn own(_: Space, count: u64) -> Result<(Self, u64), Cause> {
        Ok(Pages::new(count, false).attach())
    }

    pub(super) fn consistent(_: Space, count: u64) -> Result<(Self, u64), Cause> {
        Ok(Pages::new(count, true).attach())
    }

    pub(super) fn of_client(_: Space, frame: Cap<Frame>, count: u64) -> Result<(Self, u64), Cause> {
        Ok(Pages::of(frame, count, false)?.attach())
    }

    pub(super) fn buffer(&self) -> &SharedBuffer {
        &self.0.driver
    }

    pub(super) fn is_present(&self) -> bool {
        self.0.driver.is_mapped()
    }

    pub(super) fn lend(&self, offset: usize, bytes: usize, direction: Direction) {
        if self.0.device.is_none() {
            return;
        }
        let (start, end) = lines(offset, bytes);
        self.0.clean(start, end);
        lock(&self.0.loans.0).push(Loan { offset, bytes, direction });
    }

    pub(super) fn reclaim(&self, offset: usize, bytes: usize, direction: Direction) {
        if self.0.device.is_none() {
            return;
        }
        let loan = Loan { offset, bytes, direction };
        let mut loans = lock(&self.0.loans.0);
        let found = loans.iter().position(|have| *have == loan);
        found.map(|index| loans.swap_remove(index));
        drop(loans);
        assert!(found.is_some(), "what comes back was not handed over: {loan:?}");
        if direction.is_written() && self.is_present() {
            let (start, end) = lines(offset, bytes);
            self.0.invalidate(start, end);
        }
    }

    pub(super) fn release(&mut self) {
        self.0.attached.fetch_sub(1, Ordering::Relaxed);
    }
}
