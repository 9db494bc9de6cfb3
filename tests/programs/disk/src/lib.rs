//! A client of a disk that writes all of it, in requests of every sort, and looks at what it reads.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use ipc::SignalOn;
use ipc::block::{BlockClient, ClientRings, DATA, Info, Operation, RINGS, Request, SECTOR};
use rt::{Env, NOTIFICATION, SharedBuffer};

/// Pages of data in the buffer: 2 MiB.
const PAGES: usize = 512;

/// The eight bytes that word `word` of the disk has: no two are alike, and none is zero.
#[must_use]
pub const fn word(word: u64) -> u64 {
    (word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A disk, and a buffer that is shared with it.
#[derive(Debug)]
pub struct Disk {
    block: BlockClient,
    buffer: SharedBuffer,
    rings: ClientRings,
}

impl Disk {
    /// Attaches.
    ///
    /// # Errors
    /// In words.
    pub fn open(env: &Env) -> Result<Self, String> {
        let block = BlockClient::from_env(env).map_err(|missing| format!("{missing}"))?;
        let buffer =
            SharedBuffer::new((DATA / 4096 + PAGES) as u64).map_err(|error| format!("no buffer: {error:?}"))?;
        let rings = RINGS.client(&buffer).map_err(|error| format!("{error:?}"))?;
        let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
        block.attach(&buffer, SignalOn { notification, bits: 1 }).map_err(|error| format!("block: {error}"))?;
        Ok(Self { block, buffer, rings })
    }

    /// What it is.
    ///
    /// # Errors
    /// In words.
    pub fn info(&self) -> Result<Info, String> {
        self.block.info().map_err(|error| format!("block: {error}"))
    }

    /// Fills so many sectors from `sector` on with their [`word`]s, out of the buffer from `skip` bytes of its data on.
    ///
    /// # Errors
    /// In words.
    pub fn write(&mut self, sector: u64, sectors: u32, skip: usize) -> Result<(), String> {
        for (index, place) in places(sectors, skip) {
            let bytes = word(first_word(sector) + index).to_le_bytes();
            self.buffer.write(place, &bytes).map_err(|_| "outside of the buffer")?;
        }
        self.transfer(Operation::Write, sector, sectors, skip)
    }

    /// Reads so many sectors, and looks at each word.
    ///
    /// # Errors
    /// In words; among them which word is wrong.
    pub fn check(&mut self, sector: u64, sectors: u32, skip: usize) -> Result<(), String> {
        for (_, place) in places(sectors, skip) {
            self.buffer.write(place, &[0; 8]).map_err(|_| "outside of the buffer")?;
        }
        self.transfer(Operation::Read, sector, sectors, skip)?;
        for (index, place) in places(sectors, skip) {
            let (mut found, number) = ([0; 8], first_word(sector) + index);
            self.buffer.read(place, &mut found).map_err(|_| "outside of the buffer")?;
            let (found, expected) = (u64::from_le_bytes(found), word(number));
            if found != expected {
                return Err(format!("word {number} is {found:#x} instead of {expected:#x}"));
            }
        }
        Ok(())
    }

    /// Onto the medium with all of it.
    ///
    /// # Errors
    /// In words.
    pub fn flush(&mut self) -> Result<(), String> {
        self.ask(Request { operation: Operation::Flush as u32, ..Request::default() })
    }

    fn transfer(&mut self, operation: Operation, sector: u64, sectors: u32, skip: usize) -> Result<(), String> {
        let offset = (DATA + skip) as u32;
        self.ask(Request { sector, sectors, offset, tag: 0, operation: operation as u32 })
    }

    fn ask(&mut self, request: Request) -> Result<(), String> {
        self.rings.ask(&self.buffer, &request).map_err(|error| format!("ring: {error:?}"))?;
        self.block.submit().map_err(|error| format!("block: {error}"))?;
        loop {
            match self.rings.completion(&self.buffer) {
                Ok(Some(done)) if done.status == 0 => return Ok(()),
                Ok(Some(done)) => return Err(format!("{request:?} ended with {:#x}", done.status)),
                Ok(None) => NOTIFICATION.wait().map(drop).map_err(|error| format!("wait: {error}"))?,
                Err(error) => return Err(format!("ring: {error:?}")),
            }
        }
    }
}

const fn first_word(sector: u64) -> u64 {
    sector * (SECTOR / 8) as u64
}

/// The words of so many sectors, and where they lie in the buffer.
fn places(sectors: u32, skip: usize) -> impl Iterator<Item = (u64, usize)> {
    let words = sectors as usize * SECTOR / 8;
    (0..words).map(move |index| (index as u64, DATA + skip + index * 8))
}
