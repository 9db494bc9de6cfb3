//! Banks of single lines: the protocol `gpio`, with an owner for each line, in front of a [`Bank`].

use alloc::vec::Vec;

use ipc::gpio::{Gpio, GpioServer, Level, Status, Trigger};
use ipc::{Client, Shared, Signal};
use rt::Env;

use crate::Interrupt;

/// A device with lines, numbered from 0. It is asked for no others than it has.
pub trait Bank {
    /// How many lines it has.
    fn lines(&self) -> u32;

    /// Makes a line an input.
    fn input(&mut self, line: u32);

    /// Makes a line an output, at this level from the first moment on.
    fn drive(&mut self, line: u32, level: Level);

    /// What a line is at.
    fn level(&self, line: u32) -> Level;

    /// What a line is driven to; `None`: it is an input.
    fn driven(&self, line: u32) -> Option<Level>;

    /// Interrupts when this happens to a line from now on: a level that it is at already happens at once. `None`: never. What
    /// happened before is forgotten.
    fn watch(&mut self, line: u32, trigger: Option<Trigger>);

    /// A line to which happened what it interrupts for.
    fn pending(&mut self) -> Option<u32>;
}

/// Serves `gpio` with a device whose interrupt this is, until its endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["gpio"]`.
pub fn serve(env: &Env, bank: impl Bank + 'static, interrupt: Interrupt) -> crate::Result {
    log::info!("{} lines", bank.lines());
    let service = Shared::new(Service::new(bank));
    let line = service.clone();
    crate::on_interrupt(interrupt, move || line.borrow_mut().interrupt());
    Ok(ipc::serve(env, GpioServer(service))?)
}

/// Whose a line is, and what it waits for.
#[derive(Default)]
struct Line {
    owner: Option<Client>,
    /// How its owner is told, if it ever asked for that.
    signal: Option<Signal>,
    /// It is to be told.
    watched: bool,
    happened: bool,
}

/// One device and the owners of its lines.
pub struct Service<B> {
    bank: B,
    lines: Vec<Line>,
}

impl<B: Bank> Service<B> {
    /// Serves this device. Nobody has a line yet, and none interrupts.
    pub fn new(mut bank: B) -> Self {
        (0..bank.lines()).for_each(|line| bank.watch(line, None));
        let lines = (0..bank.lines()).map(|_| Line::default()).collect();
        Self { bank, lines }
    }

    /// The device wants attention. What happened to a line interrupts once: then its owner asks again.
    pub fn interrupt(&mut self) {
        for _ in 0..self.lines.len() {
            let Some(number) = self.bank.pending() else { break };
            let Some(line) = self.lines.get_mut(number as usize) else { break };
            self.bank.watch(number, None);
            if core::mem::take(&mut line.watched) {
                line.happened = true;
                line.signal.iter().for_each(|signal| _ = signal.wake());
            }
        }
    }

    /// A line that the client has taken.
    fn mine(&mut self, client: Client, line: u32) -> Result<&mut Line, Status> {
        let line = self.lines.get_mut(line as usize).ok_or(Status::NoLine)?;
        if line.owner == Some(client) { Ok(line) } else { Err(Status::NotTaken) }
    }

    fn free(&mut self, line: usize) {
        self.lines[line] = Line::default();
        self.bank.watch(line as u32, None);
    }

    fn free_all(&mut self, whose: impl Fn(Client) -> bool) {
        for line in 0..self.lines.len() {
            if self.lines[line].owner.is_some_and(&whose) {
                self.free(line);
            }
        }
    }

    /// Whether nothing is left of what an owner was to be told with. Who never asked to be told cannot be seen to be gone.
    fn is_gone(&self, owner: Client) -> bool {
        let lines = self.lines.iter().filter(|line| line.owner == Some(owner));
        let mut signals = lines.filter_map(|line| line.signal.as_ref()).peekable();
        signals.peek().is_some() && !signals.any(Signal::is_there)
    }
}

impl<B: Bank> Gpio for Service<B> {
    fn lines(&mut self) -> Result<u32, Status> {
        Ok(self.lines.len() as u32)
    }

    fn take(&mut self, client: Client, line: u32) -> Result<(), Status> {
        self.free_all(|owner| is(owner, client) && owner != client);
        let other = self.lines.get(line as usize).ok_or(Status::NoLine)?.owner.filter(|&owner| owner != client);
        if let Some(owner) = other {
            if !self.is_gone(owner) {
                return Err(Status::Taken);
            }
            self.free_all(|it| it == owner);
        }
        self.lines[line as usize].owner = Some(client);
        Ok(())
    }

    fn release(&mut self, client: Client, line: u32) -> Result<(), Status> {
        self.mine(client, line)?;
        self.free(line as usize);
        Ok(())
    }

    fn input(&mut self, client: Client, line: u32) -> Result<(), Status> {
        self.mine(client, line)?;
        self.bank.input(line);
        Ok(())
    }

    fn drive(&mut self, client: Client, line: u32, level: Level) -> Result<(), Status> {
        self.mine(client, line)?;
        self.bank.drive(line, level);
        Ok(())
    }

    fn level(&mut self, client: Client, line: u32) -> Result<Level, Status> {
        self.mine(client, line)?;
        Ok(self.bank.level(line))
    }

    fn driven(&mut self, client: Client, line: u32) -> Result<Option<Level>, Status> {
        self.mine(client, line)?;
        Ok(self.bank.driven(line))
    }

    fn watch(&mut self, client: Client, line: u32, trigger: Trigger, signal: Signal) -> Result<(), Status> {
        let mine = self.mine(client, line)?;
        (mine.signal, mine.watched, mine.happened) = (Some(signal), true, false);
        self.bank.watch(line, Some(trigger));
        Ok(())
    }

    fn happened(&mut self, client: Client, line: u32) -> Result<bool, Status> {
        Ok(self.mine(client, line)?.happened)
    }
}

/// Whether it is the same component, in this instance or another.
const fn is(one: Client, other: Client) -> bool {
    one.component() == other.component()
}

#[cfg(test)]
mod tests;
