//! A controller with one namespace, as the specification has it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kit::dma::fake::{device_read, device_write};
use kit::fake::{Line, Registers};

const CAP: usize = 0x00;
const CC: usize = 0x14;
const CSTS: usize = 0x1c;
const AQA: usize = 0x24;
const ASQ: usize = 0x28;
const ACQ: usize = 0x30;

/// Invalid Field in Command, Invalid Queue Identifier, LBA Out of Range.
const INVALID_FIELD: u16 = 0x02;
const INVALID_QUEUE: u16 = 0x101;
const OUT_OF_RANGE: u16 = 0x80;

/// What a controller is, and how it misbehaves.
#[derive(Clone)]
pub struct Kind {
    /// It may reach memory.
    pub master: bool,
    pub entries: u64,
    pub stride: u64,
    /// Units of 500 ms.
    pub timeout: u64,
    pub nvm: bool,
    pub min_page: u64,
    /// CC and CSTS as they are found.
    pub found: (u64, u64),
    pub mdts: u8,
    pub cache: bool,
    pub blocks: u64,
    /// LBADS.
    pub power: u8,
    pub metadata: u16,
    pub protected: bool,
    /// It does not come to rest.
    pub restless: bool,
    /// It does not become ready.
    pub never_ready: bool,
    /// It sets CFS instead of becoming ready.
    pub fatal: bool,
    /// It does not answer this admin command.
    pub silent: Option<u8>,
    /// It refuses this admin command.
    pub refuses: Option<u8>,
    /// It gives another identifier than this admin command had.
    pub confuses: Option<u8>,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            master: false,
            entries: 2048,
            stride: 0,
            timeout: 2,
            nvm: true,
            min_page: 0,
            found: (0, 0),
            mdts: 7,
            cache: true,
            blocks: 8192,
            power: 9,
            metadata: 0,
            protected: false,
            restless: false,
            never_ready: false,
            fatal: false,
            silent: None,
            refuses: None,
            confuses: None,
        }
    }
}

/// A command as the controller fetched it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub opcode: u8,
    pub id: u16,
    pub namespace: u32,
    pub data: [u64; 2],
    pub first: u64,
    pub last: u32,
}

impl Fetched {
    fn new(entry: &[u8; 64]) -> Self {
        let dword = |index: usize| u32::from_le_bytes(entry[index * 4..index * 4 + 4].try_into().unwrap());
        let wide = |index| u64::from(dword(index + 1)) << 32 | u64::from(dword(index));
        assert_eq!(dword(0) & 0xff00, 0, "neither fused nor a list of segments");
        assert!([2, 3, 4, 5, 13, 14, 15].iter().all(|&index| dword(index) == 0), "what is reserved is 0");
        Self {
            opcode: entry[0],
            id: (dword(0) >> 16) as u16,
            namespace: dword(1),
            data: [wide(6), wide(8)],
            first: wide(10),
            last: dword(12),
        }
    }
}

/// A submission queue and its completion queue.
#[derive(Default)]
struct Queue {
    submissions: (u64, u32),
    completions: (u64, u32),
    /// Of the submission queue: what was fetched.
    fetched: u32,
    /// Of the completion queue: what was posted, what the driver has taken, and the phase tag.
    posted: u32,
    taken: u32,
    phase: bool,
    /// It has posted what is not true.
    lies: bool,
}

impl Queue {
    fn new(completions: (u64, u32)) -> Self {
        Self { completions, phase: true, ..Self::default() }
    }

    fn fetch(&mut self, tail: u32) -> Vec<Fetched> {
        let (bus, entries) = self.submissions;
        assert!(tail < entries, "the tail {tail} of a queue of {entries} entries");
        let mut commands = Vec::new();
        while self.fetched != tail {
            let mut entry = [0; 64];
            device_read(bus + u64::from(self.fetched) * 64, &mut entry);
            commands.push(Fetched::new(&entry));
            self.fetched = (self.fetched + 1) % entries;
        }
        commands
    }

