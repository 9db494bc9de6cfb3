//! Behaves for a second, and misbehaves for the next.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::string::String;

use hostile_programs::disk::{Disk, Half};
use hostile_programs::random::Random;
use hostile_programs::schedule::{Conduct, Turn};
use hostile_programs::worker::Worker;
use ipc::block::{DATA, Operation, Request, SECTOR};
use rt::Env;

rt::entry!(run);

/// Blocks of its buffer.
const BLOCKS: usize = 31;
/// Sectors of a large request.
const LARGE: u32 = 128;
/// Where the requests begin in their ring, and the bytes of one.
const REQUESTS: usize = 128;
const REQUEST: usize = 24;

fn run(env: &'static Env) -> Result<(), String> {
    let mut disk = Disk::open(env, Half::Upper, BLOCKS)?;
    let mut random = Random::new(Turn::now().since(Turn::default()));
    loop {
        let turn = Turn::now();
        let (mut times, mut ended) = (0u64, Ok(()));
        while !turn.is_over() {
            // Who has too many requests under way is refused, and who lies fails: it tries again.
            ended = misbehave(&mut disk, &mut random, turn);
            times += 1;
        }
        log::info!("{:?}, {times} times, at last {ended:?}", turn.conduct());
    }
}

fn misbehave(disk: &mut Disk, random: &mut Random, turn: Turn) -> Result<(), String> {
    disk.begin()?;
    match turn.conduct() {
        Conduct::Polite | Conduct::Rest => behave(disk, turn),
        Conduct::Flood => flood(disk, turn, LARGE),
        Conduct::SmallFlood => flood(disk, turn, 1),
        Conduct::Hoard => hoard(disk, turn),
        Conduct::Change => change(disk, random, turn),
        Conduct::Lie => lie(disk, random),
        Conduct::Attach => {
            fill(disk, 1);
            disk.submit()
        }
        Conduct::Die => {
            fill(disk, LARGE);
            disk.submit()?;
            log::info!("{:?}, once more", turn.conduct());
            panic!("on purpose");
        }
    }
}

fn behave(disk: &mut Disk, turn: Turn) -> Result<(), String> {
    let mut worker = Worker::start(disk)?;
    while !turn.is_over() {
        worker.step(disk)?;
    }
    Ok(())
}

/// Puts in whatever the ring holds: half of it reads, half of it writes.
fn fill(disk: &mut Disk, sectors: u32) {
    for number in 0.. {
        let operation = if number % 2 == 0 { Operation::Write } else { Operation::Read } as u32;
        let sector = disk.sector(number * 16);
        if disk.request(&Request { sector, sectors, offset: DATA as u32, tag: number as u32, operation }).is_err() {
            break;
        }
    }
}

fn flood(disk: &mut Disk, turn: Turn, sectors: u32) -> Result<(), String> {
    while !turn.is_over() {
        fill(disk, sectors);
        disk.submit()?;
        while disk.completion()?.is_some() {}
    }
    Ok(())
}

fn hoard(disk: &mut Disk, turn: Turn) -> Result<(), String> {
    while !turn.is_over() {
        fill(disk, LARGE);
        disk.submit()?;
    }
    Ok(())
}

/// Writes over requests that were sent, and over their data: what it asks for instead may be nonsense, but in its own half.
fn change(disk: &mut Disk, random: &mut Random, turn: Turn) -> Result<(), String> {
    while !turn.is_over() {
        fill(disk, LARGE);
        disk.submit()?;
        for number in 0..ipc::block::PLACES {
            let word = random.number();
            let request = Request {
                sector: disk.sector(word >> 32),
                sectors: word as u32 % 512,
                offset: (word >> 9) as u32 % 1024 * SECTOR as u32,
                tag: word as u32,
                operation: word as u32 % 4,
            };
            let words = [request.sectors, request.offset, request.tag, request.operation];
            let at = REQUESTS + number * REQUEST;
            let _ = disk.buffer.write(at, &request.sector.to_le_bytes());
            for (index, word) in words.into_iter().enumerate() {
                let _ = disk.buffer.store_u32(at + 8 + 4 * index, word);
            }
            let _ = disk.buffer.write(DATA + (word >> 20) as usize % (BLOCKS * 4096 - 8), &word.to_le_bytes());
        }
        while disk.completion()?.is_some() {}
    }
    Ok(())
}

/// Random counts in both rings, with requests under way.
fn lie(disk: &mut Disk, random: &mut Random) -> Result<(), String> {
    fill(disk, LARGE);
    disk.submit()?;
    for at in [0, 64, 2048, 2048 + 64] {
        let _ = disk.buffer.store_u32(at, random.number() as u32);
    }
    disk.submit()
}
