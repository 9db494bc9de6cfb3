//! Operations on a Thread.

use abi::{
    ErrorCode, Kind, THREAD_FPU,
    layout::{MemoryType, PAGE, USER_END},
};

use super::{At, Call, FAULT, Model, Name, Next, Out, PAGE_FRAME, Place, SPACE, State, Step, TABLE, refuse};

const CONFIGURE: u8 = 1;
const CONTROL: u8 = 2;
const BIND: u8 = 4;
const TABLE_ATTACH: u8 = 8;
const SPACE_USE: u8 = 4;
const FRAME_READ_WRITE: u8 = 3;
const ENDPOINT_SEND: u8 = 1;
const NOTIFICATION_WAIT: u8 = 2;
/// Numbers of vector registers, FPCR and FPSR behind them.
const VECTORS: core::ops::Range<u64> = 64..130;

fn must_stand_still(m: &Model, thread: At) -> Step {
    match m.threads[&thread].state {
        State::Suspended | State::Faulted => Ok(()),
        _ => refuse(ErrorCode::InvalidState, 0),
    }
}

pub fn configure(m: &mut Model, call: &Call) -> Out {
    let [table, space, page, address, fault, urgency, ..] = call.x;
    let thread = m.target(call, Kind::Thread, CONFIGURE)?;
    must_stand_still(m, thread)?;
    let table = m.get(call, table, Kind::CapTable, TABLE_ATTACH, 1)?;
    let space = m.get(call, space, Kind::AddressSpace, SPACE_USE, 2)?;
    let mut page_frame = None;
    if page != 0 {
        let name = m.get(call, page, Kind::Frame, FRAME_READ_WRITE, 3)?;
        let cap = &m.caps[&name];
        if cap.device || cap.memory != MemoryType::Normal || address >= USER_END {
            return refuse(ErrorCode::InvalidArgument, 3);
        }
        if !address.is_multiple_of(PAGE) {
            return refuse(ErrorCode::Misaligned, 4);
        }
        page_frame = Some(name);
    }
    let fault = if fault == 0 { None } else { Some(m.get(call, fault, Kind::Endpoint, ENDPOINT_SEND, 5)?) };
    let (fpu, urgency) = (urgency & THREAD_FPU != 0, urgency & !THREAD_FPU);
    let (priority, ceiling) = (urgency & 0xff, urgency >> 8);
    let giver = &m.threads[&call.caller];
    if priority > ceiling || ceiling > giver.ceiling.into() || fpu && !giver.fpu {
        return refuse(ErrorCode::InvalidArgument, 6);
    }
    m.hold(Place::Thread(thread, TABLE), Some(table));
    m.hold(Place::Thread(thread, SPACE), Some(space));
    m.hold(Place::Thread(thread, PAGE_FRAME), page_frame);
    m.hold(Place::Thread(thread, FAULT), fault);
    let object = m.thread(thread);
    (object.priority, object.ceiling, object.state) = (priority as u8, ceiling as u8, State::Suspended);
    object.fpu = fpu;
    m.bury()?;
    Ok(Next::Done)
}

pub fn resume(m: &mut Model, call: &Call) -> Out {
    let thread = m.target(call, Kind::Thread, CONTROL)?;
    if must_stand_still(m, thread).is_ok() {
        let held = m.threads[&thread].held;
        if held[TABLE].is_none() || held[SPACE].is_none() {
            return refuse(ErrorCode::InvalidState, 0);
        }
        m.thread(thread).fault = None;
        m.make_ready(thread);
    }
    Ok(Next::Done)
}

pub fn suspend(m: &mut Model, call: &Call) -> Out {
    let thread = m.target(call, Kind::Thread, CONTROL)?;
    if thread == call.caller {
        m.answer(thread, [0; 8]);
        m.halt(thread, State::Suspended);
        return Ok(Next::Complete);
    }
    m.cancel_ipc(thread, ErrorCode::Cancelled);
    m.halt(thread, State::Suspended);
    Ok(Next::Done)
}

