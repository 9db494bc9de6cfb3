//! The ring of trace records: what the kernel writes and a reader of its Frame finds. One core writes, anybody reads beside
//! it and notices what was overwritten. Words and fences are a trait, so that kernel, readers, host tests and a model checker
//! run these same lines.

use core::sync::atomic::Ordering;

/// Bytes of a record: four words.
pub const RECORD: u64 = 32;
/// Words of a record.
const WORDS: usize = 4;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What happened. `a` and `b` are the record's words.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Event { $($(#[$doc])* $name = $number,)* }

        impl Event {
            /// The event with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// Its name as tools write it.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// All events in order of their numbers.
            pub const ALL: &'static [Event] = &[$(Self::$name),*];
        }
    };
}

events! {
    /// The core goes on with another thread: a = its number, 0: idle; b = its priority.
    Switch = 1, "switch";
    /// A system call begins: a = thread, b = operation and target slot (from bit 32).
    Call = 2, "call";
    /// It is done, or its thread waits: a = thread, b = error code, 0: none.
    Return = 3, "return";
    /// A message was handed over: a = sender and receiver (from bit 32), b = badge.
    Deliver = 4, "deliver";
    /// A call was answered: a = server and caller (from bit 32), b = label.
    Answer = 5, "answer";
    /// A thread faulted: a = thread and kind (from bit 32), b = program counter.
    Fault = 6, "fault";
    /// An interrupt came: a = line.
    Interrupt = 7, "interrupt";
    /// A deadline came: a = its Timer, or the SchedContext that got time again; b = 1 for a Timer.
    Timer = 8, "timer";
    /// Bits of a Notification were set: a = Notification and the thread that was woken (from bit 32), b = bits.
    Signal = 9, "signal";
    /// A Thread was made: a = thread.
    Create = 10, "create";
    /// A Thread ended: a = thread.
    End = 11, "end";
    /// The ring begins: a = the thread that runs, b = cores.
    Start = 12, "start";
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number in its ring, from 1 on.
    pub sequence: u64,
    /// The core that wrote it.
    pub core: u8,
    /// The number of an [`Event`]; one that is not known comes from a newer kernel.
    pub event: u8,
    /// CNTVCT when it was written.
    pub ticks: u64,
    /// See [`Event`].
    pub a: u64,
    /// See [`Event`].
    pub b: u64,
}

impl Record {
    /// Number, core and event in one word, which is never 0.
    const fn stamp(&self) -> u64 {
        self.sequence << 16 | (self.core as u64) << 8 | self.event as u64
    }
}

/// The words of a ring to a reader.
pub trait Source {
    /// Reads a word. `Acquire` or `Relaxed`.
    fn load(&self, index: usize, order: Ordering) -> u64;
    /// What was loaded before is loaded before what is loaded after.
    fn fence(&self);
}

/// The words of a ring to its writer.
pub trait Sink {
    /// Writes a word. `Release` or `Relaxed`.
    fn store(&mut self, index: usize, value: u64, order: Ordering);
    /// What was stored before is stored before what is stored after.
    fn fence(&self);
}

/// Where the record with a number lies, in words.
const fn place(sequence: u64, records: u64) -> usize {
    (sequence & (records - 1)) as usize * WORDS
}

/// Writes a record into a ring of `records`, a power of two.
///
/// The stamp is 0 while the words change. A reader that saw a new word sees, after its own fence, the 0 that was stored
/// before the fence here, or something later: never the old stamp again.
pub fn write(ring: &mut impl Sink, records: u64, record: &Record) {
    let at = place(record.sequence, records);
    ring.store(at, 0, Ordering::Relaxed);
    ring.fence();
    ring.store(at + 1, record.ticks, Ordering::Relaxed);
    ring.store(at + 2, record.a, Ordering::Relaxed);
    ring.store(at + 3, record.b, Ordering::Relaxed);
    ring.store(at, record.stamp(), Ordering::Release);
}

/// What a reader finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The next record.
    Record(Record),
    /// So many records were overwritten before they were read.
    Lost(u64),
    /// Nothing new, or something that is being written just now.
    Nothing,
}

/// Goes through a ring, from its first record on.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    records: u64,
    next: u64,
}

impl Reader {
    /// A reader of a ring of `records` records; none unless that is a power of two.
    pub const fn new(records: u64) -> Option<Self> {
        if records.is_power_of_two() { Some(Self { records, next: 1 }) } else { None }
    }

