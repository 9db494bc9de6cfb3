//! A controller with one card, as the specifications have them.

use std::cell::RefCell;
use std::rc::Rc;

use kit::dma::fake::{device_read, device_write};
use kit::fake::{Line, Registers};
use sd::fake::{Card, Response};

const STATE: usize = 0x24;
const CONTROL: usize = 0x28;
const CLOCK: usize = 0x2c;
const EVENTS: usize = 0x30;
const ENABLED: usize = 0x34;
const SIGNALLED: usize = 0x38;

const COMMAND_DONE: u64 = 1;
const TRANSFER_DONE: u64 = 1 << 1;
/// Command Timeout, Data CRC, ADMA.
const TIMEOUT: u64 = 1 << 16;
pub const DATA_CRC: u64 = 1 << 21;
const ADMA: u64 = 1 << 25;

/// What controller and card are, and how they misbehave.
#[derive(Clone)]
pub struct Kind {
    pub capabilities: u64,
    pub version: u64,
    pub present: bool,
    pub writable: bool,
    pub cid: u128,
    /// The card knows CMD8.
    pub second: bool,
    /// CCS.
    pub by_blocks: bool,
    /// It replaces the CSD.
    pub csd: Option<u128>,
    pub sectors: u64,
    /// ACMD41 says so often that the card is not ready.
    pub slow: u32,
    pub echo: u32,
    /// The card does not answer this command.
    pub silent: Option<u8>,
    /// The controller tells nothing of this command.
    pub mute: Option<u8>,
    /// The status with which the card answers each R1.
    pub status: u32,
    /// Transfers that end with this error, and how many.
    pub errors: (u64, u32),
    /// Transfers that the controller does not end.
    pub hangs: u32,
    /// A reset does not end.
    pub stuck: bool,
    /// The internal clock does not become stable.
    pub unstable: bool,
    /// Bits of Present State that are always there.
    pub state: u64,
    /// Events that no write clears.
    pub sticky: u64,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            // 100 MHz, ADMA2, 3.3 V, 64 bits.
            capabilities: 100 << 8 | 1 << 19 | 1 << 24 | 1 << 28,
            version: 2,
            present: true,
            writable: true,
            cid: 0x1234_5678_9abc << 8,
            second: true,
            by_blocks: true,
            csd: None,
            sectors: 8192,
            slow: 3,
            echo: 0x1aa,
            silent: None,
            mute: None,
            status: 0,
            errors: (0, 0),
            hangs: 0,
            stuck: false,
            unstable: false,
            state: 0,
            sticky: 0,
        }
    }
}

impl Kind {
    fn card(&self) -> sd::fake::Kind {
        let &Self { cid, second, by_blocks, csd, sectors, slow, echo, status, .. } = self;
        sd::fake::Kind { cid, second, by_blocks, csd, sectors, slow, echo, status }
    }
}

struct State {
    kind: Kind,
    card: Card,
    commands: Vec<(u8, u32)>,
}

/// The test's side of them.
#[derive(Clone)]
pub struct Device {
    pub registers: Registers,
    pub line: Line,
    state: Rc<RefCell<State>>,
}

