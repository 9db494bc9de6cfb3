//! Objects and devices, field by field.

use super::places::{object_at, place_of};
use super::{Same, same};
use crate::deadline::Node;
use crate::fpu::{self, FpuState};
use crate::kernel::Kernel;
use crate::mm::raw::GRANULE;
use crate::mm::{Phys, Ref};
use crate::object;
use crate::testbed::bed::RAM;
use crate::testbed::check;
use crate::testbed::model::{At, Model, PAGE_FRAME, State, Thread, Time};

fn state_of(k: &Kernel, state: object::State) -> State {
    match state {
        object::State::Suspended => State::Suspended,
        object::State::Ready => State::Ready,
        object::State::Sending(endpoint) => State::Sending(place_of(k, endpoint)),
        object::State::AwaitingReply(reply) => State::AwaitingReply(place_of(k, reply.into())),
        object::State::Receiving(endpoint) => State::Receiving(place_of(k, endpoint.into())),
        object::State::Waiting(notification) => State::Waiting(place_of(k, notification)),
        object::State::Faulted => State::Faulted,
        // The fake firmware returns at once.
        object::State::InFirmware => unreachable!("nobody waits for the firmware behind a step"),
    }
}

pub fn place<T>(k: &Kernel, object: Option<Ref<T>>) -> Option<At> {
    object.map(|object| place_of(k, object))
}

pub fn same_thread(k: &Kernel, at: At, thread: &Thread, dead: bool) -> Same {
    let have = &k.mem[object_at::<object::Thread>(at)];
    same!(state_of(k, have.state), thread.state, "state of the thread at {at:#x}");
    for (index, (have, wanted)) in have.context.x.iter().zip(&thread.x).enumerate() {
        same!(have, wanted, "x{index} of the thread at {at:#x}");
    }
    let others = (have.context.sp, have.context.pc, have.context.tpidr);
    same!(others, (thread.sp, thread.pc, thread.tpidr), "sp, pc, tpidr of the thread at {at:#x}");
    same!((have.priority, have.ceiling), (thread.priority, thread.ceiling), "priority of the thread at {at:#x}");
    same!(place(k, have.reply), thread.reply, "the Reply of the thread at {at:#x}");
    same!(place(k, have.home), thread.home, "the time of the thread at {at:#x}");
    same!(place(k, have.bound), thread.bound, "what the thread at {at:#x} is bound to");
    same!(have.fault.get(), thread.fault, "the fault of the thread at {at:#x}");
    if matches!(thread.state, State::Sending(_)) {
        same!(have.badge, thread.badge, "what the thread at {at:#x} calls with");
    }
    let mut next = have.debts;
    for debt in &thread.debts {
        same!(place(k, next), Some(*debt), "a debt of the thread at {at:#x}");
        next = next.and_then(|reply| k.mem[reply].next);
    }
    same!(place(k, next), None, "one debt more of the thread at {at:#x}");
    let vectors: Ref<FpuState> = FpuState::of(object_at(at));
    same!(k.mem[vectors].place != fpu::Place::Forbidden, thread.fpu, "whether the thread at {at:#x} may use vectors");
    let core =
        (0..k.sched.count()).find(|&core| k.machine.fpu[core].owner as u64 == k.mem.mapped_at(object_of_thread(at)));
    let registers = core.map_or(&k.mem[vectors], |core| &k.machine.fpu[core].registers);
    // What a dead one had in them is forgotten.
    for (index, wanted) in thread.vectors.iter().enumerate().filter(|_| !dead) {
        same!(registers.register(FpuState::FIRST + index), *wanted, "vector register {index} of the thread at {at:#x}");
    }
    same!(have.page != Phys(0), thread.held[PAGE_FRAME].is_some(), "the message page of the thread at {at:#x}");
    Ok(())
}

fn object_of_thread(at: At) -> Ref<object::Thread> {
    object_at(at)
}

fn threads(k: &Kernel, list: Vec<Ref<object::Thread>>) -> Vec<At> {
    list.into_iter().map(|thread| place_of(k, thread)).collect()
}

