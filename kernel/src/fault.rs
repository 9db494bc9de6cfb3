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
    let next = report(k, thread, fault.kind, message).unwrap_or_else(|| {
        log::warn!("a thread without fault handler stopped: {} at {:#x}", fault.kind.text(), message.pc);
        k.mem[thread].state = State::Faulted;
        Next::Schedule
    });
    k.finish(thread, next);
}

/// Sends a fault to the handler of a thread; `None` when it has none that listens.
fn report(k: &mut Kernel, thread: Ref<Thread>, kind: FaultKind, message: FaultMessage) -> Option<Next> {
    let (endpoint, badge) = k.fault_handler(thread)?;
    if k.mem[endpoint].gate != Gate::Open {
        return None;
    }
    k.mem[thread].fault = Some((kind, message));
    k.mem[thread].badge = badge;
    Some(k.send(thread, endpoint))
}

/// A thread used up its time, and its SchedContext says that this is a fault. Without a handler it waits for more.
pub fn timeout(k: &mut Kernel, thread: Ref<Thread>) {
    let message = FaultMessage { pc: k.mem[thread].context.pc, ..FaultMessage::default() };
    if let Some(next) = report(k, thread, FaultKind::Timeout, message) {
        k.finish(thread, next);
    }
}