pub fn cancel(m: &mut Model, call: &Call) -> Out {
    let thread = m.target(call, Kind::Thread, CONTROL)?;
    m.cancel_ipc(thread, ErrorCode::Cancelled);
    Ok(Next::Done)
}

pub fn write_registers(m: &mut Model, call: &Call) -> Out {
    let thread = m.target(call, Kind::Thread, CONFIGURE)?;
    must_stand_still(m, thread)?;
    let (first, count) = (call.x[0], call.x[1]);
    if count > 6 {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    let object = m.thread(thread);
    let vectors = object.fpu && first >= VECTORS.start && first <= VECTORS.end - count;
    if !vectors && (first > 34 || first + count > 34) {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    for index in 0..count as usize {
        *object.register(first as usize + index) = call.x[2 + index];
    }
    Ok(Next::Done)
}

pub fn read_registers(m: &mut Model, call: &Call) -> Out {
    let thread = m.target(call, Kind::Thread, CONFIGURE)?;
    must_stand_still(m, thread)?;
    let first = call.x[0];
    if first > 33 && !VECTORS.contains(&first) {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    let values = m.eight_registers(thread, first as usize);
    Ok(m.answer(call.caller, values))
}

pub fn bind(m: &mut Model, call: &Call) -> Out {
    let thread = m.target(call, Kind::Thread, BIND)?;
    if call.x[0] == 0 {
        m.unbind(thread);
        return Ok(Next::Done);
    }
    let at = m.object(call, call.x[0], Kind::Notification, NOTIFICATION_WAIT, 1)?;
    let other = &m.notifications[&at];
    if other.waiter.is_some() || other.bound.is_some_and(|bound| bound != thread) {
        return refuse(ErrorCode::Busy, 1);
    }
    m.unbind(thread);
    m.notification(at).bound = Some(thread);
    m.thread(thread).bound = Some(at);
    m.end_bound_receive(at);
    Ok(Next::Done)
}

impl super::Thread {
    /// A register by its number in `ThreadWriteRegisters`.
    pub fn register(&mut self, number: usize) -> &mut u64 {
        match number {
            0..=30 => &mut self.x[number],
            31 => &mut self.sp,
            32 => &mut self.pc,
            33 => &mut self.tpidr,
            _ => &mut self.vectors[number - VECTORS.start as usize],
        }
    }
}

impl Model {
    /// A thread uses its vector registers; `false`: it may not, and faults.
    pub fn compute(&mut self, thread: At, value: u64) -> bool {
        let object = self.thread(thread);
        if !object.fpu {
            self.fault(thread, abi::FaultKind::Fpu, 0, crate::testbed::step::FPU_SYNDROME);
            return false;
        }
        object.vectors = crate::testbed::step::vectors(value);
        true
    }

    pub fn eight_registers(&mut self, thread: At, first: usize) -> [u64; 8] {
        let object = self.thread(thread);
        // Those past the last of their sort are 0.
        let end = if first < 34 { 34 } else { VECTORS.end as usize };
        core::array::from_fn(|index| if first + index < end { *object.register(first + index) } else { 0 })
    }

    /// Replaces what an object holds by a copy of a capability.
    pub fn hold(&mut self, place: Place, source: Option<Name>) {
        self.clear_held(place);
        if let Some(source) = source {
            let cap = &self.caps[&source];
            let copy = cap.copied(cap.rights, cap.badge);
            self.insert(place, copy, Some(source));
        }
    }

    /// What a thread held is gone. Without table or address space it can do nothing.
    pub fn thread_lost(&mut self, thread: At, which: usize) {
        if matches!(which, TABLE | SPACE) {
            self.cancel_ipc(thread, ErrorCode::Revoked);
            self.halt(thread, State::Suspended);
        }
    }
}