    fn post(&mut self, number: u16, head: u16, id: u16, status: u16) {
        let (bus, entries) = self.completions;
        if (self.posted + 1) % entries == self.taken {
            assert!(self.lies, "a completion without a place");
            return;
        }
        let mut entry = [0; 16];
        entry[8..10].copy_from_slice(&head.to_le_bytes());
        entry[10..12].copy_from_slice(&number.to_le_bytes());
        entry[12..14].copy_from_slice(&id.to_le_bytes());
        entry[14..].copy_from_slice(&(status << 1 | u16::from(self.phase)).to_le_bytes());
        device_write(bus + u64::from(self.posted) * 16, &entry);
        self.posted = (self.posted + 1) % entries;
        self.phase ^= self.posted == 0;
    }
}

struct State {
    kind: Kind,
    /// Admin, and I/O.
    queues: [Option<Queue>; 2],
    /// I/O commands that were fetched and are not done.
    pending: VecDeque<Fetched>,
    /// All I/O commands that were fetched.
    seen: Vec<Fetched>,
    medium: Vec<u8>,
    flushes: usize,
}

/// The test's side of a controller.
#[derive(Clone)]
pub struct Device {
    pub registers: Registers,
    pub line: Line,
    state: Rc<RefCell<State>>,
}

impl Device {
    /// A controller that was not touched yet. Block n of its medium begins with n, in four bytes.
    pub fn new(kind: Kind) -> Self {
        let mut medium = vec![0; (kind.blocks.min(1 << 16) as usize) << kind.power.min(12)];
        for (number, block) in medium.chunks_mut(1 << kind.power.clamp(9, 12)).enumerate() {
            block[..4].copy_from_slice(&(number as u32).to_le_bytes());
        }
        let cap = (kind.entries - 1)
            | 1 << 16
            | kind.timeout << 24
            | kind.stride << 32
            | u64::from(kind.nvm) << 37
            | kind.min_page << 48;
        let (cc, csts) = kind.found;
        let stride = 4 << kind.stride;
        let queues = [None, None];
        let state = State { kind, queues, pending: VecDeque::new(), seen: Vec::new(), medium, flushes: 0 };
        let state = Rc::new(RefCell::new(state));
        let on = |with: fn(&mut State, &Registers, u64)| {
            let state = state.clone();
            move |device: &Registers, value| with(&mut state.borrow_mut(), device, value)
        };
        let registers = Registers::new(0x1000 + 4 * stride)
            .read_only(CAP, cap)
            .read_write(CC, cc)
            .on_write(CC, on(State::configure))
            .read_only(CSTS, csts)
            .write_only(AQA)
            .write_only(ASQ)
            .write_only(ACQ)
            .on_write(0x1000, on(|state, _, tail| state.admin(tail as u32)))
            .on_write(0x1000 + stride, on(|state, _, head| state.taken(0, head as u32)))
            .on_write(0x1000 + 2 * stride, on(|state, _, tail| state.fetch(tail as u32)))
            .on_write(0x1000 + 3 * stride, on(|state, _, head| state.taken(1, head as u32)));
        let registers = [CAP, ASQ, ACQ].into_iter().fold(registers, |registers, at| registers.width_of(at, 8));
        let of_line = state.clone();
        let line = registers.line(move |_| {
            let Ok(state) = of_line.try_borrow() else { return false };
            state.queues.iter().flatten().any(|queue| queue.posted != queue.taken)
        });
        Self { registers, line, state }
    }

    /// Changes what it is, or how it misbehaves.
    pub fn change(&self, with: impl FnOnce(&mut Kind)) {
        with(&mut self.state.borrow_mut().kind);
    }

    /// Commands that were fetched and are not done.
    pub fn pending(&self) -> usize {
        self.state.borrow().pending.len()
    }

    /// The I/O commands that were fetched since this was last asked.
    pub fn seen(&self) -> Vec<Fetched> {
        core::mem::take(&mut self.state.borrow_mut().seen)
    }

    /// Carries out the commands it has, the last ones first.
    pub fn serve(&self) {
        while self.pending() > 0 {
            self.serve_one(self.pending() - 1);
        }
    }

    /// Carries out one of the commands it has.
    pub fn serve_one(&self, index: usize) {
        let mut state = self.state.borrow_mut();
        let Some(command) = state.pending.remove(index) else { return };
        let status = state.perform(&command);
        state.post(command.id, status);
        drop(state);
        self.update();
    }

