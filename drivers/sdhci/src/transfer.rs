//! A request, which may take several commands, one after the other.

use ipc::block::{Operation, SECTOR};
use kit::dma::{Direction, Lent, Piece};

use crate::adma::MAX_BYTES;

/// A request under way.
#[derive(Debug)]
pub struct Transfer {
    /// Its number.
    pub id: usize,
    /// To the card.
    pub write: bool,
    /// The sector with which the command under way begins.
    pub sector: u64,
    data: Lent,
    /// Bytes that are done.
    done: usize,
    /// How often the command under way was tried.
    pub tries: u32,
}

impl Transfer {
    /// Begins a request: the controller has the data from now on.
    pub fn new(id: usize, operation: Operation, sector: u64, data: Piece) -> Self {
        let write = operation == Operation::Write;
        let data = data.lend(if write { Direction::ToDevice } else { Direction::FromDevice });
        Self { id, write, sector, data, done: 0, tries: 0 }
    }

    /// Where the data of the next command is, and how many bytes.
    pub fn part(&self) -> (u64, usize) {
        (self.data.bus() + self.done as u64, (self.data.bytes() - self.done).min(MAX_BYTES))
    }

    /// The command is done. `true`: it was not the last one.
    pub fn goes_on(&mut self) -> bool {
        let (_, bytes) = self.part();
        self.done += bytes;
        self.sector += (bytes / SECTOR) as u64;
        self.tries = 0;
        self.done < self.data.bytes()
    }

    /// The controller is done with it.
    pub fn end(self) {
        self.data.reclaim();
    }
}
