//! A controller with one card. Its phases are those of the silicon, which QEMU leaves out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kit::fake::{Line, Registers};
use sd::fake::{Card, Response};

const COMMAND: usize = 0x00;
const ARGUMENT: usize = 0x04;
const DIVIDER: usize = 0x0c;
const RESPONSE: usize = 0x10;
pub const STATUS: usize = 0x20;
const POWER: usize = 0x30;
const DEBUG: usize = 0x34;
const CONFIG: usize = 0x38;
const BLOCK_BYTES: usize = 0x3c;
const DATA: usize = 0x40;
const BLOCKS: usize = 0x50;

const IDENTIFY: u64 = 0;
const DATA_MODE: u64 = 1;
const READS: u64 = 2;
const WRITES: u64 = 3;
const READ_WAIT: u64 = 4;
const WRITE_START: u64 = 10;
/// The driver must not take this for rest.
const WRITE_CHECKSUM: u64 = 6;

const NO_ANSWER: u64 = 0x40;
const CHECKSUM: u64 = 0x20;
const ANSWER_CHECKSUM: u64 = 0x10;
const BUSY: u64 = 0x400;
const BLOCK: u64 = 0x200;

/// What controller and card are, and how they misbehave.
#[derive(Clone)]
pub struct Kind {
    pub card: sd::fake::Kind,
    pub present: bool,
    /// Words that come, or go, between two looks at the FIFO.
    pub speed: usize,
    /// The card does not answer this command.
    pub silent: Option<u8>,
    /// The controller does not end this command.
    pub mute: Option<u8>,
    /// Transfers that end with this error, and how many.
    pub errors: (u64, u32),
    /// Transfers of which no data comes.
    pub hangs: u32,
    /// The controller stays in this phase.
    pub stuck: Option<u64>,
}

impl Default for Kind {
    fn default() -> Self {
        let card = sd::fake::Kind::default();
        Self { card, present: true, speed: 16, silent: None, mute: None, errors: (0, 0), hangs: 0, stuck: None }
    }
}

struct State {
    kind: Kind,
    card: Card,
    commands: Vec<(u8, u32)>,
    phase: u64,
    /// The rest of SDEDM.
    limits: u64,
    fifo: VecDeque<u32>,
    /// Where in the medium the transfer is, and how many bytes are to come, or to go.
    place: usize,
    left: usize,
    write: bool,
    /// No data comes or goes.
    hangs: bool,
}

/// The test's side of them.
#[derive(Clone)]
pub struct Device {
    pub registers: Registers,
    pub line: Line,
    state: Rc<RefCell<State>>,
}

impl Device {
    /// A controller that was not touched yet.
    pub fn new(kind: Kind) -> Self {
        let card = Card::new(kind.card.sectors);
        let state = Rc::new(RefCell::new(State {
            kind,
            card,
            commands: Vec::new(),
            phase: IDENTIFY,
            limits: 0xc600,
            fifo: VecDeque::new(),
            place: 0,
            left: 0,
            write: false,
            hangs: false,
        }));
        let on = |with: fn(&mut State, &Registers, u64)| {
            let state = state.clone();
            move |device: &Registers, value| with(&mut state.borrow_mut(), device, value)
        };
        let reads = |with: fn(&mut State, &Registers) -> u64| {
            let state = state.clone();
            move |device: &Registers| with(&mut state.borrow_mut(), device)
        };
        let mut registers = Registers::new(0x100)
            .read_only(COMMAND, 0)
            .on_write(COMMAND, on(State::command))
            .write_only(ARGUMENT)
            .write_only(0x08)
            .write_only(DIVIDER)
            .read_only(STATUS, 0)
            .on_read(STATUS, reads(|state, device| device.get(STATUS) | state.flag()))
            .on_write(STATUS, |device, ones| device.set(STATUS, device.get(STATUS) & !ones))
            .write_only(POWER)
            .read_only(DEBUG, 0)
            .on_read(DEBUG, reads(State::debug))
            .on_write(DEBUG, on(|state, _, value| state.force(value)))
            .write_only(CONFIG)
            .write_only(BLOCK_BYTES)
            .on_read(DATA, reads(|state, _| state.fifo.pop_front().expect("the FIFO has a word").into()))
            .on_write(
                DATA,
                on(|state, _, value| {
                    assert!(state.fifo.len() < 16, "the FIFO has room");
                    state.fifo.push_back(value as u32);
                }),
            )
            .write_only(BLOCKS);
        for word in 0..4 {
            registers = registers.read_only(RESPONSE + 4 * word, 0);
        }
        let flags = state.clone();
        let line = registers.line(move |device| {
            let (status, config) = (device.get(STATUS), device.get(CONFIG));
            // In the middle of a command there is no data yet.
            let data = flags.try_borrow().is_ok_and(|state| state.flag() != 0) && config & 1 << 4 != 0;
            data || status & BUSY != 0 && config & BUSY != 0 || status & BLOCK != 0 && config & 1 << 8 != 0
        });
        Self { registers, line, state }
    }

