//! Faults of user threads: a message to the handler the thread was given.

use abi::{FaultKind, FaultMessage};

use crate::kernel::{Kernel, Next};
use crate::mm::Ref;
use crate::object::{Gate, State, Thread};

/// What the machine says of an exception in user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// FAR_EL1, where it means something.
    pub address: u64,
    /// ESR_EL1.
    pub syndrome: u64,
}

/// Tells the handler of the current thread, which waits for the answer. Without a handler it stops.
pub fn handle(k: &mut Kernel, thread: Ref<Thread>, fault: Fault) {
    let context = &k.mem[thread].context;
    let message = FaultMessage {
        pc: context.pc,
        address: fault.address,
        syndrome: fault.syndrome,
        sp: context.sp,
        fp: context.x[29],
        lr: context.x[30],
    };
    let next = match k.fault_handler(thread) {
        Some((endpoint, badge)) if k.mem[endpoint].gate == Gate::Open => {
            k.mem[thread].fault = Some((fault.kind, message));
            k.mem[thread].badge = badge;
            k.send(thread, endpoint)
        }
        _ => {
            log::warn!("a thread without fault handler stopped: {} at {:#x}", fault.kind.text(), message.pc);
            k.mem[thread].state = State::Faulted;
            Next::Schedule
        }
    };
    k.finish(thread, next);
}
