//! A request, which may take several commands, one after the other.

use ipc::block::{Operation, SECTOR, outcome};
use kit::dma::{Direction, Lent, Piece};

use crate::command::Command;
use crate::identity::Identity;
use crate::prp::Lists;

/// A request under way.
#[derive(Debug)]
pub struct Transfer {
    write: bool,
    /// The block with which the command under way begins.
    block: u64,
    /// None of a flush.
    data: Option<Lent>,
    /// Bytes that are done.
    done: usize,
    /// Bytes of the command under way.
    part: usize,
    /// How often it was looked at since the command was sent.
    pub looks: u32,
}

impl Transfer {
    /// Begins a request: the controller has the data from now on.
    ///
    /// # Errors
    /// What its completion says: it does not begin and end with the controller's blocks.
    pub fn new(operation: Operation, sector: u64, data: Option<Piece>, identity: &Identity) -> Result<Self, u32> {
        let block = identity.block(sector).ok_or(outcome::ALIGNMENT)?;
        if data.as_ref().is_some_and(|data| !data.bytes().is_multiple_of(SECTOR << identity.shift)) {
            return Err(outcome::ALIGNMENT);
        }
        let write = operation == Operation::Write;
        let direction = if write { Direction::ToDevice } else { Direction::FromDevice };
        let data = data.map(|data| data.lend(direction));
        Ok(Self { write, block, data, done: 0, part: 0, looks: 0 })
    }

    /// The next command. `id`: its list of pages.
    pub fn command(&mut self, id: usize, identity: &Identity, lists: &Lists) -> Command {
        let Some(data) = &self.data else { return Command::flush() };
        self.part = (data.bytes() - self.done).min(identity.most);
        let pages = lists.describe(id, data.bus() + self.done as u64, self.part);
        Command::transfer(self.write, self.block, (self.part / SECTOR) as u32 >> identity.shift, pages)
    }

    /// The command is done. `true`: it was not the last one.
    pub fn goes_on(&mut self, identity: &Identity) -> bool {
        self.done += self.part;
        self.block += (self.part / SECTOR) as u64 >> identity.shift;
        self.looks = 0;
        self.data.as_ref().is_some_and(|data| self.done < data.bytes())
    }

    /// The controller is done with it.
    pub fn end(self) {
        self.data.map(Lent::reclaim);
    }
}
