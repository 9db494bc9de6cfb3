//! Asks the kernel for anything: random operations, slots and arguments from a seeded generator. What would end it or
//! make it wait for ever is left out; all else is allowed, and the system must not notice.
#![cfg_attr(target_os = "none", no_std, no_main)]

use abi::{InWord, Op, Slots};
use agent::{Registers, svc};
use rt::{ErrorCode, NOTIFICATION, THREAD};

rt::entry!(run);

/// Calls in all.
const CALLS: u32 = 20_000;

fn run(env: &'static rt::Env) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut accepted, mut errors) = (0, [0u32; 256]);
    let table = env.start_info().table_slots;
    for _ in 0..CALLS {
        let x = random.call(table);
        match svc(&x)[8] as u8 {
            0 => accepted += 1,
            status => errors[usize::from(status)] += 1,
        }
    }
    let kinds = errors.iter().filter(|&&count| count > 0).count();
    log::info!("conformance-random: {CALLS} calls, {accepted} accepted, {kinds} kinds of refusal");
    let none = errors[ErrorCode::ALL.len() + 1..].iter().sum::<u32>();
    if none > 0 {
        log::error!("conformance broken: {none} refusals without a meaning");
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A slot: mostly one of the table, sometimes just outside or far away.
    fn slot(&mut self, table: u32) -> u32 {
        match self.below(16) {
            0 => self.next() as u32,
            1 => table.wrapping_sub(1).wrapping_add(self.below(3) as u32),
            2..=6 => self.below(16) as u32,
            _ => self.free_slot(table),
        }
    }

    /// One of those that the program does not need.
    fn free_slot(&mut self, table: u32) -> u32 {
        16 + self.below(table.saturating_sub(16).into()) as u32
    }

    fn word(&mut self, table: u32) -> u64 {
        match self.below(8) {
            0 => self.next(),
            1 => 1 << self.below(64),
            2 => (1u64 << self.below(64)).wrapping_neg(),
            3 => self.below(0x10_0000_0000) & !0xfff,
            4 => self.below(20),
            _ => self.slot(table).into(),
        }
    }

    fn call(&mut self, table: u32) -> Registers {
        let mut x: Registers = core::array::from_fn(|_| self.word(table));
        let number = match self.below(8) {
            0 => self.next() as u8,
            _ => Op::ALL[self.below(Op::ALL.len() as u64) as usize] as u8,
        };
        x[8] = self.next() & !0xff | u64::from(number);
        if self.below(2) == 0 {
            // The ordinary case: few words, no capabilities.
            x[8] = InWord::new(number, self.below(9) as u8, 0, self.next() as u32).0;
        }
        x[9] = Slots::new(self.slot(table), self.slot(table)).0;
        if let Some(op) = Op::from_number(number) {
            self.tame(op, &mut x, table);
        }
        x
    }

    /// Keeps the program alive and awake.
    fn tame(&mut self, op: Op, x: &mut Registers, table: u32) {
        let target = Slots(x[9]).target();
        match op {
            // Whoever waits here is woken by bits that are there already; an endpoint of its own refuses it.
            Op::Receive | Op::ReplyReceive | Op::Wait => {
                let _ = THREAD.bind(NOTIFICATION);
                let _ = rt::Cap::<rt::Notification>::from_slot(target).signal(1);
                let _ = NOTIFICATION.signal(1);
            }
            Op::Call => drop(rt::Cap::<rt::Endpoint>::from_slot(target).close(1)),
            Op::Delete | Op::Revoke | Op::Copy => x[0] = self.free_slot(table).into(),
            Op::Move => (x[0], x[2]) = (self.free_slot(table).into(), self.free_slot(table).into()),
            Op::Retype => {
                x[9] = Slots::new(if self.below(4) == 0 { target } else { abi::SLOT_MEMORY }, 0).0;
                (x[0], x[1], x[2]) = (self.below(24), self.below(6), self.below(14));
                (x[3], x[4]) = (abi::SLOT_TABLE.into(), self.free_slot(table).into());
                x[5] = if self.below(8) == 0 { x[5] } else { 0 };
            }
            _ => {}
        }
    }
}