    /// Ends the first command with a status.
    pub fn end(&self, status: u16) {
        let mut state = self.state.borrow_mut();
        let command = state.pending.pop_front().expect("a command");
        state.post(command.id, status);
        drop(state);
        self.update();
    }

    /// Posts a completion of its own making.
    pub fn claim(&self, number: u16, head: u16, id: u16) {
        let mut state = self.state.borrow_mut();
        if let Some(queue) = &mut state.queues[1] {
            queue.lies = true;
            queue.post(number, head, id, 0);
        }
        drop(state);
        self.update();
    }

    /// Bytes of the medium.
    pub fn medium(&self, offset: usize, count: usize) -> Vec<u8> {
        self.state.borrow().medium[offset..offset + count].to_vec()
    }

    /// How often it was told to flush.
    pub fn flushes(&self) -> usize {
        self.state.borrow().flushes
    }

    /// It is switched off.
    pub fn is_off(&self) -> bool {
        self.registers.get(CC) & 1 == 0
    }

    /// Every register reads as ones.
    pub fn remove(&self) {
        [CAP, CC, CSTS].into_iter().for_each(|at| self.registers.set(at, u64::MAX >> (if at == CAP { 0 } else { 32 })));
    }

    /// CSTS.CFS.
    pub fn fail(&self) {
        self.registers.set(CSTS, 0b11);
    }

    /// What it does that is no access of the driver's may change the line.
    fn update(&self) {
        self.registers.set(CSTS, self.registers.get(CSTS));
    }
}

impl State {
    fn configure(&mut self, registers: &Registers, value: u64) {
        let was = registers.get(CC);
        if registers.get(CSTS) == u64::from(u32::MAX) {
            return;
        }
        registers.set(CC, value);
        let (before, after) = (was & 1 != 0, value & 1 != 0);
        if after && !before {
            assert_eq!(registers.get(CSTS) & 1, 0, "it is switched on only when it is at rest");
            assert_eq!(value, 0x46_0001, "entries of 64 and 16 bytes, pages of 4 KiB, round robin");
            assert!(self.kind.master, "it is switched on when it may reach memory");
            self.begin(registers);
        }
        if !after {
            self.queues = [None, None];
            self.pending.clear();
            if !self.kind.restless {
                registers.set(CSTS, 0);
            }
        }
    }

    fn begin(&mut self, registers: &Registers) {
        let sizes = registers.get(AQA) as u32;
        let (submissions, completions) = (registers.get(ASQ), registers.get(ACQ));
        assert!(submissions.is_multiple_of(4096) && completions.is_multiple_of(4096), "queues begin at a page");
        let queue = Queue::new((completions, (sizes >> 16) + 1));
        self.queues[0] = Some(Queue { submissions: (submissions, (sizes & 0xfff) + 1), ..queue });
        registers.set(CSTS, if self.kind.fatal { 0b10 } else { u64::from(!self.kind.never_ready) });
    }

    fn taken(&mut self, queue: usize, head: u32) {
        let queue = self.queues[queue].as_mut().expect("a queue");
        assert!(head < queue.completions.1, "the head {head}");
        queue.taken = head;
    }

    fn admin(&mut self, tail: u32) {
        let mut commands = self.queues[0].as_mut().expect("admin queues").fetch(tail);
        commands.retain(|command| Some(command.opcode) != self.kind.silent);
        for command in &commands {
            let refused = self.kind.refuses == Some(command.opcode);
            let status = if refused { INVALID_FIELD } else { self.answer(command) };
            let id = command.id ^ u16::from(self.kind.confuses == Some(command.opcode));
            let queue = self.queues[0].as_mut().expect("admin queues");
            queue.post(0, queue.fetched as u16, id, status);
        }
    }

