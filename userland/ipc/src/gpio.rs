//! gpio: single lines that are high or low, inputs and outputs.

use crate::{Client, Signal, Wire};

/// Single lines that are high or low, inputs and outputs.
///
/// A client takes a line before it uses it; what one has taken, no other gets until it is released. What a client had that was
/// started again is released when it takes its first line; what a client had that is gone, when another takes a line of it, if it
/// had ever asked for a signal: else nobody knows that it is gone. A line that is taken or released stays as it is.
#[crate::protocol(name = "gpio", version = 1)]
pub trait Gpio {
    /// How many lines there are; they are numbered from 0.
    #[method(1)]
    fn lines(&mut self) -> Result<u32, Status>;

    /// Takes a line.
    #[method(2)]
    fn take(&mut self, client: Client, line: u32) -> Result<(), Status>;

    /// Gives a line back.
    #[method(3)]
    fn release(&mut self, client: Client, line: u32) -> Result<(), Status>;

    /// Makes the line an input.
    #[method(4)]
    fn input(&mut self, client: Client, line: u32) -> Result<(), Status>;

    /// Makes the line an output, at this level from the first moment on.
    #[method(5)]
    fn drive(&mut self, client: Client, line: u32, level: Level) -> Result<(), Status>;

    /// What the line is at.
    #[method(6)]
    fn level(&mut self, client: Client, line: u32) -> Result<Level, Status>;

    /// What the line is driven to, whatever it is at; nothing if it is an input.
    #[method(7)]
    fn driven(&mut self, client: Client, line: u32) -> Result<Option<Level>, Status>;

    /// Asks for one signal when this happens to the line from now on; a level that it is at already happens at once. It takes the
    /// place of what was asked for before.
    #[method(8)]
    fn watch(&mut self, client: Client, line: u32, trigger: Trigger, signal: Signal) -> Result<(), Status>;

    /// Whether what was last asked for with `watch` has happened.
    #[method(9)]
    fn happened(&mut self, client: Client, line: u32) -> Result<bool, Status>;
}

crate::statuses! {
    /// The bank has no line with this number.
    NoLine = 1, "the bank has no such line";
    /// Another component has taken the line.
    Taken = 2, "another component has the line";
    /// The client did not take the line, or it took it from a server that has ended since.
    NotTaken = 3, "the line was not taken";
}

/// What a line is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Level {
    /// Ground.
    Low = 0,
    /// The supply.
    High = 1,
}

impl From<bool> for Level {
    /// `true`: high.
    fn from(high: bool) -> Self {
        if high { Self::High } else { Self::Low }
    }
}

/// What of a line is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Trigger {
    /// It is low, or becomes it.
    Low = 0,
    /// It is high, or becomes it.
    High = 1,
    /// It becomes high.
    Rising = 2,
    /// It becomes low.
    Falling = 3,
    /// It changes.
    Both = 4,
}
