//! The Tutti microkernel.
//!
//! All state hangs off one [`Kernel`] value. A trap enters through `arch`, which sheds its raw pointers and calls one of
//! three safe functions: [`syscall::handle`], [`fault::handle`], [`interrupt::handle`]; each leaves the scheduler to say
//! which thread runs next. `unsafe` lives in `arch` and `mm::raw`; everything else builds and is tested on the host.
#![cfg_attr(target_os = "none", no_std)]

pub mod arch;
pub mod arrival;
pub mod audit;
pub mod boot;
pub mod cap;
pub mod console;
pub mod context;
pub mod cores;
pub mod deadline;
pub mod errata;
pub mod fault;
pub mod features;
pub mod firmware;
pub mod fpu;
pub mod gate;
pub mod interrupt;
pub mod ipc;
pub mod its;
pub mod keys;
pub mod maintenance;
pub mod message;
pub mod mitigation;
pub mod mm;
pub mod object;
pub mod sched;
pub mod smmu;
pub mod syscall;
pub mod trace;
pub mod unmapped;

mod kernel;
#[cfg(test)]
mod testbed;

pub use kernel::{Kernel, Next, Preempted, Res};
