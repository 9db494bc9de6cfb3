//! A session with the disk.

use alloc::format;
use alloc::string::String;

use ipc::SignalOn;
use ipc::block::{BlockClient, ClientRings, Completion, DATA, RINGS, Request, SECTOR};
use rt::{Env, NOTIFICATION, SharedBuffer};

/// A client's half of the disk: nobody writes into the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Of who behaves.
    Lower,
    /// Of its neighbour.
    Upper,
}

/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// Sectors of a block.
pub const SECTORS: u32 = (BLOCK / SECTOR) as u32;

/// The disk, and a buffer that is shared with it.
#[derive(Debug)]
pub struct Disk {
    block: BlockClient,
    /// The buffer: rings, and data.
    pub buffer: SharedBuffer,
    rings: ClientRings,
    signal: SignalOn,
    half: Half,
    sectors: u64,
}

impl Disk {
    /// Attaches with a buffer for so many blocks.
    ///
    /// # Errors
    /// In words.
    pub fn open(env: &Env, half: Half, blocks: usize) -> Result<Self, String> {
        let block = BlockClient::from_env(env).map_err(|missing| format!("{missing}"))?;
        let sectors = block.info().map_err(|error| format!("block: {error}"))?.sectors;
        let pages = DATA / BLOCK + blocks;
        let buffer = SharedBuffer::new(pages as u64).map_err(|error| format!("no buffer: {error:?}"))?;
        let rings = RINGS.client(&buffer).map_err(|error| format!("{error:?}"))?;
        let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
        let signal = SignalOn { notification, bits: 1 };
        let mut disk = Self { block, buffer, rings, signal, half, sectors };
        disk.begin()?;
        Ok(disk)
    }

    /// Begins a session in the place of the present one.
    ///
    /// # Errors
    /// In words.
    pub fn begin(&mut self) -> Result<(), String> {
        self.rings = RINGS.client(&self.buffer).map_err(|error| format!("{error:?}"))?;
        self.block.attach(&self.buffer, self.signal).map_err(|error| format!("block: {error}"))
    }

    /// Where a block of the own half begins on the disk.
    pub const fn sector(&self, block: u64) -> u64 {
        let half = self.sectors / 2;
        let within = block * SECTORS as u64 % half;
        match self.half {
            Half::Lower => within,
            Half::Upper => half + within,
        }
    }

    /// Puts a request in.
    ///
    /// # Errors
    /// The ring is full, or its counts cannot be.
    pub fn request(&mut self, request: &Request) -> Result<(), String> {
        self.rings.ask(&self.buffer, request).map_err(|error| format!("ring: {error:?}"))
    }

    /// Tells the driver.
    ///
    /// # Errors
    /// In words.
    pub fn submit(&self) -> Result<(), String> {
        self.block.submit().map_err(|error| format!("block: {error}"))
    }

    /// The next completion, if there is one.
    ///
    /// # Errors
    /// The ring's counts cannot be.
    pub fn completion(&mut self) -> Result<Option<Completion>, String> {
        self.rings.completion(&self.buffer).map_err(|error| format!("ring: {error:?}"))
    }

    /// Waits for one.
    ///
    /// # Errors
    /// In words.
    pub fn wait(&mut self) -> Result<Completion, String> {
        loop {
            if let Some(completion) = self.completion()? {
                return Ok(completion);
            }
            let bits = NOTIFICATION.wait().map_err(|error| format!("wait: {error}"))?;
            if bits & ipc::SERVER_ENDED != 0 {
                return Err("the driver ended".into());
            }
        }
    }
}
