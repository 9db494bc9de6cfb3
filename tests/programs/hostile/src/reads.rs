//! Reads of random places and sizes into memory that is lent.

use alloc::format;
use alloc::string::String;

use ipc::block::{BlockClient, ClientRings, DATA, Operation, RINGS, Request, SECTOR, Status};
use ipc::{Error, SERVER_ENDED, SignalOn};
use rt::{Env, NOTIFICATION, SharedBuffer, now_nanoseconds};

use crate::random::Random;

/// Most requests under way.
const DEPTH: u64 = 32;
/// Sectors of the largest request: 1 MiB.
const LARGEST: u64 = 2048;
/// The signal of the driver.
const COMPLETED: u64 = 1;
/// How long a driver may have so much of a client's former sessions that it refuses it.
const PATIENCE: u64 = 20_000_000_000;

/// A client of the disk.
#[derive(Debug)]
pub struct Reader {
    block: BlockClient,
    signal: SignalOn,
    sectors: u64,
    /// All requests are as large as the memory is.
    pub large: bool,
    /// How often the driver had too much of former sessions.
    pub refused: u64,
}

/// Reads under way.
#[derive(Debug)]
pub struct Reads {
    buffer: SharedBuffer,
    rings: ClientRings,
    /// How many were asked for.
    pub asked: u64,
    /// How many were done, as far as was looked.
    pub done: u64,
}

impl Reader {
    /// A client of the one disk.
    ///
    /// # Errors
    /// In words.
    pub fn open(env: &Env) -> Result<Self, String> {
        let block = BlockClient::from_env(env).map_err(|missing| format!("{missing}"))?;
        let sectors = block.info().map_err(|error| format!("block: {error}"))?.sectors;
        let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
        Ok(Self { block, signal: SignalOn { notification, bits: COMPLETED }, sectors, large: false, refused: 0 })
    }

    /// Begins a session, and has up to 32 reads of up to 1 MiB under way.
    ///
    /// # Errors
    /// In words.
    pub fn begin(&mut self, buffer: SharedBuffer, random: &mut Random) -> Result<Reads, String> {
        let rings = RINGS.client(&buffer).map_err(|error| format!("{error:?}"))?;
        self.attach(&buffer)?;
        let mut reads = Reads { buffer, rings, asked: 0, done: 0 };
        for _ in 0..1 + random.below(DEPTH) {
            reads.ask(self, random)?;
        }
        self.block.submit().map_err(|error| format!("block: {error}"))?;
        Ok(reads)
    }

    /// The driver is told that there are requests in memory that it does not have any more.
    ///
    /// # Errors
    /// It believes that.
    pub fn submit_nothing(&self) -> Result<(), String> {
        match self.block.submit() {
            // Who attached meanwhile may have been given the place.
            Err(Error::Status(Status::BadRing | Status::NotAttached)) => Ok(()),
            other => Err(format!("it is told of requests in memory that it does not have, and says {other:?}")),
        }
    }

    /// Who attaches faster than the device is through is told so.
    fn attach(&mut self, buffer: &SharedBuffer) -> Result<(), String> {
        let begun = now_nanoseconds();
        loop {
            match self.block.attach(buffer, self.signal) {
                Ok(()) => return Ok(()),
                Err(Error::Status(Status::TooManySessions)) if now_nanoseconds() - begun < PATIENCE => {
                    self.refused += 1;
                    spin(1_000_000);
                }
                Err(error) => return Err(format!("attach: {error}")),
            }
        }
    }
}

impl Reads {
    fn ask(&mut self, of: &Reader, random: &mut Random) -> Result<(), String> {
        let room = ((self.buffer.len() - DATA) / SECTOR) as u64;
        let most = LARGEST.min(room).min(1 << random.below(12));
        let count = if of.large { room } else { 1 + random.below(most) };
        let offset = DATA as u64 + random.below(room - count + 1) * SECTOR as u64;
        let sector = random.below(of.sectors - count + 1);
        let (tag, operation) = (self.asked as u32, Operation::Read as u32);
        let request = Request { sector, sectors: count as u32, offset: offset as u32, tag, operation };
        self.asked += 1;
        self.rings.ask(&self.buffer, &request).map_err(|error| format!("ring: {error:?}"))
    }

    /// Takes out what is done.
    ///
    /// # Errors
    /// One failed, or the rings say what cannot be.
    pub fn look(&mut self) -> Result<(), String> {
        while let Some(completion) = self.rings.completion(&self.buffer).map_err(|error| format!("ring: {error:?}"))? {
            if completion.status != 0 {
                return Err(format!("a read failed: {completion:?}"));
            }
            self.done += 1;
        }
        Ok(())
    }

    /// Until a random moment: at once, after a random time, or when a random number of reads is done.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn until_some_moment(&mut self, random: &mut Random) -> Result<(), String> {
        match random.below(4) {
            0 => {}
            1 => {
                let (enough, end) = (random.below(self.asked + 1), now_nanoseconds() + (1 << 25));
                while self.done < enough && now_nanoseconds() < end {
                    self.look()?;
                }
            }
            _ => {
                let nanoseconds = 1 << random.below(25);
                spin(random.below(nanoseconds));
            }
        }
        self.look()
    }
}

/// Passes so many nanoseconds.
pub fn spin(nanoseconds: u64) {
    let end = now_nanoseconds() + nanoseconds;
    while now_nanoseconds() < end {
        core::hint::spin_loop();
    }
}

/// Whether the driver has ended since this was last asked.
///
/// # Errors
/// In words.
pub fn driver_is_there() -> Result<(), String> {
    // Nothing there to be signalled is an error, too.
    let bits = NOTIFICATION.poll().unwrap_or(0);
    if bits & SERVER_ENDED == 0 { Ok(()) } else { Err("the driver ended".into()) }
}
