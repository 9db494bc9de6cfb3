//! Trace records as lines of text: the shell prints them, tools outside make a timeline of them.
//!
//! ```text
//! @trace 1 CORES TICKS-PER-SECOND TICKS-AT-BOOT
//! @thread NUMBER NAME
//! @records CORE BASE64
//! @lost CORE COUNT
//! @end RECORDS LOST CHECKSUM
//! ```
//!
//! A line of records stands for itself: number and ticks of its first one, then for each its event, the ticks since the
//! one before and its two words, all but the event as LEB128. What was lost was lost before the next line of that core.

use core::fmt::{self, Write};

pub use abi::trace::{Event, Found, Record};

/// The version of this form.
const VERSION: u64 = 1;
/// Bytes of records in a line; as base64 they fit with the rest into one write to the console.
const ROOM: usize = 360;
/// Bytes of the longest record.
const LONGEST: usize = 1 + 3 * 10;
/// Base64 (RFC 4648), without padding.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// FNV-1a over the lines before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum(pub u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    /// Takes a line, or a part of one, without its end, along.
    pub fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// Writes a recording.
#[derive(Debug)]
pub struct Printer<W> {
    to: W,
    sum: Sum,
    core: u64,
    packed: Packed,
    records: u64,
    lost: u64,
}

/// Writes through, and takes along what it writes.
struct Summed<'p, W>(&'p mut W, &'p mut Sum);

impl<W: Write> Write for Summed<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.1.add(text);
        self.0.write_str(text)
    }
}

impl<W: Write> Printer<W> {
    /// The head of a recording.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(to: W, cores: u64, ticks_per_second: u64, boot_ticks: u64) -> Result<Self, fmt::Error> {
        let mut printer = Self { to, sum: Sum::default(), core: 0, packed: Packed::default(), records: 0, lost: 0 };
        printer.line(format_args!("@trace {VERSION} {cores} {ticks_per_second} {boot_ticks}"))?;
        Ok(printer)
    }

    fn line(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        Summed(&mut self.to, &mut self.sum).write_fmt(text)?;
        self.to.write_char('\n')
    }

    /// The name of a thread.
    ///
    /// # Errors
    /// The writer's.
    pub fn thread(&mut self, number: u64, name: impl fmt::Display) -> fmt::Result {
        self.line(format_args!("@thread {number} {name}"))
    }

    /// What a reader found in the ring of a core.
    ///
    /// # Errors
    /// The writer's.
    pub fn found(&mut self, core: u64, found: Found) -> fmt::Result {
        if core != self.core {
            self.flush()?;
            self.core = core;
        }
        match found {
            Found::Record(record) => {
                if !self.packed.takes(&record) {
                    self.flush()?;
                }
                self.records += 1;
                self.packed.push(&record);
                Ok(())
            }
            Found::Lost(count) => {
                self.flush()?;
                self.lost += count;
                self.line(format_args!("@lost {core} {count}"))
            }
            Found::Nothing => Ok(()),
        }
    }

    fn flush(&mut self) -> fmt::Result {
        let packed = core::mem::take(&mut self.packed);
        if packed.used == 0 {
            return Ok(());
        }
        let core = self.core;
        self.line(format_args!("@records {core} {packed}"))
    }

    /// The end: how many records there were, and how many were lost.
    ///
    /// # Errors
    /// The writer's.
    pub fn end(mut self) -> Result<(u64, u64), fmt::Error> {
        self.flush()?;
        let (records, lost, Sum(sum)) = (self.records, self.lost, self.sum);
        writeln!(self.to, "@end {records} {lost} {sum:016x}")?;
        Ok((records, lost))
    }
}

/// The records of a line.
#[derive(Debug)]
struct Packed {
    bytes: [u8; ROOM],
    used: usize,
    /// Number and ticks of the last one.
    last: (u64, u64),
}

impl Default for Packed {
    fn default() -> Self {
        Self { bytes: [0; ROOM], used: 0, last: (0, 0) }
    }
}

impl Packed {
    fn takes(&self, record: &Record) -> bool {
        let next = record.sequence == self.last.0 + 1 && record.ticks >= self.last.1;
        self.used == 0 || next && self.used + LONGEST <= ROOM
    }

    fn push(&mut self, record: &Record) {
        if self.used == 0 {
            self.number(record.sequence);
            self.number(record.ticks);
            self.last.1 = record.ticks;
        }
        self.byte(record.event);
        self.number(record.ticks - self.last.1);
        self.number(record.a);
        self.number(record.b);
        self.last = (record.sequence, record.ticks);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for three in self.bytes[..self.used].chunks(3) {
            let bits = three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
            for digit in 0..=three.len() {
                to.write_char(DIGITS[(bits >> (18 - 6 * digit)) as usize % 64].into())?;
            }
        }
        Ok(())
    }
}

/// A line of a recording.
#[derive(Clone, Debug)]
pub enum Line<'t> {
    /// The head.
    Begin {
        /// How many cores were recorded.
        cores: u64,
        /// The clock of the records.
        ticks_per_second: u64,
        /// What it showed at boot.
        boot_ticks: u64,
    },
    /// A thread has a name.
    Thread {
        /// Its number in records.
        number: u64,
        /// Its name.
        name: &'t str,
    },
    /// Records of a core.
    Records(Records<'t>),
    /// Records of a core that were overwritten before they were read.
    Lost {
        /// Whose.
        core: u64,
        /// How many.
        count: u64,
    },
    /// The end.
    End {
        /// How many records there must be.
        records: u64,
        /// How many were lost.
        lost: u64,
        /// Over the lines before.
        sum: Sum,
    },
}

