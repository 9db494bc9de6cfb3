//! Tests of the operations, by object: what each returns, and each error it lists.

mod destruction;
mod devices;
mod faults;
mod fpu;
mod growing;
mod interrupts;
mod lookup;
mod message_interrupts;
mod messages;
mod notifications;
mod reserves;
mod scheduling;
mod spaces;
mod tables;
mod threads;
mod time;
mod timers;
mod traces;
mod untyped;

use abi::{ErrorCode, Kind, Op, OutWord, Rights, SyscallError};

use super::step::{Event, Step};
use super::{Bed, Message, Outcome};
use crate::mm::Ref;
use crate::object::{State, Thread};

/// Init's table, as an argument.
const TABLE: u64 = abi::SLOT_TABLE as u64;
/// Init's memory.
const MEMORY: u32 = abi::SLOT_INIT_MEMORY;
/// Init's slots of the client's and the server's objects.
const CLIENT: u32 = 50;
const SERVER: u32 = 60;
/// Init's slot of the Endpoint between them, and their own slots for it.
const ENDPOINT: u32 = 70;
const DOOR: u32 = 10;
/// Own slots of every process.
const REPLY: u32 = abi::SLOT_REPLY;
/// First slot of the receive window.
const WINDOW: u32 = 24;

/// Moves the process at these slots to core 1, where it runs then, beside init on core 0.
fn run_on_core_1(bed: &mut Bed, process: u32) {
    let (time, control) = (process + 5, abi::SLOT_SCHED_CONTROL + 1);
    bed.ok(Op::SchedUnbind, time, &[]);
    bed.ok(Op::SchedConfigure, control, &[time.into(), 1, 1, 0]);
    bed.ok(Op::SchedBind, time, &[(process + 2).into()]);
    bed.take(&Step::from(Event::Look).on(1));
    assert_eq!(bed.k.sched.current(), bed.cap(bed.init, process + 2).object_of());
    bed.take(&Step::from(Event::Look).on(0));
    assert_eq!(bed.k.sched.current(), Some(bed.init));
}

/// A client that may call and a server that may receive.
struct Pair {
    bed: Bed,
    client: Ref<Thread>,
    server: Ref<Thread>,
}

impl Pair {
    fn new() -> Self {
        let mut bed = Bed::new();
        bed.make(Kind::Endpoint, 0, ENDPOINT);
        let client = bed.process(MEMORY, CLIENT, 100, 0);
        let server = bed.process(MEMORY, SERVER, 100, 0);
        bed.give(CLIENT, DOOR, ENDPOINT, Rights::SEND | Rights::GRANT, 0x77 << 40);
        bed.give(SERVER, DOOR, ENDPOINT, Rights::RECEIVE, 0);
        Self { bed, client, server }
    }

    #[track_caller]
    fn call(&mut self, message: Message) -> Outcome {
        self.bed.ipc(self.client, abi::Op::Call, DOOR, 0, message)
    }

    #[track_caller]
    fn receive(&mut self) -> Outcome {
        self.bed.ipc(self.server, abi::Op::Receive, DOOR, REPLY, Message::default())
    }

    #[track_caller]
    fn reply(&mut self, message: Message) -> Outcome {
        self.bed.ipc(self.server, abi::Op::Reply, REPLY, 0, message)
    }

    #[track_caller]
    fn reply_receive(&mut self, message: Message) -> Outcome {
        self.bed.ipc(self.server, abi::Op::ReplyReceive, DOOR, REPLY, message)
    }

    fn state(&self, thread: Ref<Thread>) -> State {
        self.bed.k.mem[thread].state
    }

    /// The call was taken and waits for its answer.
    fn taken() -> Self {
        let mut pair = Self::new();
        assert_eq!(pair.receive(), Outcome::Blocked);
        assert_eq!(pair.call(Message::default()), Outcome::Blocked);
        assert!(matches!(pair.state(pair.client), State::AwaitingReply(_)));
        pair
    }
}

fn words(values: &[u64]) -> Message {
    let mut regs = [0; 8];
    regs[..values.len()].copy_from_slice(values);
    Message { words: values.len() as u8, regs, ..Message::default() }
}

#[track_caller]
fn returned(outcome: Outcome) -> ([u64; 8], OutWord, u64) {
    match outcome {
        Outcome::Returned(words, out, badge) => (words, out, badge),
        Outcome::Blocked => panic!("blocked"),
    }
}

/// What a message system call was refused with, or what it ended with.
#[track_caller]
fn error(outcome: Outcome) -> SyscallError {
    returned(outcome).1.status().expect_err("an error")
}

fn refusal(code: ErrorCode, detail: u8) -> SyscallError {
    SyscallError::new(code, detail)
}
