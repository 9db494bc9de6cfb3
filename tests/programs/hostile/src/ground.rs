//! Memory that a client lends to a driver and takes back whenever it likes.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rt::{Badge, Cap, Frame, Kind, MEMORY, Retype, Rights, SharedBuffer, TABLE, Untyped};

/// Bytes that are looked at together.
const PIECE: usize = 4096;

/// How memory is taken from those who have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// What was derived from the Frame is revoked: the memory is used as it is.
    Frame,
    /// The memory itself is revoked, and made into another Frame.
    Memory,
}

/// Memory out of which one Frame at a time is made. A copy of the Frame's capability is mapped and lent, never the Frame's own.
#[derive(Debug)]
pub struct Ground {
    memory: Cap<Untyped>,
    frame: Cap<Frame>,
    copy: Cap<Frame>,
    address: u64,
    /// Pages of the Frame.
    pages: u64,
    /// What it was filled with when it was taken back.
    filled: Option<(SharedBuffer, u8)>,
}

impl Ground {
    /// Of so many pages, mapped at an address that nothing else gets.
    ///
    /// # Errors
    /// In words.
    pub fn new(address: u64, pages: u64) -> Result<Self, String> {
        let slot = || rt::alloc_slot().map_err(|_| "no slot");
        let memory = Cap::from_slot(slot()?);
        let what = Retype { size: pages, ..Retype::default() };
        MEMORY.retype(Kind::Untyped, what, TABLE, memory.slot()).map_err(|error| format!("no memory: {error}"))?;
        let (frame, copy) = (Cap::from_slot(slot()?), Cap::from_slot(slot()?));
        Ok(Self { memory, frame, copy, address, pages: 0, filled: None })
    }

    /// A new Frame of it, to be lent.
    ///
    /// # Errors
    /// In words.
    pub fn lay(&mut self, pages: u64) -> Result<SharedBuffer, String> {
        (self.pages, self.filled) = (pages, None);
        self.make()?;
        let copied = TABLE.copy(self.copy.slot(), TABLE, self.frame.slot(), Rights::all(), Badge(0));
        copied.map_err(|error| format!("no copy: {error}"))?;
        self.map(self.copy)
    }

    /// Takes it from all who have it, and fills it.
    ///
    /// # Errors
    /// In words.
    pub fn take(&mut self, how: Taking, fill: u8) -> Result<(), String> {
        match how {
            Taking::Frame => TABLE.revoke(self.frame.slot()).map_err(|error| format!("revoke: {error}"))?,
            Taking::Memory => self.make()?,
        }
        let buffer = self.map(self.frame)?;
        let piece = [fill; PIECE];
        (0..buffer.len())
            .step_by(PIECE)
            .try_for_each(|at| buffer.write(at, &piece))
            .map_err(|_| "outside of the buffer")?;
        self.filled = Some((buffer, fill));
        Ok(())
    }

    /// Where it is not what it was filled with.
    pub fn changed(&self) -> Option<usize> {
        let (buffer, fill) = self.filled.as_ref()?;
        let mut piece: Vec<u8> = vec![0; PIECE];
        (0..buffer.len()).step_by(PIECE).find_map(|at| {
            let read = buffer.read(at, &mut piece);
            read.map_or(Some(0), |()| piece.iter().position(|byte| byte != fill)).map(|within| at + within)
        })
    }

    fn make(&self) -> Result<(), String> {
        TABLE.revoke(self.memory.slot()).map_err(|error| format!("revoke: {error}"))?;
        let what = Retype { size: self.pages, ..Retype::default() };
        self.memory.retype(Kind::Frame, what, TABLE, self.frame.slot()).map_err(|error| format!("no Frame: {error}"))
    }

    fn map(&self, frame: Cap<Frame>) -> Result<SharedBuffer, String> {
        SharedBuffer::map_at(frame, self.address, self.pages).map_err(|error| format!("not mapped: {error:?}"))
    }
}
