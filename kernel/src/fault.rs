//! Faults of user threads: a message to the handler the thread was given.

use core::fmt::Write;

use abi::{FaultKind, FaultMessage, trace::Event};

use crate::console::{Plain, byte};
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

/// The fault that a thread reports to its handler, or none. The fast path reports faults that are taken at once: of those only
/// the kind is written down.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of a [`FaultKind`]; 0: none.
    kind: u32,
    message: FaultMessage,
}

impl Report {
    /// Where the fast path finds the kind.
    pub const KIND: usize = core::mem::offset_of!(Report, kind);

    /// None.
    pub const fn none() -> Self {
        Self { kind: 0, message: FaultMessage { pc: 0, address: 0, syndrome: 0, sp: 0, fp: 0, lr: 0 } }
    }

    /// A fault.
    pub const fn new(kind: FaultKind, message: FaultMessage) -> Self {
        Self { kind: kind as u32, message }
    }

    /// There is none any more.
    pub const fn clear(&mut self) {
        self.kind = 0;
    }

    /// Whether there is one.
    pub const fn is_some(&self) -> bool {
        self.kind != 0
    }

    /// The fault.
    pub fn get(&self) -> Option<(FaultKind, FaultMessage)> {
        FaultKind::from_number(self.kind).map(|kind| (kind, self.message))
    }
}

/// A data access found no translation at an address: a Reserve gives the current thread a page there, or it is a fault.
#[inline]
pub fn untranslated(k: &mut Kernel, thread: Ref<Thread>, address: u64, fault: impl FnOnce() -> Fault) {
    match k.first_touch(thread, address) {
        Ok(true) => {}
        Ok(false) => handle(k, thread, fault()),
        Err(kind) => handle(k, thread, Fault { kind, ..fault() }),
    }
}

/// A bus error came while this thread ran: the device or the thread is at fault, not the kernel. It does not come again, so its
/// thread is told though the core was stopped meanwhile, unless it does not run here any more.
pub fn bus_error(k: &mut Kernel, thread: Option<Ref<Thread>>, syndrome: u64) {
    match thread.filter(|_| k.sched.current() == thread) {
        Some(thread) => handle(k, thread, Fault { kind: FaultKind::Bus, address: 0, syndrome }),
        None => log::warn!("a bus error of a thread that was stopped meanwhile: syndrome {syndrome:#x}"),
    }
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
    k.trace(Event::Fault, thread.number() | (fault.kind as u64) << 32, message.pc);
    let next = report(k, thread, fault.kind, message).unwrap_or_else(|| {
        log::warn!("a thread without fault handler stopped: {} at {:#x}", Plain(fault.kind.text()), message.pc);
        if k.mem[thread].ceiling == ROOT {
            root_died(k, fault.kind, &message);
        }
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
    k.mem[thread].fault = Report::new(kind, message);
    k.mem[thread].badge = badge;
    Some(k.send(thread, endpoint))
}

/// A thread used up its time, and its SchedContext says that this is a fault. Without a handler it waits for more.
pub fn timeout(k: &mut Kernel, thread: Ref<Thread>) {
    let message = FaultMessage { pc: k.mem[thread].context.pc, ..FaultMessage::default() };
    k.trace(Event::Fault, thread.number() | (FaultKind::Timeout as u64) << 32, message.pc);
    if let Some(next) = report(k, thread, FaultKind::Timeout, message) {
        k.finish(thread, next);
    }
}

/// The ceiling that tells init's threads from all others: it gives none of them away.
const ROOT: u8 = u8::MAX;

/// Without init nothing is started, ended or logged any more, and nobody is left to say so: a line on the early console,
/// whoever drives it meanwhile, then power off. Where there is no firmware the others go on until they need init.
fn root_died(k: &mut Kernel, kind: FaultKind, message: &FaultMessage) {
    let FaultMessage { pc, lr, address, syndrome, .. } = *message;
    let what = Plain(kind.text());
    // In the words of a crash report, so that xtask finds names for the addresses.
    let _ = writeln!(
        Early(k),
        "\nkernel: init died, the system ends: {what}; init backtrace: #0 {pc:#x} #1 {lr:#x}, \
         address {address:#x}, syndrome {syndrome:#x}"
    );
    k.machine.power_off();
}

/// The early console.
struct Early<'k>(&'k mut Kernel);

impl Write for Early<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.machine.print(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> core::fmt::Result {
        self.0.machine.print(&[byte(character)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::SYSTEM_OFF;
    use crate::testbed::Bed;

    const FAULT: Fault = Fault { kind: FaultKind::Read, address: 0x1234, syndrome: 0x9200_0004 };

    #[test]
    fn the_end_of_init_is_one_line_and_power_off() {
        let mut bed = Bed::new();
        let init = bed.init;
        handle(&mut bed.k, init, FAULT);
        let line = String::from_utf8_lossy(&bed.k.machine.printed).into_owned();
        assert!(line.starts_with("\nkernel: init died, the system ends: read of"), "{line}");
        assert_eq!(line.matches('\n').count(), 2);
        assert_eq!(bed.k.machine.calls, [SYSTEM_OFF]);
        assert_eq!(bed.k.mem[init].state, State::Faulted);
    }
}
