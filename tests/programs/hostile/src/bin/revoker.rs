//! Lends memory to the driver of a disk and takes it away while the disk writes into it, `revoker.count=` times, from
//! `revoker.seed=` on. `revoker.large=1`: the driver must carry out each read in parts.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use hostile_programs::component::Holdings;
use hostile_programs::ground::{Ground, Taking};
use hostile_programs::random::Random;
use hostile_programs::reads::{Reader, driver_is_there, spin};
use rt::{Env, now_nanoseconds};

rt::entry!(run);

/// Rounds unless the command line says how many.
const COUNT: u32 = 10_000;
/// Nanoseconds between two reports.
const REPORT: u64 = 1_000_000_000;
/// Where the memory is mapped.
const ADDRESSES: [u64; 2] = [0x8000_0000, 0x8080_0000];
/// Pages of it: with one of rings two requests of 1 MiB have room.
const MOST: u64 = 512;
/// Pages of it that are too many for one transfer of QEMU's virtio disk, when each of them is looked up for itself.
const LARGE: u64 = 1280;
/// So much memory of several sessions is more than the driver has page tables for: the former one ends meanwhile.
const REST: u64 = 30_000_000;
/// Drivers of a disk.
const DRIVERS: [&str; 2] = ["virtio-blk", "nvme"];
/// What a driver may have more at the end: of a client that is there at one time and not at the other, and of a heap that is not
/// packed the same.
const MORE_MEMORY: u64 = 32 * 1024;
const MORE_CAPABILITIES: u32 = 8;

struct Revoker {
    reader: Reader,
    grounds: [Ground; 2],
    /// Memory may be written to after it was taken away: there is no IOMMU.
    unprotected: bool,
    asked: u64,
    under_way: u64,
    interrupted: u64,
    written: u64,
}

fn run(env: &'static Env) {
    match revoke(env) {
        Ok(summary) => log::info!("revoke: done: {summary}"),
        Err(error) => log::error!("revoke broken: {error}"),
    }
}

fn revoke(env: &Env) -> Result<String, String> {
    let (count, seed) = (env.argument("arg:count").unwrap_or(COUNT), env.argument("arg:seed").unwrap_or(1));
    let unprotected = env.argument("arg:unprotected").is_some_and(|yes| yes != 0);
    let large = env.argument("arg:large").is_some_and(|yes| yes != 0);
    let most = if large { LARGE } else { MOST };
    let grounds = [Ground::new(ADDRESSES[0], most)?, Ground::new(ADDRESSES[1], most)?];
    let mut reader = Reader::open(env)?;
    reader.large = large;
    let mut revoker = Revoker { reader, grounds, unprotected, asked: 0, under_way: 0, interrupted: 0, written: 0 };
    log::info!("revoke: {count} rounds, seed {seed}");
    let (mut before, mut reported) = (None, now_nanoseconds());
    for number in 0..count {
        // Each is what it would be in another run, but for the moment.
        let mut random = Random::new(u64::from(seed) << 32 | u64::from(number));
        revoker.round(number, &mut random).map_err(|error| format!("round {number}: {error}"))?;
        if number == count / 4 {
            before = Some(held()?);
        }
        if now_nanoseconds() - reported > REPORT {
            reported = now_nanoseconds();
            log::info!("revoke: so far {number}: {}", revoker.says());
        }
    }
    // What the device still does it does now.
    spin(REPORT);
    for index in 0..revoker.grounds.len() {
        revoker.check(index)?;
    }
    driver_is_there()?;
    Ok(format!("{count} rounds with seed {seed}: {}; {}", revoker.says(), compare(before, held()?)?))
}

impl Revoker {
    fn round(&mut self, number: u32, random: &mut Random) -> Result<(), String> {
        // What was taken away in the round before last has had its time.
        let index = number as usize % self.grounds.len();
        self.check(index)?;
        driver_is_there()?;
        let ground = &mut self.grounds[index];
        let most = 1 << random.below(10);
        let pages = if self.reader.large { LARGE } else { (2 + random.below(most)).min(MOST) };
        let mut reads = self.reader.begin(ground.lay(pages)?, random)?;
        if !self.reader.large {
            reads.until_some_moment(random)?;
        }
        let how = if random.below(2) == 0 { Taking::Frame } else { Taking::Memory };
        ground.take(how, 1 + random.below(255) as u8)?;
        let under_way = reads.asked - reads.done;
        self.asked += reads.asked;
        self.under_way += under_way;
        self.interrupted += u64::from(under_way > 0);
        spin(if self.reader.large { REST } else { 0 });
        if random.below(2) == 0 { self.reader.submit_nothing() } else { Ok(()) }
    }

    fn check(&mut self, index: usize) -> Result<(), String> {
        match self.grounds[index].changed() {
            Some(at) if !self.unprotected => Err(format!("memory was written to after it was taken away, at {at:#x}")),
            changed => {
                self.written += u64::from(changed.is_some());
                Ok(())
            }
        }
    }

    fn says(&self) -> String {
        let Self { reader, asked, under_way, interrupted, written, .. } = self;
        format!(
            "{asked} reads, {under_way} under way in {interrupted} rounds, written to in {written}, refused {} times",
            reader.refused
        )
    }
}

/// What the driver and this component have.
fn held() -> Result<[Holdings; 2], String> {
    Ok([Holdings::of(&DRIVERS)?, Holdings::of(&["revoker"])?])
}

fn compare(before: Option<[Holdings; 2]>, after: [Holdings; 2]) -> Result<String, String> {
    let before = before.ok_or("no rounds")?;
    let words = format!("driver {}, then {}; client {}, then {}", before[0], after[0], before[1], after[1]);
    let more = |before: Holdings, after: Holdings| {
        after.memory > before.memory + MORE_MEMORY || after.capabilities > before.capabilities + MORE_CAPABILITIES
    };
    if more(before[0], after[0]) || more(before[1], after[1]) { Err(format!("a leak: {words}")) } else { Ok(words) }
}
