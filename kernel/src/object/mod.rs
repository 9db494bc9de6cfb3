//! Kernel objects, one file each: the structure, its operations, what happens when it is destroyed.

mod address_space;
mod console;
mod debug;
mod destroy;
mod dma_space;
mod endpoint;
mod frame;
mod header;
mod irq;
mod mapping;
mod message;
mod notification;
mod reply;
mod reserve;
mod sched_context;
mod smc;
mod table;
mod tables;
mod thread;
mod timer;
mod trace;
mod untyped;

pub use address_space::AddressSpace;
pub use destroy::Grave;
pub use dma_space::{DmaSpace, Reach};
pub use endpoint::{Endpoint, Gate};
pub use header::Header;
pub use irq::{Irq, LINES, Lines};
#[cfg(test)]
pub(crate) use mapping::Work;
pub use notification::Notification;
pub use reply::Reply;
pub use reserve::Window;
pub use sched_context::SchedContext;
pub use smc::SYSTEM_OFF;
pub(crate) use tables::Piece;
pub use thread::{Held, State, Thread};
pub use timer::Timer;
pub use trace::Trace;

pub use crate::cap::CapTable;

pub(crate) mod ops {
    //! The operations, by object, for `syscall`.
    pub use super::address_space::add_pool;
    pub use super::console::{ring, write};
    pub use super::debug::{cap, read, registers, thread};
    pub use super::dma_space::{
        attach as dma_attach, bind as dma_bind, clear as dma_clear, detach as dma_detach, fault as dma_fault,
        info as iommu_info,
    };
    pub use super::endpoint::{close, open};
    pub use super::irq::{ack, bind, set};
    pub use super::mapping::{map, protect, unmap};
    pub use super::message::{message, target};
    pub use super::notification::{poll, signal, wait};
    pub use super::reserve::{release, reserve};
    pub use super::sched_context::{
        bind as sched_bind, configure as sched_configure, consumed as sched_consumed, unbind as sched_unbind,
    };
    pub use super::smc::{call as smc_call, make as smc_make, narrow as smc_narrow};
    pub use super::table::{copy, delete, grow, move_cap, revoke};
    pub use super::thread::{bind as thread_bind, cancel, configure, read_registers, resume, suspend, write_registers};
    pub use super::timer::{arm as timer_arm, cancel as timer_cancel};
    pub use super::trace::{map as trace_map, start as trace_start, stop as trace_stop};
    pub use super::untyped::retype;
}
