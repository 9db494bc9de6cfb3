//! Writes a whole disk, reads it, and says whether all bytes are right.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::string::String;

use disk_programs::Disk;
use rt::Env;

rt::entry!(run);

/// Sectors of the requests, which take turns: within a page, a page, two, more, and more than any controller takes at once.
const SECTORS: [u32; 6] = [1, 8, 9, 40, 1000, 3000];
/// Where their data begins in the buffer.
const SKIPS: [usize; 4] = [0, 512, 3584, 4096];

fn run(env: &'static Env) {
    if let Err(error) = check(env) {
        log::error!("{error}");
    }
}

fn check(env: &Env) -> Result<(), String> {
    let mut disk = Disk::open(env)?;
    let all = disk.info()?.sectors;
    each(all, |sector, sectors, skip| disk.write(sector, sectors, skip))?;
    disk.flush()?;
    // In other pieces than they were written in.
    each(all - 16, |sector, sectors, skip| disk.check(sector + 16, sectors, skip))?;
    disk.check(0, 16, 0)?;
    log::info!("all bytes of {all} sectors right");
    Ok(())
}

/// Calls `with` for pieces of so many sectors: the first one, how many, and where their data begins in the buffer.
fn each(all: u64, mut with: impl FnMut(u64, u32, usize) -> Result<(), String>) -> Result<(), String> {
    let mut sector = 0;
    let turns = (0..).map(|turn| (SECTORS[turn % SECTORS.len()], SKIPS[turn % SKIPS.len()]));
    for (most, skip) in turns {
        let sectors = (all - sector).min(most.into()) as u32;
        if sectors == 0 {
            break;
        }
        with(sector, sectors, skip)?;
        sector += u64::from(sectors);
    }
    Ok(())
}
