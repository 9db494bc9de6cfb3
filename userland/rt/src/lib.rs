//! The runtime of a component: start-up, heap, system call stubs, typed capabilities.
//!
//! A component is a function `fn run(env: &'static Env)` handed to [`entry!`]. On the host everything here builds too;
//! system calls then answer `InvalidOperation`, so device and service logic is tested as a library.
//!
//! This crate is one of the rooms where `unsafe` lives: it turns granted memory into slices, and traps into the kernel.
#![cfg_attr(target_os = "none", no_std)]
#![allow(unsafe_code)]

extern crate alloc;

mod cap;
mod env;
mod heap;
mod logger;
mod message;
mod outcome;
pub mod panic;
mod reserved;
mod rings;
pub mod scout;
mod shared;
mod slots;
mod start;
mod svc;
pub mod task;
mod time;
mod vm;
mod words;

pub use abi::{
    Badge, ErrorCode, FaultKind, FaultMessage, Kind, MAX_CAPS, MAX_WORDS, Op, Perms, Rights, SyscallError,
    layout::MemoryType,
};
pub use cap::*;
pub use env::{Env, Missing, env};
pub use logger::{LOG_WRITE, set_level};
#[cfg(not(target_os = "none"))]
pub use message::sent_slot;
pub use message::{CallError, Message, Received, clear_window, page_word, set_window};
pub use outcome::Outcome;
pub use reserved::Reserved;
pub use rings::Rings;
#[cfg(not(target_os = "none"))]
pub use shared::fake as fake_frames;
pub use shared::{OutOfBuffer, SharedBuffer};
pub use slots::{NoSlot, alloc_slot, free_slot, grow_table};
pub use svc::invoke;
pub use time::{now_nanoseconds, now_ticks, ticks_per_second};
pub use vm::{Mapping, VmError, map, map_at, new_frame, start_info_bytes, unmap};
pub use words::{Serve, Words};

#[doc(hidden)]
pub use start::Start;

/// Names the function a component starts with: `rt::entry!(run);` for `fn run(env: &'static rt::Env)`, which may return a
/// `Result`. When it returns the component ends and the supervisor is told; an error is logged before.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        #[cfg(target_os = "none")]
        #[allow(unsafe_code)]
        // SAFETY: the symbol is the runtime's own; a second definition is a link error.
        #[unsafe(export_name = "tutti_component_main")]
        fn component_main(env: &'static $crate::Env) {
            $crate::Outcome::report($run(env))
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            let _: fn(&'static $crate::Env) -> _ = $run;
            eprintln!("this is a Tutti component; `cargo xtask run` builds it for the target and boots it");
            std::process::exit(2);
        }
    };
}