    fn answer(&mut self, command: &Fetched) -> u16 {
        let number = command.first as u16;
        let entries = (command.first as u32 >> 16) + 1;
        match (command.opcode, number) {
            // Identify.
            (0x06, 0 | 1) => {
                let page = if number == 1 { self.controller() } else { self.namespace(command.namespace) };
                assert_eq!((command.data[0] % 4096, command.data[1]), (0, 0));
                device_write(command.data[0], &page);
                0
            }
            // Set Features, Number of Queues.
            (0x09, 7) if self.queues[1].is_none() => 0,
            // Create I/O Completion Queue: contiguous, interrupts, vector 0.
            (0x05, 1) if u64::from(entries) <= self.kind.entries && command.first >> 32 == 0b11 => {
                self.queues[1] = Some(Queue::new((command.data[0], entries)));
                0
            }
            // Create I/O Submission Queue: contiguous, of completion queue 1.
            (0x01, 1) if u64::from(entries) <= self.kind.entries && command.first >> 32 == 1 << 16 | 1 => {
                let Some(queue) = &mut self.queues[1] else { return INVALID_QUEUE };
                queue.submissions = (command.data[0], entries);
                0
            }
            _ => INVALID_FIELD,
        }
    }

    fn controller(&self) -> Vec<u8> {
        let mut page = vec![0; 4096];
        (page[77], page[512], page[513], page[516], page[525]) =
            (self.kind.mdts, 0x66, 0x44, 1, self.kind.cache.into());
        page
    }

    fn namespace(&self, number: u32) -> Vec<u8> {
        let mut page = vec![0; 4096];
        if number == 1 {
            page[..8].copy_from_slice(&self.kind.blocks.to_le_bytes());
            page[8..16].copy_from_slice(&self.kind.blocks.to_le_bytes());
            // Three formats, of which the last is in use.
            (page[25], page[26], page[99]) = (2, 2, self.kind.protected.into());
            page[128..132].copy_from_slice(&[8, 0, 9, 0]);
            page[132..136].copy_from_slice(&[0, 0, 30, 0]);
            page[136..138].copy_from_slice(&self.kind.metadata.to_le_bytes());
            page[138] = self.kind.power;
        }
        page
    }

    fn fetch(&mut self, tail: u32) {
        let commands = self.queues[1].as_mut().expect("I/O queues").fetch(tail);
        for command in &commands {
            let again = self.pending.iter().any(|pending| pending.id == command.id);
            assert!(!again, "the identifier {} for two commands", command.id);
        }
        self.pending.extend(commands.iter().cloned());
        self.seen.extend(commands);
    }

    fn post(&mut self, id: u16, status: u16) {
        let queue = self.queues[1].as_mut().expect("I/O queues");
        queue.post(1, queue.fetched as u16, id, status);
    }

    fn perform(&mut self, command: &Fetched) -> u16 {
        assert_eq!(command.namespace, 1);
        if command.opcode == 0 {
            self.flushes += 1;
            return 0;
        }
        let (start, bytes) =
            ((command.first as usize) << self.kind.power, (command.last as usize + 1) << self.kind.power);
        if (1..32).contains(&self.kind.mdts) && bytes > 4096 << self.kind.mdts {
            return INVALID_FIELD;
        }
        let Some(medium) = self.medium.get_mut(start..start + bytes) else { return OUT_OF_RANGE };
        let mut rest = medium;
        for (bus, bytes) in pages(command.data, bytes) {
            let (part, others) = rest.split_at_mut(bytes);
            match command.opcode {
                1 => device_read(bus, part),
                2 => device_write(bus, part),
                _ => return INVALID_FIELD,
            }
            rest = others;
        }
        0
    }
}

/// The pieces of memory that PRP1 and PRP2 name (4.3).
fn pages([first, second]: [u64; 2], bytes: usize) -> Vec<(u64, usize)> {
    assert!(first.is_multiple_of(4));
    let part = bytes.min(4096 - first as usize % 4096);
    let mut pieces = vec![(first, part)];
    let rest = bytes - part;
    if rest > 4096 {
        let count = rest.div_ceil(4096);
        assert!(second.is_multiple_of(8) && second as usize % 4096 + 8 * count <= 4096, "a list that leaves its page");
        let entry = |index: usize| {
            let mut entry = [0; 8];
            device_read(second + 8 * index as u64, &mut entry);
            u64::from_le_bytes(entry)
        };
        pieces.extend((0..count).map(|index| (entry(index), (rest - index * 4096).min(4096))));
    } else if rest > 0 {
        pieces.push((second, rest));
    }
    assert!(pieces[1..].iter().all(|(bus, _)| bus.is_multiple_of(4096)), "later pages begin where pages begin");
    pieces
}
