//! The controller as a whole: how it is switched off, and on, and asked what it is (NVM Express 1.4, 7.3.2 and 7.6.1).
//!
//! Nothing here waits. [`Controller::advance`] goes on as far as the controller has come, and [`Controller::wait`] is told of the
//! time that passes.

use core::time::Duration;

use kit::dma::{self, Memory, Space};
use kit::mmio::*;

use crate::command::{self, About, Command};
use crate::failure::Failure;
use crate::identity::Identity;
use crate::queue::{COMPLETION_SHIFT, ENTRIES, Pair};
use crate::registers::{AQA, CAP, CC, CSTS, Registers};

/// How often it is looked at while it is switched off and on.
pub const TICK: Duration = Duration::from_millis(1);

/// Entries of the admin queues, of which one command is under way at a time.
const ADMIN_ENTRIES: u16 = 16;
/// How long an admin command may take, in ticks. The specification does not say; this is the driver's own.
const ADMIN_TICKS: u32 = 5_000;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It was found while somebody had just switched it on: not until it is ready may it be switched off. (3.1.5, EN)
    Settling,
    /// It was switched off, and is not at rest yet.
    Stopping,
    /// It is at rest, and may not be switched on yet.
    Resting,
    /// It was switched on, and is not ready yet.
    Starting,
    /// It was asked something.
    Asking(Question),
    /// It takes commands.
    Ready,
    /// It is not used any more.
    Off,
}

/// What it is asked, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Controller,
    Namespace,
    Queues,
    CompletionQueue,
    SubmissionQueue,
}

impl Question {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Controller => Some(Self::Namespace),
            Self::Namespace => Some(Self::Queues),
            Self::Queues => Some(Self::CompletionQueue),
            Self::CompletionQueue => Some(Self::SubmissionQueue),
            Self::SubmissionQueue => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Controller => "Identify of the controller",
            Self::Namespace => "Identify of namespace 1",
            Self::Queues => "Set Features, Number of Queues",
            Self::CompletionQueue => "Create I/O Completion Queue",
            Self::SubmissionQueue => "Create I/O Submission Queue",
        }
    }
}

/// What came of one look.
enum Step {
    /// It has not come any further.
    Waits,
    /// It has.
    Goes,
    /// It has come to rest: it has nothing of what it was given, and no longer reaches memory.
    Rests,
}

/// A controller with its admin queues and one pair of I/O queues.
#[derive(Debug)]
pub struct Controller {
    registers: Registers,
    admin: Pair,
    /// The I/O queues.
    pub io: Pair,
    /// Where it says what it is.
    page: Memory,
    /// The longest time in which it becomes ready, or ceases to be, in ticks.
    timeout: u32,
    phase: Phase,
    /// Ticks until the phase has taken too long.
    left: u32,
    /// What it is: the same for as long as it is used.
    identity: Identity,
    /// What it says since it was switched on.
    draft: Identity,
    /// It may reach memory.
    master: bool,
    /// It was ready once.
    known: bool,
    failure: Option<Failure>,
}

impl Controller {
    /// The controller behind these registers, in whatever state. It comes to rest, and is switched on when it may reach memory.
    ///
    /// # Errors
    /// It cannot be driven; no memory.
    pub fn new(mmio: &Mmio, space: Space) -> Result<Self, Failure> {
        let registers = Registers::new(mmio)?;
        let cap = registers.cap.extract();
        if cap.get() == u64::MAX {
            return Err(Failure::Gone);
        }
        if !cap.is_set(CAP::NVM) {
            return Err(Failure::CommandSet);
        }
        if cap.read(CAP::MPSMIN) != 0 {
            return Err(Failure::PageSize(cap.read(CAP::MPSMIN) as u32));
        }
        let entries = cap.read(CAP::MQES).saturating_add(1).min(ENTRIES.into()) as u16;
        if entries < 2 {
            return Err(Failure::Entries);
        }
        let stride = 4 << cap.read(CAP::DSTRD);
        let timeout = 500 * (cap.read(CAP::TO) as u32).max(1);
        Ok(Self {
            phase: if registers.cc.is_set(CC::EN) { Phase::Settling } else { Phase::Stopping },
            registers,
            admin: Pair::new(mmio, space, 0, ADMIN_ENTRIES, stride)?,
            io: Pair::new(mmio, space, 1, entries, stride)?,
            page: Memory::consistent(space, 1)?,
            timeout,
            left: timeout,
            identity: Identity::default(),
            draft: Identity::default(),
            master: false,
            known: false,
            failure: None,
        })
    }

    /// It is at rest: it has nothing of what others gave it, and may reach memory now.
    pub fn is_resting(&self) -> bool {
        self.phase == Phase::Resting
    }

    /// It may reach memory.
    pub fn set_master(&mut self) {
        self.master = true;
    }

    /// It takes commands.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// It is not used any more, and nothing is waited for.
    pub fn is_off(&self) -> bool {
        self.phase == Phase::Off
    }