    /// Changes what they are, or how they misbehave.
    pub fn change(&self, with: impl FnOnce(&mut Kind)) {
        with(&mut self.state.borrow_mut().kind);
    }

    /// The commands since this was last asked, with their arguments.
    pub fn commands(&self) -> Vec<(u8, u32)> {
        core::mem::take(&mut self.state.borrow_mut().commands)
    }

    /// Bytes of the medium.
    pub fn medium(&self, offset: usize, count: usize) -> Vec<u8> {
        self.state.borrow().card.medium[offset..offset + count].to_vec()
    }

    /// Every register reads as ones.
    pub fn remove(self) -> Registers {
        let ones = u64::from(u32::MAX);
        [COMMAND, STATUS, DEBUG, DATA]
            .iter()
            .fold(self.registers, |registers, &at| registers.on_read(at, move |_| ones))
    }
}

impl State {
    /// There is data, or room for it.
    fn flag(&self) -> u64 {
        let moves = matches!(self.phase, READS | READ_WAIT | WRITES) && !self.hangs && self.kind.speed > 0;
        let ready = if self.write { self.fifo.len() < 16 && self.left > 4 * self.fifo.len() } else { self.left > 0 };
        u64::from(moves && (ready || !self.write && !self.fifo.is_empty()))
    }

