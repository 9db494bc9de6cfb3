//! A slot: its controller, and the card in it, from the reset to the transfer and back after errors (SD Host Controller
//! Simplified Specification 3.00, 3, whose order serves any controller).
//!
//! Nothing here waits. [`Slot::step`] goes on as far as controller and card have come, and [`Slot::wait`] is told of the time
//! that passes.

use core::time::Duration;

use crate::card::{Card, Status};
use crate::command::{Command, Data};
use crate::failure::Failure;
use crate::host::{Events, FAST, Host, SLOW};
use crate::identify::{Identification, Next};
use crate::wiring::Wiring;

/// How often it is looked at while it is reset and the card identified.
pub const TICK: Duration = Duration::from_millis(1);
/// How often it is looked at while it moves data.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Ticks that a reset may take, and the internal clock. (3.2.1 has 150 ms for this)
const RESET_TICKS: u32 = 150;
/// Ticks until it is clear whether there is a card. The specification does not say; this is the driver's own.
const SETTLE_TICKS: u32 = 1000;
/// Ticks that a command may take, with all of the time that a card is busy. This is the driver's own.
const COMMAND_TICKS: u32 = 1000;
/// Periods that a transfer may take. This is the driver's own.
const TRANSFER_PERIODS: u32 = 10;
/// How often a card is asked whether it has written what it was given.
const CHECKS: u32 = 10_000;
/// How often a card is identified anew before one transfer has succeeded.
const RESTARTS: u32 = 3;
/// Interrupts in which nothing has happened, one behind the other.
const NOISE: u32 = 10_000;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The controller was reset.
    Resetting,
    /// It is not clear yet whether there is a card.
    Settling,
    /// The internal clock was started.
    Clocking,
    /// The card has got power and a clock.
    Powering,
    /// The card was asked something.
    Asking,
    /// The card is asked again at the next tick.
    Pausing,
    /// The clock was made faster.
    Speeding,
    /// The card takes a transfer.
    Ready,
    /// Data is moved.
    Moving,
    /// After an error: the card was told to end the transfer, whether it has one or not.
    Stopping,
    /// The card was asked how it is: after a transfer to it that went well so far, or after an error.
    Checking { well: bool },
    /// There is no card, or none that can be used.
    Empty,
    /// The controller is not used any more. `rests`: nor does it use memory.
    Off { rests: bool },
}

/// What came of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has not come any further.
    Waits,
    /// It has.
    Goes,
    /// The transfer is done.
    Moved,
    /// The card takes a transfer: the one that was under way was not done.
    Ready,
}

/// A slot and its card.
#[derive(Debug)]
pub struct Slot<H> {
    host: H,
    wiring: Wiring,
    phase: Phase,
    /// Ticks, or periods, until the phase has taken too long.
    left: u32,
    /// What has happened since the command.
    seen: Events,
    identification: Identification,
    /// The card that was there first.
    card: Option<Card>,
    way: Data,
    restarts: u32,
    /// Interrupts in which nothing has happened.
    idle: u32,
    failure: Option<Failure>,
}

impl<H: Host> Slot<H> {
    /// The slot of this controller, in whatever state.
    pub fn new(host: H, wiring: Wiring) -> Self {
        let mut slot = Self {
            host,
            wiring,
            phase: Phase::Resetting,
            left: 0,
            seen: Events::default(),
            identification: Identification::new(wiring.four_bits),
            card: None,
            way: Data::Read,
            restarts: 0,
            idle: 0,
            failure: None,
        };
        slot.reset();
        slot
    }

    /// The card that was there first; none before it was identified.
    pub fn card(&self) -> Card {
        self.card.unwrap_or_default()
    }

    /// The card must not be written: it says so, or its switch.
    pub fn is_protected(&self) -> bool {
        self.card().protected || self.wiring.write_switch && !self.host.is_writable()
    }

    /// The card takes a transfer.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// There is no card that can be used; nothing is waited for but another one.
    pub fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// The controller is not used any more.
    pub const fn is_off(&self) -> bool {
        matches!(self.phase, Phase::Off { .. })
    }

