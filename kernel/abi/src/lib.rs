//! The interface between the kernel and user space: operation numbers, capability kinds and rights, errors, the layout
//! of a message and of the page a process starts with.
//!
//! `docs/decisions/0002-system-call-abi.md` says why it looks like this. Numbers are never reused; the golden tests at
//! the end of each file fail when one moves.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod badge;
mod error;
mod fault;
mod kind;
pub mod layout;
mod message;
mod op;
mod property;
mod protection;
mod slots;
mod start;
pub mod trace;

pub use badge::Badge;
pub use error::{ErrorCode, MAY_HAVE_ACTED, SyscallError};
pub use fault::{FaultKind, FaultMessage};
pub use kind::{Kind, Rights};
pub use layout::Perms;
pub use message::{
    InWord, MAX_CAPS, MAX_WORDS, MessagePage, OUT_CAPS_DROPPED, OUT_NOTIFICATION, OutWord, PAGE_WORDS, REG_WORDS, Slots,
};
pub use op::{Op, THREAD_FPU};
pub use property::properties;
pub use protection::{Named, Protections};
pub use slots::*;
pub use start::{
    ABI_VERSION, INIT_IMAGE_MAGIC, InitImage, InitSegment, MAX_NAMED, NAME_LEN, NamedSlot, SegmentFlags, StartInfo,
};