    /// What the silicon does between two looks.
    fn debug(&mut self, device: &Registers) -> u64 {
        let words = if self.hangs { 0 } else { self.kind.speed };
        for _ in 0..words {
            if self.left == 0 {
                break;
            }
            let bytes = &mut self.card.medium[self.place..self.place + 4];
            if self.write {
                let Some(word) = self.fifo.pop_front() else { break };
                bytes.copy_from_slice(&word.to_le_bytes());
            } else if self.fifo.len() < 16 {
                self.fifo.push_back(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            } else {
                break;
            }
            (self.place, self.left) = (self.place + 4, self.left - 4);
            if self.write && self.left.is_multiple_of(512) {
                device.set(STATUS, device.get(STATUS) | BLOCK);
            }
        }
        let level = self.fifo.len() as u64;
        let seen = self.phase;
        if self.left == 0 {
            self.phase = match self.phase {
                READS => READ_WAIT,
                // The last checksum takes a look.
                WRITES => WRITE_CHECKSUM,
                WRITE_CHECKSUM => WRITE_START,
                phase => phase,
            };
        }
        self.kind.stuck.unwrap_or(seen) | level << 4 | self.limits
    }

    fn force(&mut self, value: u64) {
        if value & 1 << 19 != 0 && matches!(self.phase, READ_WAIT | WRITE_START) {
            self.phase = DATA_MODE;
        }
        self.limits = value & 0x3ff << 9;
        assert_eq!(self.limits >> 9, 4 << 5 | 4, "the limits of the FIFO");
    }

    fn command(&mut self, device: &Registers, value: u64) {
        if value & 1 << 15 == 0 {
            // A reset.
            (self.phase, self.left, self.hangs) = (IDENTIFY, 0, false);
            self.fifo.clear();
            return device.set(COMMAND, 0);
        }
        assert_eq!(device.get(COMMAND) & 1 << 15, 0, "the one before is done");
        let (index, argument) = ((value & 0x3f) as u8, device.get(ARGUMENT) as u32);
        assert_eq!(device.get(POWER), 1, "the card has power");
        let limit = if self.card.at < 3 { 400_000 } else { 25_000_000 };
        assert!(500_000_000 / (device.get(DIVIDER) + 2) <= limit, "the clock of CMD{index}");
        assert_eq!(device.get(CONFIG) & 0b1010, 0b1010, "words, and one divider for all");
        self.commands.push((index, argument));
        let failed = self.perform(device, index, argument, value);
        let mute = self.kind.mute == Some(index);
        device.set(COMMAND, value & !(1 << 15) | u64::from(failed) << 14 | u64::from(mute) << 15);
    }

    fn perform(&mut self, device: &Registers, index: u8, argument: u32, value: u64) -> bool {
        let silent = self.kind.silent == Some(index) || !self.kind.present;
        let answer = if silent { None } else { self.card.command(&self.kind.card, index, argument) };
        let Some(answer) = answer else {
            self.card.miss();
            if index != 0 {
                device.set(STATUS, device.get(STATUS) | NO_ANSWER);
            }
            return index != 0;
        };
        let (kind, failed) = respond(device, answer);
        assert_eq!(value & 0xe00, kind, "the response of CMD{index}");
        if index == 12 {
            (self.phase, self.left, self.hangs) = (DATA_MODE, 0, false);
            self.fifo.clear();
        }
        if let 18 | 25 = index {
            self.transfer(device, index == 25, argument, value);
        }
        failed
    }

    fn transfer(&mut self, device: &Registers, write: bool, argument: u32, value: u64) {
        assert_eq!(value & 0xc0, if write { 0x80 } else { 0x40 });
        assert_eq!(device.get(CONFIG) & 0b100 != 0, self.card.four_bits, "both have as many data lines");
        let (size, count) = (device.get(BLOCK_BYTES) as usize, device.get(BLOCKS) as usize);
        assert!(size == 512 && (1..512).contains(&count), "{count} blocks of {size} bytes");
        self.card.begin(write);
        self.write = write;
        self.phase = if write { WRITES } else { READS };
        let (start, end) = (self.kind.card.place(argument), self.card.medium.len());
        if start + size * count > end {
            return device.set(RESPONSE, 1 << 31);
        }
        (self.place, self.left) = (start, size * count);
        if self.kind.hangs > 0 {
            self.kind.hangs -= 1;
            self.hangs = true;
        }
        if self.kind.errors.1 > 0 {
            self.kind.errors.1 -= 1;
            self.hangs = true;
            // It is told of with what ends a block.
            device.set(STATUS, device.get(STATUS) | self.kind.errors.0 | BLOCK);
        }
    }
}

/// Puts an answer where the driver finds it; what it was to ask for, and whether the controller takes it for wrong: an answer without a
/// checksum is.
fn respond(device: &Registers, answer: Response) -> (u64, bool) {
    match answer {
        Response::Short(word) | Response::Bare(word) | Response::Busy(word) => device.set(RESPONSE, word.into()),
        Response::Long(register) => {
            let register = register | 0xa5;
            (0..4).for_each(|word| device.set(RESPONSE + 4 * word, (register >> (32 * word)) as u64 & 0xffff_ffff));
        }
    }
    match answer {
        Response::Short(_) => (0, false),
        Response::Bare(_) => {
            device.set(STATUS, device.get(STATUS) | ANSWER_CHECKSUM);
            (0, true)
        }
        Response::Busy(_) => {
            device.set(STATUS, device.get(STATUS) | BUSY);
            (0x800, false)
        }
        Response::Long(_) => (0x200, false),
    }
}

/// Errors of data: a checksum, a time-out, the FIFO.
pub const DATA_ERRORS: [u64; 3] = [CHECKSUM, 0x80, 0x08];