    /// It does not use memory, and will not.
    pub const fn rests(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Empty | Phase::Off { rests: true })
    }

    /// Why the card, or the controller, is not used.
    pub const fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// After how long it is to be looked at.
    pub fn patience(&self) -> Option<Duration> {
        match self.phase {
            Phase::Ready | Phase::Empty | Phase::Off { .. } => None,
            Phase::Moving => Some(PERIOD),
            _ => Some(TICK),
        }
    }

    /// Begins a transfer of `bytes` bytes from `offset` in the data on, and from this sector of the card's on. It is
    /// [`Self::is_ready`]. `false`: the controller does not reach the memory.
    pub fn move_data(&mut self, way: Data, sector: u64, data: &H::Data, offset: usize, bytes: usize) -> bool {
        if !self.host.describe(data, offset, bytes) {
            return false;
        }
        self.way = way;
        let command = Command::transfer(way, self.identification.card.place(sector));
        self.send(&command, Phase::Moving, TRANSFER_PERIODS);
        true
    }

    /// An interrupt came. One that comes again and again without a cause is not waited for.
    pub fn interrupted(&mut self) {
        if self.is_off() {
            return;
        }
        match self.host.take() {
            Ok(events) => {
                self.idle = if events.progress { 0 } else { self.idle + 1 };
                self.seen.add(events);
            }
            Err(failure) => self.fail(failure),
        }
        if self.idle > NOISE {
            self.fail(Failure::Noise);
        }
    }

    /// The time of [`Self::patience`] has passed.
    pub fn wait(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.expire(),
        }
        if self.phase == Phase::Pausing {
            self.ask();
        }
    }

    fn expire(&mut self) {
        match self.phase {
            Phase::Resetting => self.fail(Failure::NotReset),
            Phase::Clocking | Phase::Speeding => self.fail(Failure::Clock),
            Phase::Settling => self.settled(),
            Phase::Powering => self.ask(),
            Phase::Asking => self.trouble(Failure::Unanswered(self.identification.name())),
            Phase::Stopping => self.restart(Failure::Unanswered("STOP_TRANSMISSION")),
            Phase::Checking { .. } => self.trouble(Failure::Unanswered("SEND_STATUS")),
            Phase::Moving => {
                log::warn!("a transfer took more than {} s", PERIOD.as_secs() * u64::from(TRANSFER_PERIODS));
                self.trouble(Failure::Unanswered("a transfer"));
            }
            Phase::Pausing | Phase::Ready | Phase::Empty | Phase::Off { .. } => {}
        }
    }

    /// Goes on by one step, if it can.
    pub fn step(&mut self) -> Step {
        let before = (self.phase, self.identification.name());
        let step = self.advance().unwrap_or_else(|failure| {
            self.fail(failure);
            Step::Goes
        });
        if step != Step::Waits && before != (self.phase, self.identification.name()) {
            self.idle = 0;
        }
        step
    }

    fn advance(&mut self) -> Result<Step, Failure> {
        if self.is_off() {
            return Ok(Step::Waits);
        }
        self.seen.add(self.host.take()?);
        match self.phase {
            Phase::Resetting if !self.host.is_resetting() => self.enter(Phase::Settling, SETTLE_TICKS),
            // A tick at least: a controller that changes its mind is not asked without end.
            Phase::Settling if self.host.is_settled() && self.left.saturating_add(H::OFF_TICKS) <= SETTLE_TICKS => {
                self.settled()
            }
            Phase::Clocking if self.host.is_stable() => {
                self.host.power(false);
                self.host.clock_card();
                self.enter(Phase::Powering, H::POWER_TICKS);
            }
            Phase::Speeding if self.host.is_stable() => {
                self.host.clock_card();
                return self.identified();
            }
            Phase::Empty if !self.has_card() => {
                // What was wrong with the one that was there is over.
                self.failure = Some(Failure::NoCard);
                return Ok(Step::Waits);
            }
            Phase::Empty if self.failure == Some(Failure::NoCard) => self.begin(),
            Phase::Asking
            | Phase::Stopping
            | Phase::Checking { .. }
            | Phase::Moving
            | Phase::Ready
            | Phase::Pausing
                if !self.has_card() =>
            {
                log::warn!("the card was removed");
                self.begin();
            }
            Phase::Asking => return self.hear(),
            Phase::Moving => return Ok(self.moves()),
            Phase::Stopping => return Ok(self.stops()),
            Phase::Checking { well } => return Ok(self.checks(well)),
            _ => return Ok(Step::Waits),
        }
        Ok(Step::Goes)
    }

    fn has_card(&self) -> bool {
        !self.wiring.card_detect || self.host.has_card()
    }

    fn enter(&mut self, phase: Phase, left: u32) {
        if phase == Phase::Settling {
            self.host.listen();
        }
        (self.phase, self.left) = (phase, left);
    }

    fn reset(&mut self) {
        self.host.reset();
        self.seen = Events::default();
        self.enter(Phase::Resetting, RESET_TICKS);
    }

    /// From the reset on, for a card that is new or gone.
    fn begin(&mut self) {
        self.restarts = 0;
        self.failure = None;
        self.reset();
    }

    /// It is clear whether there is a card.
    fn settled(&mut self) {
        if self.has_card() {
            self.host.start_clock(SLOW);
            self.identification = Identification::new(self.wiring.four_bits);
            self.enter(Phase::Clocking, RESET_TICKS);
        } else {
            self.fail(Failure::NoCard);
        }
    }

    fn send(&mut self, command: &Command, phase: Phase, left: u32) {
        self.seen = Events::default();
        match self.host.send(command) {
            Ok(()) => self.enter(phase, left),
            Err(failure) => self.restart(failure),
        }
    }

    fn ask(&mut self) {
        let command = self.identification.command();
        self.send(&command, Phase::Asking, COMMAND_TICKS);
    }

    /// Whether the card has answered, and what.
    fn hear(&mut self) -> Result<Step, Failure> {
        let (silent, name) = (self.identification.may_be_silent(), self.identification.name());
        if self.seen.errors != 0 {
            let rests = self.host.clear_lines();
            if silent && rests {
                self.identification.skip();
                self.ask();
            } else {
                self.trouble(Failure::Unanswered(name));
            }
            return Ok(Step::Goes);
        }
        if !self.seen.is_done(self.identification.command().uses_data()) {
            return Ok(Step::Waits);
        }
        let next = match self.identification.is_long() {
            true => self.identification.hear_long(self.host.long_answer())?,
            false => self.identification.hear(self.host.answer())?,
        };
        match next {
            Next::Ask => self.ask(),
            Next::Pause => self.enter(Phase::Pausing, 0),
            Next::Done => {
                self.host.power(self.wiring.four_bits);
                self.host.start_clock(FAST);
                self.enter(Phase::Speeding, RESET_TICKS);
            }
        }
        Ok(Step::Goes)
    }

    /// The card takes transfers, if it is the one that was there first.
    fn identified(&mut self) -> Result<Step, Failure> {
        let found = self.identification.card;
        if *self.card.get_or_insert(found) != found {
            return Err(Failure::Changed);
        }
        self.failure = None;
        self.phase = Phase::Ready;
        Ok(Step::Ready)
    }

    /// Whether the transfer is done.
    fn moves(&mut self) -> Step {
        if self.seen.errors != 0 {
            self.trouble(Failure::Refused("a transfer", self.seen.errors));
            return Step::Goes;
        }
        if !self.seen.is_done(true) {
            return Step::Waits;
        }
        let (first, last) = (Status(self.host.answer()), Status(self.host.answer_at_end()));
        let errors = first.errors() | last.errors_at_end();
        if errors != 0 {
            self.trouble(Failure::Refused("a transfer", errors));
            return Step::Goes;
        }
        if self.way == Data::Write {
            self.check(true);
            return Step::Goes;
        }
        self.moved()
    }

    fn moved(&mut self) -> Step {
        self.restarts = 0;
        self.phase = Phase::Ready;
        Step::Moved
    }

    fn check(&mut self, well: bool) {
        let command = Command::send_status(self.identification.address);
        self.send(&command, Phase::Checking { well }, CHECKS);
    }

    /// Whether the card has said how it is, and takes a transfer again.
    fn checks(&mut self, well: bool) -> Step {
        let failed = self.seen.errors != 0;
        if !failed && !self.seen.is_done(false) {
            return Step::Waits;
        }
        let status = Status(self.host.answer());
        if failed || well && status.errors_at_end() != 0 || self.left == 0 {
            self.trouble(Failure::Unanswered("SEND_STATUS"));
        } else if status.is_ready() {
            return if well {
                self.moved()
            } else {
                self.phase = Phase::Ready;
                Step::Ready
            };
        } else {
            let left = self.left - 1;
            self.check(well);
            self.left = self.left.min(left);
        }
        Step::Goes
    }

    /// Whether the card has ended what it had: if it had nothing, it does not answer.
    fn stops(&mut self) -> Step {
        if self.seen.errors == 0 && !self.seen.is_done(true) {
            return Step::Waits;
        }
        if self.host.clear_lines() {
            self.check(false);
        } else {
            self.restart(Failure::NotReset);
        }
        Step::Goes
    }

    /// An error or no answer: the lines are reset and the card is told to end what it has (3.10.1); where that is what failed,
    /// all begins anew.
    fn trouble(&mut self, failure: Failure) {
        if matches!(self.phase, Phase::Moving | Phase::Checking { well: true }) {
            log::debug!("{failure}");
            if self.host.clear_lines() {
                self.send(&Command::stop(), Phase::Stopping, COMMAND_TICKS);
                return;
            }
        }
        self.restart(failure);
    }

    /// All begins anew, unless it did so too often.
    fn restart(&mut self, failure: Failure) {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            self.fail(failure);
        } else {
            log::debug!("{failure}; the controller is reset");
            self.reset();
        }
    }

    /// Does without the card or, if that is what failed, the controller.
    fn fail(&mut self, failure: Failure) {
        if self.card.is_some() && failure != Failure::NoCard {
            log::error!("{failure}; it is not used any more");
        }
        self.failure = Some(failure);
        if !failure.is_of_card() {
            let rests = failure != Failure::Gone && self.host.reset_now();
            self.phase = Phase::Off { rests };
        } else if self.host.clear_lines() {
            self.phase = Phase::Empty;
        } else {
            self.fail(Failure::NotReset);
        }
    }
}