    /// What comes next.
    pub fn read(&mut self, ring: &impl Source) -> Found {
        let at = place(self.next, self.records);
        let stamp = ring.load(at, Ordering::Acquire);
        let sequence = stamp >> 16;
        if sequence < self.next {
            return Found::Nothing;
        }
        if sequence == self.next {
            let word = |index| ring.load(at + index, Ordering::Relaxed);
            let (ticks, a, b) = (word(1), word(2), word(3));
            ring.fence();
            if ring.load(at, Ordering::Relaxed) == stamp {
                self.next += 1;
                return Found::Record(Record { sequence, core: (stamp >> 8) as u8, event: stamp as u8, ticks, a, b });
            }
        }
        self.skip(ring)
    }

    /// The writer came round: goes on with the oldest record that may still be there.
    fn skip(&mut self, ring: &impl Source) -> Found {
        let stamp = ring.load(place(self.next, self.records), Ordering::Acquire);
        let oldest = (stamp >> 16).saturating_sub(self.records - 1);
        if oldest <= self.next {
            // It is being written.
            return Found::Nothing;
        }
        let lost = oldest - self.next;
        self.next = oldest;
        Found::Lost(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ring(Vec<u64>);

    impl Source for Ring {
        fn load(&self, index: usize, _: Ordering) -> u64 {
            self.0[index]
        }
        fn fence(&self) {}
    }

    impl Sink for Ring {
        fn store(&mut self, index: usize, value: u64, _: Ordering) {
            self.0[index] = value;
        }
        fn fence(&self) {}
    }

    fn record(sequence: u64) -> Record {
        Record { sequence, core: 3, event: Event::Signal as u8, ticks: sequence * 10, a: !sequence, b: sequence << 40 }
    }

    #[test]
    fn what_was_written_is_read() {
        let mut ring = Ring(vec![0; 8 * WORDS]);
        let mut reader = Reader::new(8).unwrap();
        assert_eq!(reader.read(&ring), Found::Nothing);
        for sequence in 1..30 {
            write(&mut ring, 8, &record(sequence));
            assert_eq!(reader.read(&ring), Found::Record(record(sequence)));
            assert_eq!(reader.read(&ring), Found::Nothing);
        }
    }

    #[test]
    fn what_was_overwritten_is_counted() {
        let mut ring = Ring(vec![0; 8 * WORDS]);
        let mut reader = Reader::new(8).unwrap();
        (1..=21).for_each(|sequence| write(&mut ring, 8, &record(sequence)));
        let (mut seen, mut lost) = (Vec::new(), 0);
        loop {
            match reader.read(&ring) {
                Found::Record(record) => seen.push(record.sequence),
                Found::Lost(count) => lost += count,
                Found::Nothing => break,
            }
        }
        assert_eq!(seen, (14..=21).collect::<Vec<_>>());
        assert_eq!(lost, 13);
    }

    /// A writer that comes between two loads.
    #[test]
    fn a_record_that_changes_under_the_reader_is_not_believed() {
        struct Hasty(core::cell::RefCell<(Ring, u32)>);
        impl Source for Hasty {
            fn load(&self, index: usize, _: Ordering) -> u64 {
                let (ring, loads) = &mut *self.0.borrow_mut();
                *loads += 1;
                if *loads == 3 {
                    write(ring, 8, &record(9));
                }
                ring.0[index]
            }
            fn fence(&self) {}
        }
        let mut ring = Ring(vec![0; 8 * WORDS]);
        (1..=8).for_each(|sequence| write(&mut ring, 8, &record(sequence)));
        let hasty = Hasty((ring, 0).into());
        let mut reader = Reader::new(8).unwrap();
        assert_eq!(reader.read(&hasty), Found::Lost(1));
        assert_eq!(reader.read(&hasty), Found::Record(record(2)));
    }

    /// Tools outside know the numbers and the order of the words.
    #[test]
    fn golden() {
        assert!(Event::ALL.iter().enumerate().all(|(index, &event)| event as usize == index + 1));
        assert!(Event::ALL.iter().all(|&event| Event::from_number(event as u8) == Some(event)));
        let mut ring = Ring(vec![0; WORDS]);
        write(&mut ring, 1, &Record { sequence: 2, core: 1, event: 9, ticks: 3, a: 4, b: 5 });
        assert_eq!(ring.0, [0x2_0109, 3, 4, 5]);
        assert_eq!(Reader::new(3).map(|_| ()), None);
    }
}