impl Device {
    /// A controller that was not touched yet. Sector n of its card begins with n, in four bytes.
    pub fn new(kind: Kind) -> Self {
        let card = Card::new(kind.sectors);
        let (capabilities, version) = (kind.capabilities, kind.version << 16);
        let state = State { kind, card, commands: Vec::new() };
        let state = Rc::new(RefCell::new(state));
        let on = |with: fn(&mut State, &Registers, u64)| {
            let state = state.clone();
            move |device: &Registers, value| with(&mut state.borrow_mut(), device, value)
        };
        let present = state.clone();
        let registers = Registers::new(0x100)
            .write_only(0x04)
            .write_only(0x08)
            .on_write(0x0c, on(|state, device, value| state.command(device, value as u32)))
            .read_only(0x10, 0)
            .read_only(0x14, 0)
            .read_only(0x18, 0)
            .read_only(0x1c, 0)
            .read_only(STATE, 0)
            .on_read(STATE, move |device| device.get(STATE) | present.borrow().present())
            .write_only(CONTROL)
            .read_write(CLOCK, 0)
            .on_write(CLOCK, on(State::clock))
            .read_only(EVENTS, 0)
            .on_write(
                EVENTS,
                on(|state, device, ones| device.set(EVENTS, device.get(EVENTS) & (!ones | state.kind.sticky))),
            )
            .write_only(ENABLED)
            .write_only(SIGNALLED)
            .read_only(0x40, capabilities)
            .write_only(0x58)
            .write_only(0x5c)
            .read_only(0xfc, version);
        let line = registers.line(|device| device.get(EVENTS) & device.get(SIGNALLED) != 0);
        Self { registers, line, state }
    }

    /// Changes what they are, or how they misbehave.
    pub fn change(&self, with: impl FnOnce(&mut Kind)) {
        with(&mut self.state.borrow_mut().kind);
    }

    /// The card is taken out, or put in.
    pub fn insert(&self, present: bool) {
        let mut state = self.state.borrow_mut();
        (state.kind.present, state.card.at) = (present, 0);
        drop(state);
        self.raise(if present { 1 << 6 } else { 1 << 7 });
    }

    /// Tells of this.
    pub fn raise(&self, events: u64) {
        self.registers.set(EVENTS, self.registers.get(EVENTS) | events & self.registers.get(ENABLED));
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
    pub fn remove(&self) {
        let ones = u64::from(u32::MAX);
        [0x10, 0x14, 0x18, 0x1c, STATE, CLOCK, EVENTS, 0x40, 0xfc].iter().for_each(|&at| self.registers.set(at, ones));
        self.change(|kind| (kind.stuck, kind.sticky) = (true, ones));
    }
}

impl State {
    fn present(&self) -> u64 {
        let card = if self.kind.present { 1 << 16 } else { 0 };
        card | 1 << 17 | u64::from(self.kind.writable) << 19 | self.kind.state
    }

    fn clock(&mut self, device: &Registers, value: u64) {
        let gone = device.get(CLOCK) == u64::from(u32::MAX);
        if gone {
            return;
        }
        if value & 1 << 24 != 0 {
            [CONTROL, ENABLED, SIGNALLED].iter().for_each(|&at| device.set(at, 0));
            device.set(EVENTS, device.get(EVENTS) & self.kind.sticky);
        }
        let stable = if value & 1 != 0 && !self.kind.unstable { 0b10 } else { 0 };
        let resets = if self.kind.stuck { value & 7 << 24 } else { 0 };
        device.set(CLOCK, value & 0xf_ffc5 | stable | resets);
        if stable != 0 && value & 0b100 != 0 {
            let divider = (value >> 8 & 0xff) | (value >> 6 & 3) << 8;
            let limit = if self.card.at < 3 { 400_000 } else { 25_000_000 };
            assert!(divider > 0 && 100_000_000 / (2 * divider) <= limit, "the divider {divider} is too small");
        }
    }

    fn command(&mut self, device: &Registers, value: u32) {
        let (index, argument) = ((value >> 24) as u8 & 0x3f, device.get(0x08) as u32);
        assert_eq!(device.get(CLOCK) & 0b111, 0b111, "the card has a clock");
        assert_eq!(device.get(CONTROL) & 0xf00, 0xf00, "the card has 3.3 V");
        self.commands.push((index, argument));
        let events = if self.kind.mute == Some(index) { 0 } else { self.perform(device, index, argument, value) };
        device.set(EVENTS, device.get(EVENTS) | events & device.get(ENABLED));
    }

