//! How a card is identified: which command follows which answer (SD Physical Layer Simplified Specification 6.00, 4.2).

use ipc::block::SECTOR;

use crate::card::{Card, Status};
use crate::command::{Answer, Command};
use crate::failure::Failure;

/// How often a card is asked whether its initialisation has ended, a millisecond apart: it has a second. (4.2.3)
const PATIENCE: u32 = 1000;
/// Busy, which is 0 while the initialisation goes on. (5.1)
const ENDED: u32 = 1 << 31;
/// Card Capacity Status.
const BY_BLOCKS: u32 = 1 << 30;
/// 2.7 to 3.6 V.
const VOLTAGES: u32 = 0x00ff_8000;
/// Errors in what R6 has of the card status: the other two are of the command before. (4.9.5)
const ADDRESS_ERROR: u32 = 1 << 13;

/// What the card is asked, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Idle,
    Interface,
    /// The next one is Operate.
    BeforeOperate,
    Operate,
    Cid,
    Address,
    Csd,
    Select,
    BlockLength,
    /// The next one is Width.
    BeforeWidth,
    Width,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next question.
    Ask,
    /// The next question, after a millisecond.
    Pause,
    /// None: the card takes transfers.
    Done,
}

/// A card that is being identified.
#[derive(Clone, Copy, Debug)]
pub struct Identification {
    question: Question,
    /// It knows SEND_IF_COND: version 2 or later.
    second: bool,
    /// So many data lines lead to it: four or one.
    four_bits: bool,
    asked: u32,
    /// Its relative card address.
    pub address: u16,
    /// What it says that it is.
    pub card: Card,
}

impl Identification {
    /// From the start.
    pub fn new(four_bits: bool) -> Self {
        let card = Card::default();
        Self { question: Question::Idle, second: false, four_bits, asked: 0, address: 0, card }
    }

    /// The command that stands next.
    pub const fn command(&self) -> Command {
        match self.question {
            Question::Idle => Command::idle(),
            Question::Interface => Command::interface(),
            Question::BeforeOperate | Question::BeforeWidth => Command::application(self.address),
            Question::Operate => Command::operate(self.second),
            Question::Cid => Command::send_cid(),
            Question::Address => Command::send_address(),
            Question::Csd => Command::send_csd(self.address),
            Question::Select => Command::select(self.address),
            Question::BlockLength => Command::block_length(SECTOR as u32),
            Question::Width => Command::four_bits(),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self.question {
            Question::Idle => "GO_IDLE_STATE",
            Question::Interface => "SEND_IF_COND",
            Question::BeforeOperate | Question::BeforeWidth => "APP_CMD",
            Question::Operate => "SD_SEND_OP_COND",
            Question::Cid => "ALL_SEND_CID",
            Question::Address => "SEND_RELATIVE_ADDR",
            Question::Csd => "SEND_CSD",
            Question::Select => "SELECT_CARD",
            Question::BlockLength => "SET_BLOCKLEN",
            Question::Width => "SET_BUS_WIDTH",
        }
    }

    /// Whether the card may be silent: one of version 1 does not know the question. (4.2.2)
    pub fn may_be_silent(&self) -> bool {
        self.question == Question::Interface
    }

    /// It was silent, where it may be.
    pub const fn skip(&mut self) {
        self.question = Question::BeforeOperate;
    }

    /// Whether the answer is a long one.
    pub fn is_long(&self) -> bool {
        self.command().answer == Answer::Long
    }

    /// Takes in CID or CSD.
    ///
    /// # Errors
    /// It cannot be.
    pub fn hear_long(&mut self, register: u128) -> Result<Next, Failure> {
        if self.question == Question::Cid {
            self.card.cid = register;
            self.question = Question::Address;
        } else {
            self.card.add_csd(register)?;
            self.question = Question::Select;
        }
        Ok(Next::Ask)
    }

    /// Takes in any other answer.
    ///
    /// # Errors
    /// The card refuses, or cannot be driven.
    pub fn hear(&mut self, answer: u32) -> Result<Next, Failure> {
        self.question = match self.question {
            Question::Idle => Question::Interface,
            Question::Interface if answer & 0xfff != 0x1aa => return Err(Failure::Echo(answer)),
            Question::Interface => {
                self.second = true;
                Question::BeforeOperate
            }
            Question::BeforeOperate => Question::Operate,
            Question::Operate => return self.operates(answer),
            Question::Address => self.addressed(answer)?,
            Question::Select => {
                self.check(answer)?;
                if self.card.by_blocks { Question::BeforeWidth } else { Question::BlockLength }
            }
            Question::BlockLength => {
                self.check(answer)?;
                Question::BeforeWidth
            }
            Question::BeforeWidth => {
                self.check(answer)?;
                Question::Width
            }
            Question::Width => {
                self.check(answer)?;
                return Ok(Next::Done);
            }
            // Their answers are long.
            Question::Cid | Question::Csd => self.question,
        };
        if self.question == Question::BeforeWidth && !self.four_bits { Ok(Next::Done) } else { Ok(Next::Ask) }
    }

    fn operates(&mut self, ocr: u32) -> Result<Next, Failure> {
        if ocr & VOLTAGES == 0 {
            return Err(Failure::CardVoltage(ocr));
        }
        if ocr & ENDED != 0 {
            self.card.by_blocks = self.second && ocr & BY_BLOCKS != 0;
            self.question = Question::Cid;
            return Ok(Next::Ask);
        }
        self.asked += 1;
        self.question = Question::BeforeOperate;
        if self.asked < PATIENCE { Ok(Next::Pause) } else { Err(Failure::NotReady) }
    }

    fn addressed(&mut self, answer: u32) -> Result<Question, Failure> {
        if answer & ADDRESS_ERROR != 0 {
            return Err(Failure::Refused(self.name(), answer & 0xffff));
        }
        self.address = (answer >> 16) as u16;
        if self.address == 0 { Err(Failure::Address) } else { Ok(Question::Csd) }
    }

    fn check(&self, answer: u32) -> Result<(), Failure> {
        let status = Status(answer);
        match status.errors() {
            _ if status.is_locked() => Err(Failure::Locked),
            0 => Ok(()),
            errors => Err(Failure::Refused(self.name(), errors)),
        }
    }
}
