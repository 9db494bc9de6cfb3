//! A ring under the model checker: one core writes while somebody reads, and what is read was written. Each fence and each
//! order of memory is left out once, which must be found.

use std::vec::Vec;

use abi::trace::{Found, Reader, Record, Sink, Source, write};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    WriterFence,
    Release,
    ReaderFence,
    Acquire,
}

struct Words {
    words: Vec<AtomicU64>,
    without: Without,
}

impl Words {
    fn of(records: u64, without: Without) -> Self {
        Self { words: (0..records * 4).map(|_| AtomicU64::new(0)).collect(), without }
    }
}

/// A view of the words: the kernel's, which writes, or a reader's.
#[derive(Clone)]
struct View(Arc<Words>);

impl Sink for View {
    fn store(&mut self, index: usize, value: u64, order: Ordering) {
        let order = if self.0.without == Without::Release { Ordering::Relaxed } else { order };
        self.0.words[index].store(value, order);
    }

    fn fence(&self) {
        if self.0.without != Without::WriterFence {
            fence(Ordering::Release);
        }
    }
}

impl Source for View {
    fn load(&self, index: usize, order: Ordering) -> u64 {
        let order = if self.0.without == Without::Acquire { Ordering::Relaxed } else { order };
        self.0.words[index].load(order)
    }

    fn fence(&self) {
        if self.0.without != Without::ReaderFence {
            fence(Ordering::Acquire);
        }
    }
}

/// Every word of a record says which one it is.
fn record(sequence: u64) -> Record {
    Record { sequence, core: 1, event: 9, ticks: sequence * 10, a: sequence * 100, b: sequence * 1000 }
}

/// Takes what a reader found along.
fn count(found: Found, next: &mut u64) -> bool {
    match found {
        Found::Record(got) => {
            assert_eq!(got, record(*next), "torn, or out of order");
            *next += 1;
        }
        Found::Lost(count) => *next += count,
        Found::Nothing => return false,
    }
    true
}

/// `before` records are there when the reader begins, then come `beside` more, which it tries to read `tries` times; at last
/// it reads what is left.
fn ring(records: u64, before: u64, beside: u64, tries: u32, without: Without) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let view = View(Arc::new(Words::of(records, without)));
        let mut writer = view.clone();
        (1..=before).for_each(|sequence| write(&mut writer, records, &record(sequence)));
        let core = thread::spawn(move || {
            (before + 1..=before + beside).for_each(|sequence| write(&mut writer, records, &record(sequence)));
        });
        let mut reader = Reader::new(records).expect("a power of two");
        let mut next = 1;
        for _ in 0..tries {
            count(reader.read(&view), &mut next);
        }
        core.join().unwrap();
        while count(reader.read(&view), &mut next) {}
        assert_eq!(next, before + beside + 1, "records read and records lost are all there were");
    });
}

#[test]
fn what_is_read_was_written() {
    ring(2, 0, 2, 3, Without::Nothing);
}

#[test]
fn what_is_overwritten_beside_the_reader_is_lost_and_never_torn() {
    ring(1, 1, 1, 2, Without::Nothing);
    ring(1, 0, 2, 2, Without::Nothing);
    ring(2, 2, 2, 2, Without::Nothing);
}

#[test]
#[should_panic(expected = "torn")]
fn the_fence_of_the_writer_is_needed() {
    ring(1, 1, 1, 2, Without::WriterFence);
}

#[test]
#[should_panic(expected = "torn")]
fn the_release_of_the_writer_is_needed() {
    ring(1, 0, 1, 1, Without::Release);
}

#[test]
#[should_panic(expected = "torn")]
fn the_fence_of_the_reader_is_needed() {
    ring(1, 1, 1, 2, Without::ReaderFence);
}

#[test]
#[should_panic(expected = "torn")]
fn the_acquire_of_the_reader_is_needed() {
    ring(1, 0, 1, 1, Without::Acquire);
}