pub fn objects(k: &Kernel, m: &Model) -> Same {
    for (&at, endpoint) in &m.endpoints {
        let have: Ref<object::Endpoint> = object_at(at);
        let gate = match k.mem[have].gate {
            object::Gate::Open => None,
            object::Gate::Closed(reason) => Some(reason),
        };
        same!(gate, endpoint.closed, "whether the endpoint at {at:#x} is closed");
        same!(threads(k, k.mem[have].senders.members(k)?), endpoint.senders, "who calls the endpoint at {at:#x}");
        let receivers = threads(k, check::receivers(k, have)?);
        same!(receivers, endpoint.receivers, "who receives from the endpoint at {at:#x}");
    }
    for (&at, reply) in &m.replies {
        let have = &k.mem[object_at::<object::Reply>(at)];
        let parties = (have.caller.map(|caller| place_of(k, caller.into())), place(k, have.receiver));
        same!(parties, (reply.caller, reply.receiver), "caller and receiver of the Reply at {at:#x}");
        same!(have.debt, reply.debt, "debt of the Reply at {at:#x}");
        let time = have.time.map(|time| place_of(k, time.into()));
        same!(time, reply.time, "the time that came through the Reply at {at:#x}");
    }
    for (&at, notification) in &m.notifications {
        let have = &k.mem[object_at::<object::Notification>(at)];
        same!(have.bits, notification.bits, "bits of the Notification at {at:#x}");
        let threads = (place(k, have.waiter), place(k, have.bound));
        same!(threads, (notification.waiter, notification.bound), "who waits for the Notification at {at:#x}");
    }
    for (&at, time) in &m.times {
        same_time(k, at, time)?;
    }
    for (&at, timer) in &m.timers {
        let have = &k.mem[object_at::<object::Timer>(at)];
        same!(deadline(&have.node), timer.deadline, "deadline of the Timer at {at:#x}");
        if timer.deadline.is_some() {
            same!(have.bits, timer.bits, "bits of the Timer at {at:#x}");
        }
    }
    for (&at, ring) in &m.rings {
        let have = &k.mem[object_at::<object::Trace>(at)];
        let tied = (u64::from(have.pages), have.core.map(usize::from));
        same!(tied, (ring.pages, ring.core), "pages and core of the ring at {at:#x}");
    }
    let traced = m.rings.values().any(|ring| ring.core.is_some());
    same!((k.trace.is_on(), k.machine.traced), (traced, traced), "whether anybody is traced");
    let mut dying: Vec<_> = check::dead(k).into_iter().map(|(kind, number)| (kind, RAM + number * GRANULE)).collect();
    dying.reverse();
    same!(dying, m.dying, "what is dead and not taken apart");
    Ok(())
}

fn deadline(node: &Node) -> Option<u64> {
    node.queued.then_some(node.deadline)
}

fn same_time(k: &Kernel, at: At, time: &Time) -> Same {
    let have = &k.mem[object_at::<object::SchedContext>(at)];
    let limits = (have.budget, have.period, have.fault);
    same!(limits, (time.budget, time.period, time.fault), "budget, period, flag of the SchedContext at {at:#x}");
    same!(usize::from(have.core), time.core, "the core of the SchedContext at {at:#x}");
    let used = (have.left, have.debt, have.consumed, have.slice);
    same!(
        used,
        (time.left, time.debt, time.consumed, time.slice),
        "left, owed, consumed, slice of the SchedContext at {at:#x}"
    );
    let out: Vec<_> = have.refills[..have.out.into()].iter().map(|refill| (refill.at, refill.amount)).collect();
    same!(out, time.out, "what comes back of the SchedContext at {at:#x}");
    same!(place(k, have.home), time.home, "whose the SchedContext at {at:#x} is");
    same!(place(k, have.used_for), time.used_for, "who pays for the SchedContext at {at:#x}");
    same!(deadline(&have.node), time.wakes, "when the SchedContext at {at:#x} is looked at");
    Ok(())
}

pub fn devices(k: &Kernel, m: &Model) -> Same {
    for (&at, irq) in &m.irqs {
        let have = &k.mem[object_at::<object::Irq>(at)];
        let line = (have.line, have.edge, have.pending);
        same!(line, (irq.line, irq.edge, irq.pending), "line, trigger, pending of the Irq at {at:#x}");
        let message = have.message.map(|it| (it.device, it.event, it.controller == 1));
        same!(message, irq.message.map(|it| (it.device, it.event, it.its)), "the message that the Irq at {at:#x} is");
        same!(have.space.map(|space| place_of(k, space)), irq.message.map(|it| it.space), "whose it is");
        if irq.held.is_some() {
            same!(have.bits, irq.bits, "bits of the Irq at {at:#x}");
        }
    }
    for (&line, sharers) in &m.lines {
        let have: Vec<At> = k.sharers(line).map(|irq| place_of(k, irq)).collect();
        same!(have, *sharers, "who shares line {line}");
        if let Some(first) = sharers.first().filter(|_| line < crate::message::FIRST) {
            same!(k.machine.triggers.get(&line), Some(&m.irqs[first].edge), "the trigger of line {line}");
        }
    }
    same!(k.machine.open, m.open, "lines that may fire");
    same!(k.machine.routes, m.routes, "where lines go");
    same!(k.machine.calls, m.firmware, "calls of the firmware");
    same!(k.machine.printed.len(), m.printed.len(), "bytes printed");
    let last = m.printed.len().saturating_sub(512);
    same!(k.machine.printed[last..], m.printed[last..], "what was printed last");
    Ok(())
}