    /// Why it is not used any more.
    pub const fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// What it is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it says of itself that it is there and can go on.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), Failure> {
        let status = self.registers.csts.extract();
        match status.get() {
            u32::MAX => Err(Failure::Gone),
            _ if status.is_set(CSTS::CFS) => Err(Failure::Fatal),
            _ => Ok(()),
        }
    }

    /// Switches it off, to be switched on again.
    pub fn reset(&mut self) {
        self.registers.cc.modify(CC::EN::CLEAR);
        (self.phase, self.left) = (Phase::Stopping, self.timeout);
    }

    /// Switches it off for good. What is not there, or does not come to rest, is left alone.
    pub fn fail(&mut self, failure: Failure) {
        if self.failure.is_none() && self.known {
            log::error!("{failure}; it is not used any more");
        }
        self.failure.get_or_insert(failure);
        match failure {
            Failure::Gone | Failure::NotStopped => self.phase = Phase::Off,
            _ => self.reset(),
        }
    }

    /// Goes on as far as it has come. `true`: it came to rest meanwhile.
    pub fn advance(&mut self) -> bool {
        let mut rested = false;
        loop {
            match self.step() {
                Ok(Step::Waits) => return rested,
                Ok(Step::Goes) => {}
                Ok(Step::Rests) => rested = true,
                Err(failure) => self.fail(failure),
            }
        }
    }

    /// A [`TICK`] has passed. `true`: it came to rest meanwhile.
    pub fn wait(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.expire(),
        }
        self.advance()
    }

    fn expire(&mut self) {
        match self.phase {
            Phase::Settling => self.reset(),
            Phase::Stopping => self.fail(Failure::NotStopped),
            Phase::Starting => self.fail(Failure::NotReady),
            Phase::Asking(question) => self.fail(Failure::Unanswered(question.name())),
            Phase::Resting | Phase::Ready | Phase::Off => {}
        }
    }

    fn step(&mut self) -> Result<Step, Failure> {
        if matches!(self.phase, Phase::Ready | Phase::Off) {
            return Ok(Step::Waits);
        }
        let status = self.registers.csts.extract();
        let (ready, fatal) = (status.is_set(CSTS::RDY), status.is_set(CSTS::CFS));
        match self.phase {
            _ if status.get() == u32::MAX => Err(Failure::Gone),
            Phase::Resting if self.master => {
                self.switch_on();
                Ok(Step::Goes)
            }
            Phase::Settling if ready || fatal => {
                self.reset();
                Ok(Step::Goes)
            }
            Phase::Stopping if !ready => {
                self.rest();
                Ok(Step::Rests)
            }
            Phase::Starting | Phase::Asking(_) if fatal => Err(Failure::Fatal),
            Phase::Starting if ready => {
                self.ask(Question::Controller);
                Ok(Step::Goes)
            }
            Phase::Asking(question) => self.hear(question),
            _ => Ok(Step::Waits),
        }
    }

    fn rest(&mut self) {
        self.admin.reset();
        self.io.reset();
        self.phase = if self.failure.is_some() { Phase::Off } else { Phase::Resting };
    }

    fn switch_on(&mut self) {
        let last = u32::from(ADMIN_ENTRIES - 1);
        self.registers.aqa.write(AQA::ASQS.val(last) + AQA::ACQS.val(last));
        self.registers.asq.set(self.admin.submissions());
        self.registers.acq.set(self.admin.completions());
        dma::publish();
        self.registers.cc.write(CC::IOSQES.val(command::SHIFT) + CC::IOCQES.val(COMPLETION_SHIFT) + CC::EN::SET);
        (self.phase, self.left) = (Phase::Starting, self.timeout);
    }

    fn ask(&mut self, question: Question) {
        let (number, entries, page) = (1, self.io.entries(), self.page.bus());
        let command = match question {
            Question::Controller => Command::identify(About::Controller, page),
            Question::Namespace => Command::identify(About::Namespace, page),
            Question::Queues => Command::one_pair(),
            Question::CompletionQueue => Command::completion_queue(number, entries, self.io.completions()),
            Question::SubmissionQueue => Command::submission_queue(number, entries, self.io.submissions()),
        };
        self.admin.push(question as u16, &command);
        self.admin.ring();
        (self.phase, self.left) = (Phase::Asking(question), ADMIN_TICKS);
    }

    /// Whether it has answered, and what.
    fn hear(&mut self, question: Question) -> Result<Step, Failure> {
        let Some(answer) = self.admin.take().map_err(|_| Failure::Lie)? else { return Ok(Step::Waits) };
        self.admin.release();
        if answer.id != question as u16 {
            return Err(Failure::Lie);
        }
        if answer.status != 0 {
            return Err(Failure::Refused(question.name(), answer.status));
        }
        match question {
            Question::Controller => self.draft = Identity::of_controller(self.page.buffer()),
            Question::Namespace => self.meet()?,
            _ => {}
        }
        match question.next() {
            Some(next) => self.ask(next),
            None => {
                self.known = true;
                self.phase = Phase::Ready;
            }
        }
        Ok(Step::Goes)
    }

    /// Takes in what the namespace is: what it was, if it was known.
    fn meet(&mut self) -> Result<(), Failure> {
        self.draft.add_namespace(self.page.buffer())?;
        if self.known && self.draft != self.identity {
            return Err(Failure::Changed);
        }
        self.identity = self.draft;
        Ok(())
    }
}
