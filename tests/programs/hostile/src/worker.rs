//! A client that behaves: it writes blocks, reads them again, and looks at every byte. Four requests are under way.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ipc::block::{DATA, Operation, Request};

use crate::disk::{BLOCK, Disk, SECTORS};
use crate::random::Random;

/// Requests under way.
pub const DEPTH: usize = 4;
/// Blocks of the disk that each of them goes through.
const BLOCKS: u64 = 64;

/// One of the requests under way.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Blocks that were written so far.
    round: u64,
    /// It is being written; else it is being read.
    writes: bool,
}

/// A client that behaves.
#[derive(Debug)]
pub struct Worker {
    places: [Place; DEPTH],
    bytes: Vec<u8>,
    found: Vec<u8>,
}

impl Worker {
    /// Puts in what is under way from now on, and tells the driver.
    ///
    /// # Errors
    /// In words.
    pub fn start(disk: &mut Disk) -> Result<Self, String> {
        let places = [Place { round: 0, writes: true }; DEPTH];
        let mut worker = Self { places, bytes: vec![0; BLOCK], found: vec![0; BLOCK] };
        (0..DEPTH).try_for_each(|place| worker.ask(disk, place))?;
        disk.submit()?;
        Ok(worker)
    }

    /// Waits for a completion, looks at what it brought, and asks for the next.
    ///
    /// # Errors
    /// In words: wrong bytes among them.
    pub fn step(&mut self, disk: &mut Disk) -> Result<(), String> {
        let completion = disk.wait()?;
        let number = completion.tag as usize;
        let place = *self.places.get(number).ok_or("a completion of no request")?;
        if completion.status != 0 {
            return Err(format!("a request failed: {completion:?}"));
        }
        if !place.writes {
            self.check(disk, number, place.round)?;
        }
        let round = place.round + u64::from(!place.writes);
        self.places[number] = Place { round, writes: !place.writes };
        self.ask(disk, number)?;
        disk.submit()
    }

    fn ask(&mut self, disk: &mut Disk, number: usize) -> Result<(), String> {
        let Place { round, writes } = self.places[number];
        let offset = DATA + number * BLOCK;
        if writes {
            pattern(number, round, &mut self.bytes);
        } else {
            // What is not read stays wrong.
            self.bytes.fill(0);
        }
        disk.buffer.write(offset, &self.bytes).map_err(|_| "outside of the buffer")?;
        let operation = if writes { Operation::Write } else { Operation::Read } as u32;
        let sector = disk.sector(number as u64 * BLOCKS + round % BLOCKS);
        let (offset, tag) = (offset as u32, number as u32);
        disk.request(&Request { sector, sectors: SECTORS, offset, tag, operation })
    }

    fn check(&mut self, disk: &Disk, number: usize, round: u64) -> Result<(), String> {
        disk.buffer.read(DATA + number * BLOCK, &mut self.found).map_err(|_| "outside of the buffer")?;
        pattern(number, round, &mut self.bytes);
        match self.found.iter().zip(&self.bytes).position(|(found, expected)| found != expected) {
            None => Ok(()),
            Some(at) => Err(format!("wrong bytes: block {number}.{round} at {at}")),
        }
    }
}

/// What a block holds: no other holds the same.
fn pattern(number: usize, round: u64, bytes: &mut [u8]) {
    let mut random = Random::new(round * DEPTH as u64 + number as u64 + 1);
    bytes.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&random.number().to_le_bytes()));
}
