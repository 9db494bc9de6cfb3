//! What init does in the random sequences: it makes four processes, sleeps, and when it is woken helps them or takes
//! everything back.

use std::collections::VecDeque;

use abi::{Kind, Op, Rights, THREAD_FPU};

use super::numbers::Random;
use crate::testbed::bed::SMMU;
use crate::testbed::step::{Step, call};

/// Slots of a worker's table.
pub mod slot {
    pub const MEMORY: u32 = 4;
    pub const TIME: u32 = 6;
    pub const TIMER: u32 = 7;
    pub const NOTIFICATION: u32 = 9;
    pub const ENDPOINT: u32 = 10;
    pub const OTHERS: u32 = 11;
    pub const IRQ: u32 = 13;
    pub const IRQ_CONTROL: u32 = 14;
    pub const DEVICES: u32 = 15;
    pub const OTHER_TABLE: u32 = 16;
    pub const DEBUG: u32 = 17;
    pub const IOMMU_CONTROL: u32 = 18;
    pub const CONSOLE: u32 = 19;
    pub const SCHED_CONTROL: u32 = 20;
    pub const OTHER_ENDPOINT: u32 = 21;
    pub const TRACE: u32 = 22;
    pub const SMC_CONTROL: u32 = 23;
    pub const DMA: u32 = 24;
    pub const FREE: u32 = 25;
}

pub const WORKERS: u32 = 4;
/// The line that wakes init.
pub const WAKE: u32 = 40;
/// Where device memory begins, and the part of it that is worth being mapped in blocks.
pub const DEVICE_BASE: u64 = 0x900_0000;
pub const DEVICE_BLOCKS: u64 = 0xa00_0000;

const TABLE: u64 = abi::SLOT_TABLE as u64;
/// Init's slots.
const IRQ: u32 = 38;
const WORLD: u32 = 40;
const DEVICES: u32 = 41;
const ENDPOINTS: u32 = 42;
const NOTIFICATIONS: u32 = 44;
const PROCESSES: u32 = 50;

/// Steps that init takes whenever it runs.
pub type Plan = VecDeque<Step>;

fn retype(plan: &mut Plan, untyped: u32, kind: Kind, size: u64, to: u32) {
    plan.push_back(call(Op::Retype, untyped, &[kind as u64, size, 0, TABLE, to.into()]));
}

fn give(plan: &mut Plan, table: u32, to: u32, from: u32, badge: u64) {
    let all = Rights::from_bits_retain(0xf).bits();
    plan.push_back(call(Op::Copy, table, &[to.into(), TABLE, from.into(), all.into(), badge]));
}

fn hand_over(plan: &mut Plan, table: u32, to: u32, from: u32) {
    plan.push_back(call(Op::Move, table, &[to.into(), TABLE, from.into()]));
}

/// Once: the line that wakes init, and memory for everything.
pub fn begin(plan: &mut Plan) {
    retype(plan, abi::SLOT_INIT_MEMORY, Kind::Irq, 0, IRQ);
    plan.push_back(call(Op::IrqSet, abi::SLOT_IRQ_CONTROL, &[IRQ.into(), WAKE.into(), 1]));
    plan.push_back(call(Op::IrqBind, IRQ, &[abi::SLOT_NOTIFICATION.into(), 1]));
    retype(plan, abi::SLOT_INIT_MEMORY, Kind::Untyped, 512, WORLD);
    let devices = [Kind::Untyped as u64, 0x2000, 0, TABLE, DEVICES.into(), DEVICE_BASE];
    plan.push_back(call(Op::Retype, abi::SLOT_DEVICES, &devices));
}

/// Four processes that hold capabilities to themselves, to each other, and to devices.
pub fn build(plan: &mut Plan, cores: u32) {
    for index in 0..2 {
        retype(plan, WORLD, Kind::Endpoint, 0, ENDPOINTS + index);
        retype(plan, WORLD, Kind::Notification, 0, NOTIFICATIONS + index);
    }
    (0..WORKERS).for_each(|worker| process(plan, worker, cores));
    for worker in 0..WORKERS {
        let base = PROCESSES + worker * 10;
        let next = PROCESSES + (worker + 1) % WORKERS * 10;
        give(plan, base, slot::OTHERS, next + 2, 0);
        give(plan, base, slot::OTHERS + 1, next + 1, 0);
        give(plan, base, slot::OTHER_TABLE, next, 0);
        plan.push_back(call(Op::ThreadResume, base + 2, &[]));
    }
    let some = [Kind::Untyped as u64, 8, 0, PROCESSES.into(), slot::DEVICES.into(), DEVICE_BASE];
    plan.push_back(call(Op::Retype, DEVICES, &some));
    let blocks = [Kind::Frame as u64, 1024, 0, u64::from(PROCESSES) + 10, slot::DEVICES.into(), DEVICE_BLOCKS];
    plan.push_back(call(Op::Retype, DEVICES, &blocks));
}

