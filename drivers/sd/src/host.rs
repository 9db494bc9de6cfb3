//! What a host controller does for its slot.

use kit::dma::Piece;

use crate::command::{Command, Data};
use crate::failure::Failure;

/// Hz while the card is identified. (SD Physical Layer Simplified Specification 6.00, 6.6.6)
pub const SLOW: u32 = 400_000;
/// Hz in default speed mode. (6.6.6)
pub const FAST: u32 = 25_000_000;

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The card has answered.
    pub answered: bool,
    /// The data lines are done: data was moved, and the transfer was ended, or the card is not busy any more.
    pub moved: bool,
    /// A card came or went.
    pub card: bool,
    /// The data is on its way: it came nearer its end.
    pub progress: bool,
    /// Errors, by the controller's bits; 0 for none.
    pub errors: u32,
}

impl Events {
    /// Beside what happened before.
    pub const fn add(&mut self, more: Self) {
        self.answered |= more.answered;
        self.moved |= more.moved;
        self.card |= more.card;
        self.progress |= more.progress;
        self.errors |= more.errors;
    }

    /// The card has answered, and if `data` the data lines are done.
    pub const fn is_done(self, data: bool) -> bool {
        self.answered && (self.moved || !data)
    }
}

/// A host controller. Nothing here waits for longer than a bit takes that changes at once.
pub trait Host {
    /// Data of a request while the controller has it. Of what is dropped and not given back, the memory is kept if the controller may
    /// still use it.
    type Data;

    /// Most bytes of a command: whole sectors.
    const MAX_BYTES: usize;
    /// Ticks that the card is without power at least, after a reset.
    const OFF_TICKS: u32;
    /// Ticks from power to the first command: 1 ms and 74 clocks at least, and what is left of the tick. (SD Physical Layer 6.4.1)
    const POWER_TICKS: u32;

    /// Takes over the data of a request.
    fn take_over(data: Piece, way: Data) -> Self::Data;

    /// Gives it back: the controller is done with it, or was reset.
    fn give_back(data: Self::Data);

    /// Resets all of it: it has nothing of anybody's memory then. It has when [`Self::is_resetting`] says no.
    fn reset(&mut self);

    /// It is not done with a reset.
    fn is_resetting(&self) -> bool;

    /// Resets it at once. `false`: it does not come to rest so soon.
    fn reset_now(&mut self) -> bool;

    /// Resets what is behind the command and data lines, after an error. `false`: it does not come to rest so soon.
    fn clear_lines(&mut self) -> bool;

    /// It tells of what happens.
    fn listen(&mut self);

    /// Starts its internal clock, of which the card's has at most so many Hz; that stands still, if it can.
    fn start_clock(&mut self, most: u32);

    /// The internal clock is stable.
    fn is_stable(&self) -> bool;

    /// The card has its clock.
    fn clock_card(&mut self);

    /// The card has power, and so many data lines: four or one.
    fn power(&mut self, four_bits: bool);

    /// Whether there is a card is what [`Self::has_card`] says for good.
    fn is_settled(&self) -> bool;

    /// There is a card in the slot, as far as the controller can know.
    fn has_card(&self) -> bool;

    /// The card's switch lets it be written, as far as the controller can know.
    fn is_writable(&self) -> bool;

    /// Takes what has happened.
    ///
    /// # Errors
    /// It is not there any more.
    fn take(&mut self) -> Result<Events, Failure>;

    /// Names the data of the next command: `bytes` bytes, whole sectors, from `offset` on. `false`: it does not reach them.
    fn describe(&mut self, data: &Self::Data, offset: usize, bytes: usize) -> bool;

    /// Sends a command. One that moves data is followed by a `STOP_TRANSMISSION` when it is moved.
    ///
    /// # Errors
    /// The lines that it needs stay in use.
    fn send(&mut self, command: &Command) -> Result<(), Failure>;

    /// What the card has answered: 32 bits.
    fn answer(&self) -> u32;

    /// What the card has answered to the `STOP_TRANSMISSION` that followed the data.
    fn answer_at_end(&self) -> u32;

    /// What the card has answered: CID or CSD, with zeros in the place of the checksum.
    fn long_answer(&self) -> u128;
}