    fn perform(&mut self, device: &Registers, index: u8, argument: u32, value: u32) -> u64 {
        let silent = self.kind.silent == Some(index) || !self.kind.present;
        let card = self.kind.card();
        let answer = if silent { None } else { self.card.command(&card, index, argument) };
        let Some(answer) = answer else {
            self.card.miss();
            return if index == 0 { COMMAND_DONE } else { TIMEOUT };
        };
        assert_eq!(value >> 16 & 0x1f, respond(device, answer), "the response of CMD{index}");
        match (index, answer) {
            (18 | 25, _) => self.transfer(device, index == 25, argument, value),
            (_, Response::Busy(_)) => COMMAND_DONE | TRANSFER_DONE,
            _ => COMMAND_DONE,
        }
    }

    fn transfer(&mut self, device: &Registers, write: bool, argument: u32, value: u32) -> u64 {
        let direction = if write { 0 } else { 1 << 4 };
        assert_eq!(value & 0xffff, 0b10_0111 | direction, "DMA, counted, Auto CMD12, several blocks");
        assert_eq!(device.get(CONTROL) & 0b10 != 0, self.card.four_bits, "both have as many data lines");
        if self.kind.hangs > 0 {
            self.kind.hangs -= 1;
            self.card.begin(write);
            return COMMAND_DONE;
        }
        if self.kind.errors.1 > 0 {
            self.kind.errors.1 -= 1;
            self.card.begin(write);
            return COMMAND_DONE | self.kind.errors.0;
        }
        let (size, count) = (device.get(0x04) as usize & 0xfff, device.get(0x04) as usize >> 16);
        let start = self.kind.card().place(argument);
        let wide = device.get(CONTROL) >> 3 & 3 == 3;
        let end = self.card.medium.len();
        let Some(medium) = self.card.medium.get_mut(start..start + size * count) else {
            device.set(0x10, 1 << 31);
            return COMMAND_DONE | TRANSFER_DONE;
        };
        let mut rest = medium;
        for (bus, bytes) in descriptors(device.get(0x58) | if wide { device.get(0x5c) << 32 } else { 0 }, wide) {
            let Some((part, others)) = rest.split_at_mut_checked(bytes) else { return COMMAND_DONE | ADMA };
            if write {
                device_read(bus, part)
            } else {
                device_write(bus, part)
            }
            rest = others;
        }
        // Behind its last block the card says that it is out of range. (4.3.3)
        device.set(0x1c, u64::from(start + size * count == end) << 31);
        if rest.is_empty() { COMMAND_DONE | TRANSFER_DONE } else { COMMAND_DONE | ADMA }
    }
}

/// Puts an answer where the driver finds it; its type, with the checks that it can have. (2.2.6)
fn respond(device: &Registers, answer: Response) -> u32 {
    match answer {
        Response::Short(answer) | Response::Bare(answer) | Response::Busy(answer) => device.set(0x10, answer.into()),
        Response::Long(register) => {
            (0..4).for_each(|word| device.set(0x10 + 4 * word, (register >> 8 >> (32 * word)) as u64 & 0xffff_ffff));
        }
    }
    match answer {
        Response::Short(_) => 0b1_1010,
        Response::Bare(_) => 0b0_0010,
        Response::Busy(_) => 0b1_1011,
        Response::Long(_) => 0b0_1001,
    }
}

/// What an ADMA2 list names. (1.13.4)
fn descriptors(table: u64, wide: bool) -> Vec<(u64, usize)> {
    assert!(table.is_multiple_of(4));
    let mut pieces = Vec::new();
    for index in 0..1000 {
        let mut entry = [0; 12];
        let size = if wide { 12 } else { 8 };
        device_read(table + index * size as u64, &mut entry[..size]);
        let (attributes, length) = (entry[0], u16::from_le_bytes([entry[2], entry[3]]));
        assert_eq!(attributes & !2, 0x21, "valid, and moves data");
        let mut bus = [0; 8];
        bus.copy_from_slice(&entry[4..]);
        pieces.push((u64::from_le_bytes(bus), if length == 0 { 65536 } else { length.into() }));
        if attributes & 2 != 0 {
            return pieces;
        }
    }
    panic!("a list without an end");
}