fn process(plan: &mut Plan, worker: u32, cores: u32) {
    let base = PROCESSES + worker * 10;
    let kinds = [
        (Kind::CapTable, 5),
        (Kind::AddressSpace, 8),
        (Kind::Thread, 0),
        (Kind::Frame, 1),
        (Kind::Reply, 0),
        (Kind::SchedContext, 0),
        (Kind::Untyped, 40),
        (Kind::Irq, 0),
        (Kind::Timer, 0),
        (Kind::DmaSpace, 7),
    ];
    for (index, (kind, size)) in kinds.into_iter().enumerate() {
        retype(plan, WORLD, kind, size, base + index as u32);
    }
    for (to, from) in [(1, 0), (2, 2), (3, 1), (5, 3)] {
        give(plan, base, to, base + from, 0);
    }
    hand_over(plan, base, abi::SLOT_REPLY, base + 4);
    hand_over(plan, base, slot::MEMORY, base + 6);
    hand_over(plan, base, slot::IRQ, base + 7);
    hand_over(plan, base, slot::TIMER, base + 8);
    // One is left to the process to be bound, one is unprotected.
    if worker != 1 {
        let iommu = if worker == 2 { 0 } else { SMMU };
        plan.push_back(call(Op::DmaBind, abi::SLOT_IOMMU_CONTROL, &[(base + 9).into(), iommu, worker.into()]));
    }
    hand_over(plan, base, slot::DMA, base + 9);
    let (priority, fault) = ([100, 100, 120, 80][worker as usize], if worker == 1 { ENDPOINTS } else { 0 });
    let objects = [base, base + 1, base + 3].map(u64::from);
    let page = abi::layout::USER_MESSAGE_PAGE;
    let arguments = [objects[0], objects[1], objects[2], page, fault.into(), priority | priority << 8 | THREAD_FPU];
    plan.push_back(call(Op::ThreadConfigure, base + 2, &arguments));
    give(plan, base, slot::NOTIFICATION, NOTIFICATIONS + worker % 2, 0);
    give(plan, base, slot::ENDPOINT, ENDPOINTS + worker / 2, u64::from(worker + 1) << 40);
    give(plan, base, slot::OTHER_ENDPOINT, ENDPOINTS + 1 - worker / 2, u64::from(worker + 5) << 40);
    give(plan, base, slot::IRQ_CONTROL, abi::SLOT_IRQ_CONTROL, 0);
    give(plan, base, slot::DEBUG, abi::SLOT_DEBUG, 0);
    give(plan, base, slot::IOMMU_CONTROL, abi::SLOT_IOMMU_CONTROL, 0);
    give(plan, base, slot::TRACE, abi::SLOT_TRACE, 0);
    give(plan, base, slot::SMC_CONTROL, abi::SLOT_SMC_CONTROL, 0);
    give(plan, base, slot::CONSOLE, abi::SLOT_CONSOLE, 0);
    give(plan, base, slot::SCHED_CONTROL, abi::SLOT_SCHED_CONTROL + worker / 2 % cores, 0);
    // One is unlimited, one has its fault handler told; two are alone with what they run on.
    let (budget, period, flags) = [(1, 1, 0), (400, 2000, 1), (300, 1000, 0), (500, 900, 0)][worker as usize];
    let control = abi::SLOT_SCHED_CONTROL + worker % cores;
    plan.push_back(call(Op::SchedConfigure, control, &[(base + 5).into(), budget, period, flags]));
    plan.push_back(call(Op::SchedBind, base + 5, &[(base + 2).into()]));
    if worker < 2 {
        give(plan, base, slot::TIME, base + 5, 0);
    } else {
        hand_over(plan, base, slot::TIME, base + 5);
    }
}

/// Everything that was made is revoked.
pub fn tear_down(plan: &mut Plan, cores: u32) {
    let controls = [
        abi::SLOT_IRQ_CONTROL,
        abi::SLOT_DEBUG,
        abi::SLOT_IOMMU_CONTROL,
        abi::SLOT_CONSOLE,
        abi::SLOT_TRACE,
        abi::SLOT_SMC_CONTROL,
    ];
    let times = (0..cores).map(|core| abi::SLOT_SCHED_CONTROL + core);
    for from in [WORLD, DEVICES].into_iter().chain(controls).chain(times) {
        plan.push_back(call(Op::Revoke, abi::SLOT_TABLE, &[from.into()]));
    }
}

/// The line that woke init may fire again.
pub fn awake(plan: &mut Plan) {
    plan.push_back(call(Op::IrqAck, IRQ, &[]));
}

/// Everybody sleeps: workers get time and are woken, the endpoints take calls again.
pub fn rescue(plan: &mut Plan, random: &mut Random, cores: u32) {
    let first = random.below(WORKERS.into()) as u32;
    for worker in 0..1 + random.below(WORKERS.into()) as u32 {
        let thread = PROCESSES + (first + worker) % WORKERS * 10 + 2;
        let (budget, period) = random.pick(&[(1, 1), (500, 1000), (300, 300), (100, 5000)]);
        if random.one_in(2) {
            let time = [(thread + 3).into(), budget, period, random.below(2)];
            let control = abi::SLOT_SCHED_CONTROL + random.below(cores.into()) as u32;
            if random.one_in(4) {
                plan.push_back(call(Op::SchedUnbind, thread + 3, &[]));
            }
            plan.push_back(call(Op::SchedConfigure, control, &time));
            plan.push_back(call(Op::SchedBind, thread + 3, &[thread.into()]));
        }
        plan.push_back(call(Op::ThreadCancel, thread, &[]));
        plan.push_back(call(Op::ThreadResume, thread, &[]));
    }
    for index in 0..2 {
        plan.push_back(call(Op::EndpointOpen, ENDPOINTS + index, &[]));
    }
}

/// Init sleeps until its line fires.
pub fn sleep() -> Step {
    call(Op::Wait, abi::SLOT_NOTIFICATION, &[])
}
