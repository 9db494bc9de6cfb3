//! What programs that test the kernel stand on: system calls with every register under control, and agents: threads in
//! address spaces of their own that make one system call, or run a few instructions, and stop.
//!
//! Safe code cannot see what the kernel leaves in registers; this crate's purpose is to look.
#![cfg_attr(target_os = "none", no_std)]
#![allow(unsafe_code)]

extern crate alloc;

mod agents;
pub mod code;
mod fail;
mod page;
mod registers;
mod svc;
mod world;

pub use agents::{Agent, Ended, REPLY, Setup, State, Vectors, stack_of};
pub use fail::{Check, Fail, equal, holds};
pub use page::Page;
pub use registers::{Out, Registers, Request, UNUSED, pattern, patterns};
pub use svc::svc;
pub use world::{Authority, World, ticks};
