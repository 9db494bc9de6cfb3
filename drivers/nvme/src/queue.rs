//! A submission queue and its completion queue (NVM Express 1.4, 4.1).

use kit::dma::{self, Memory, Space};
use kit::mmio::*;

use crate::command::{self, Command};
use crate::registers;

/// Entries of both queues, at most: the submission queue is a page then. One entry stays free. (4.1.2)
pub const ENTRIES: u16 = 64;
/// Bytes of an entry of a completion queue, as a power of two.
pub const COMPLETION_SHIFT: u32 = 4;
const COMPLETION: usize = 1 << COMPLETION_SHIFT;
/// The completion queue lies in the second page.
const COMPLETIONS: usize = 4096;

/// The phase tag in dword 3 of a completion. (4.6)
const PHASE: u32 = 1 << 16;

/// The controller says what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie;

/// What the controller says of a command that is done. (4.6)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The command's identifier.
    pub id: u16,
    /// The status field: 0 when it succeeded. (4.6.1)
    pub status: u16,
}

/// A pair of queues. Whoever uses it has fewer commands under way than it has entries: then an entry is written again only after
/// the controller has fetched the command in it, because it fetches in order, and a completion always has a place.
#[derive(Debug)]
pub struct Pair {
    number: u16,
    entries: u16,
    memory: Memory,
    tail_doorbell: WriteOnly<u32>,
    head_doorbell: WriteOnly<u32>,
    tail: u16,
    /// The controller knows of the commands up to here.
    told: u16,
    head: u16,
    /// The controller knows that the completions up to here were taken.
    released: u16,
    /// The phase tag of completions that are new.
    phase: bool,
}

impl Pair {
    /// Queues number `number` with so many entries, 2 to [`ENTRIES`]; empty, and not known to the controller.
    ///
    /// # Errors
    /// No memory; the doorbells do not lie inside the registers.
    pub fn new(mmio: &Mmio, space: Space, number: u16, entries: u16, stride: usize) -> Result<Self, kit::Error> {
        let (tail_doorbell, head_doorbell) = registers::doorbells(mmio, number, stride)?;
        let memory = Memory::consistent(space, 2)?;
        let (tail, told, head, released, phase) = (0, 0, 0, 0, true);
        Ok(Self { number, entries, memory, tail_doorbell, head_doorbell, tail, told, head, released, phase })
    }

    /// Entries of each.
    pub const fn entries(&self) -> u16 {
        self.entries
    }

    /// Where the controller finds the submission queue.
    pub const fn submissions(&self) -> u64 {
        self.memory.bus()
    }

    /// Where the controller finds the completion queue.
    pub const fn completions(&self) -> u64 {
        self.memory.bus() + COMPLETIONS as u64
    }

    /// Empties both, for a controller that does not use them.
    pub fn reset(&mut self) {
        (self.tail, self.told, self.head, self.released, self.phase) = (0, 0, 0, 0, true);
        for index in 0..usize::from(self.entries) {
            // It lies inside.
            let _ = self.memory.buffer().write(COMPLETIONS + index * COMPLETION, &[0; COMPLETION]);
        }
    }

    /// Puts a command in. [`Self::ring`] follows after the last of several.
    pub fn push(&mut self, id: u16, command: &Command) {
        // It lies inside.
        let _ = self.memory.buffer().write(usize::from(self.tail) * command::BYTES, &command.encode(id));
        self.tail = self.after(self.tail);
    }

    /// Tells the controller of the commands that were put in.
    pub fn ring(&mut self) {
        if self.told != self.tail {
            dma::publish();
            self.tail_doorbell.set(self.tail.into());
            self.told = self.tail;
        }
    }

    /// The next command that is done. [`Self::release`] follows after the last of several.
    ///
    /// # Errors
    /// [`Lie`]: a completion of another queue, or a head beyond the end.
    pub fn take(&mut self) -> Result<Option<Completion>, Lie> {
        let place = COMPLETIONS + usize::from(self.head) * COMPLETION;
        let load = |dword: usize| self.memory.buffer().load_u32(place + 4 * dword).map_err(|_| Lie);
        let last = load(3)?;
        if (last & PHASE != 0) != self.phase {
            return Ok(None);
        }
        dma::observe();
        let origin = load(2)?;
        if origin >> 16 != self.number.into() || origin & 0xffff >= self.entries.into() {
            return Err(Lie);
        }
        self.head = self.after(self.head);
        self.phase ^= self.head == 0;
        Ok(Some(Completion { id: last as u16, status: (last >> 17) as u16 }))
    }

    /// Tells the controller that the places of the completions taken are free. Its interrupt ends with it. (7.5.1)
    pub fn release(&mut self) {
        if self.released != self.head {
            self.head_doorbell.set(self.head.into());
            self.released = self.head;
        }
    }

    const fn after(&self, index: u16) -> u16 {
        if index + 1 == self.entries { 0 } else { index + 1 }
    }
}