impl<'t> Line<'t> {
    /// What a line says; `None`: it is none of a recording.
    pub fn parse(line: &'t str) -> Option<Self> {
        let (kind, rest) = line.strip_prefix('@')?.split_once(' ')?;
        let mut words = rest.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        match kind {
            "trace" if number()? == VERSION => {
                Some(Self::Begin { cores: number()?, ticks_per_second: number()?, boot_ticks: number()? })
            }
            "thread" => Some(Self::Thread { number: number()?, name: rest.split_once(' ')?.1 }),
            "records" => {
                let core = u8::try_from(number()?).ok()?;
                Some(Self::Records(Records::new(core, rest.split_once(' ')?.1)))
            }
            "lost" => Some(Self::Lost { core: number()?, count: number()? }),
            "end" => {
                let (records, lost) = (number()?, number()?);
                Some(Self::End { records, lost, sum: Sum(u64::from_str_radix(words.next()?, 16).ok()?) })
            }
            _ => None,
        }
    }
}

/// The records of a line. It ends early where the line is broken: the sum and the number of records tell.
#[derive(Clone, Debug)]
pub struct Records<'t> {
    core: u8,
    text: core::slice::Iter<'t, u8>,
    /// Bits that are left of digits, and how many.
    bits: (u32, u32),
    /// Number of the next record, and the ticks of the last.
    at: Option<(u64, u64)>,
}

impl<'t> Records<'t> {
    fn new(core: u8, text: &'t str) -> Self {
        Self { core, text: text.as_bytes().iter(), bits: (0, 0), at: None }
    }

    fn byte(&mut self) -> Option<u8> {
        while self.bits.1 < 8 {
            let digit = self.text.next()?;
            let value = DIGITS.iter().position(|known| known == digit)?;
            self.bits = (self.bits.0 << 6 | value as u32, self.bits.1 + 6);
        }
        self.bits.1 -= 8;
        Some((self.bits.0 >> self.bits.1) as u8)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let (sequence, ticks) = match self.at {
            Some(at) => at,
            None => (self.number()?, self.number()?),
        };
        let event = self.byte()?;
        let ticks = ticks.wrapping_add(self.number()?);
        let record = Record { sequence, core: self.core, event, ticks, a: self.number()?, b: self.number()? };
        self.at = Some((sequence.wrapping_add(1), ticks));
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;
    use std::{assert_eq, vec};

    use super::*;

    fn record(sequence: u64, core: u8) -> Record {
        let spread = |factor: u64| sequence.wrapping_mul(factor) >> (sequence % 60);
        let (a, b) = (spread(0x9e37_79b9_7f4a_7c15), spread(0xff51_afd7_ed55_8ccd));
        Record { sequence, core, event: (sequence % 12 + 1) as u8, ticks: 1000 + sequence * sequence, a, b }
    }

    #[test]
    fn what_is_printed_is_read() {
        let mut text = String::new();
        let mut printer = Printer::begin(&mut text, 2, 62_500_000, 77).unwrap();
        printer.thread(16_777_300, "init").unwrap();
        printer.found(0, Found::Lost(4)).unwrap();
        let first: Vec<Record> = (5..500).map(|sequence| record(sequence, 0)).collect();
        let second: Vec<Record> = (1..4).map(|sequence| record(sequence, 1)).collect();
        first.iter().for_each(|&record| printer.found(0, Found::Record(record)).unwrap());
        second.iter().for_each(|&record| printer.found(1, Found::Record(record)).unwrap());
        printer.found(1, Found::Nothing).unwrap();
        assert_eq!(printer.end(), Ok((498, 4)));

        let (mut read, mut sum, mut ends) = (vec![Vec::new(), Vec::new()], Sum::default(), 0);
        for line in text.lines() {
            assert!(line.len() <= 502, "{} bytes", line.len());
            match Line::parse(line).unwrap() {
                Line::Begin { cores, ticks_per_second, boot_ticks } => {
                    assert_eq!((cores, ticks_per_second, boot_ticks), (2, 62_500_000, 77));
                }
                Line::Thread { number, name } => assert_eq!((number, name), (16_777_300, "init")),
                Line::Lost { core, count } => assert_eq!((core, count), (0, 4)),
                Line::Records(records) => {
                    let core = usize::from(records.core);
                    read[core].extend(records);
                }
                Line::End { records, lost, sum: wanted } => {
                    assert_eq!((records, lost, wanted), (498, 4, sum));
                    ends += 1;
                }
            }
            sum.add(line);
        }
        assert_eq!((read[0] == first, read[1] == second, ends), (true, true, 1));
    }

    #[test]
    fn whatever_comes_nothing_panics() {
        for line in ["", "@", "@trace", "@trace 2 1 1 1", "@records 0", "@records 256 AA", "@end 1 2 x", "@lost 1"] {
            assert!(Line::parse(line).is_none(), "{line}");
        }
        let full = "@records 0 //////////////////////////////////////////////";
        for end in "@records 0 ".len()..full.len() {
            let Some(Line::Records(records)) = Line::parse(&full[..end]) else { panic!("{end}") };
            assert_eq!(records.count(), 0);
        }
        let Some(Line::Records(records)) = Line::parse("@records 3 AAABAAAAAAEAAAA,") else { panic!() };
        assert!(records.count() <= 3);
    }
}
