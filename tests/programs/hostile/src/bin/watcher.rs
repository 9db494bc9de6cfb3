//! Reads all the time and looks at every byte. The disk holds a file of 64-bit words that count, from a place on that is looked
//! for.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use hostile_programs::disk::{BLOCK, Disk, Half, SECTORS};
use hostile_programs::random::Random;
use ipc::block::{Completion, DATA, Operation, Request, SECTOR};
use rt::{Env, now_nanoseconds};

rt::entry!(run);

/// Requests under way.
const DEPTH: usize = 4;
/// Sectors of the file.
const FILE: u64 = 8 << 11;
/// It begins before this sector.
const FARTHEST: u64 = 4096;
/// Nanoseconds between two reports.
const REPORT: u64 = 1_000_000_000;

struct Watcher {
    disk: Disk,
    random: Random,
    /// Where the file begins.
    first: u64,
    /// The sector of each request, and when it was asked for.
    asked: [(u64, u64); DEPTH],
    found: Vec<u8>,
}

fn run(env: &'static Env) {
    if let Err(error) = watch(env) {
        log::error!("watcher broken: {error}");
    }
}

fn watch(env: &Env) -> Result<(), String> {
    let disk = Disk::open(env, Half::Lower, DEPTH)?;
    let mut watcher = Watcher { disk, random: Random::new(1), first: 0, asked: [(0, 0); DEPTH], found: vec![0; BLOCK] };
    watcher.find()?;
    for place in 0..DEPTH {
        watcher.ask_any(place)?;
    }
    watcher.disk.submit()?;
    let (mut reads, mut longest, mut reported) = (0u64, 0, now_nanoseconds());
    loop {
        let completion = watcher.disk.wait()?;
        longest = watcher.check(completion)?.max(longest);
        reads += 1;
        watcher.ask_any(completion.tag as usize)?;
        watcher.disk.submit()?;
        if now_nanoseconds() - reported > REPORT {
            reported = now_nanoseconds();
            log::info!("watcher: {reads} reads right, the longest {} ms", longest / 1_000_000);
        }
    }
}

impl Watcher {
    /// Where the file is: a block that is the first of it.
    fn find(&mut self) -> Result<(), String> {
        for sector in 0..FARTHEST {
            self.ask(0, sector)?;
            self.disk.submit()?;
            let completion = self.disk.wait()?;
            self.done(completion)?;
            if (0..).zip(self.found.chunks_exact(8)).all(|(count, word)| word == u64::to_le_bytes(count)) {
                self.first = sector;
                return Ok(());
            }
        }
        Err(format!("no words that count before sector {FARTHEST}"))
    }

    fn ask_any(&mut self, place: usize) -> Result<(), String> {
        let sector = self.first + self.random.below(FILE - u64::from(SECTORS) + 1);
        self.ask(place, sector)
    }

    fn ask(&mut self, place: usize, sector: u64) -> Result<(), String> {
        let offset = DATA + place * BLOCK;
        // What is not read stays wrong.
        self.disk.buffer.write(offset, &[0xff; BLOCK]).map_err(|_| "outside of the buffer")?;
        self.asked[place] = (sector, now_nanoseconds());
        let (offset, tag, operation) = (offset as u32, place as u32, Operation::Read as u32);
        self.disk.request(&Request { sector, sectors: SECTORS, offset, tag, operation })
    }

    /// What a completion brought: the sector.
    fn done(&mut self, completion: Completion) -> Result<(u64, u64), String> {
        if completion.status != 0 {
            return Err(format!("a read failed: {completion:?}"));
        }
        let place = completion.tag as usize;
        let asked = *self.asked.get(place).ok_or("a completion of no request")?;
        self.disk.buffer.read(DATA + place * BLOCK, &mut self.found).map_err(|_| "outside of the buffer")?;
        Ok(asked)
    }

    /// That the bytes are right; how long they took.
    fn check(&mut self, completion: Completion) -> Result<u64, String> {
        let (sector, at) = self.done(completion)?;
        let first = (sector - self.first) * (SECTOR / 8) as u64;
        match (first..).zip(self.found.chunks_exact(8)).find(|(count, word)| *word != count.to_le_bytes()) {
            None => Ok(now_nanoseconds() - at),
            Some((count, word)) => Err(format!("wrong bytes: {word:x?} in sector {sector} where {count:#x} should be")),
        }
    }
}
