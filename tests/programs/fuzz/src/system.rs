//! System calls of the supervisor, and what it reports.

use alloc::format;
use alloc::string::String;

use abi::{Kind, Op, Rights, SLOT_TABLE, SyscallError};
use rt::invoke;

/// Why it was broken off.
#[derive(Clone, Debug)]
pub struct Broken(pub String);

/// What fails with a reason.
pub type Check<T = ()> = Result<T, Broken>;

impl From<&str> for Broken {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A new object in the own table.
#[track_caller]
pub fn make(memory: u32, kind: Kind, size: u64, slot: u32) -> Check {
    let made = invoke(Op::Retype, memory, [kind as u64, size, 0, SLOT_TABLE.into(), slot.into(), 0, 0]);
    made.map(drop).map_err(|error| broken(&format!("{kind:?} of {size}"), error))
}

/// A copy from the own table into any.
pub fn copy(table: u32, index: u32, from: u32, rights: Rights, badge: u64) -> Result<(), SyscallError> {
    invoke(Op::Copy, table, [index.into(), SLOT_TABLE.into(), from.into(), rights.bits().into(), badge]).map(drop)
}

/// Deletes what is in a slot of the own table, if anything is.
pub fn delete(slot: u32) {
    // An empty slot is what is wanted.
    let _ = invoke(Op::Delete, SLOT_TABLE, [slot.into()]);
}

/// Deletes everything that was derived from a capability of the own table.
#[track_caller]
pub fn revoke(slot: u32) -> Check {
    invoke(Op::Revoke, SLOT_TABLE, [slot.into()]).map(drop).map_err(|error| broken("revoke", error))
}

/// With what and where the kernel refused.
#[track_caller]
pub fn broken(what: &str, error: SyscallError) -> Broken {
    let line = core::panic::Location::caller().line();
    Broken(format!("{what}: {error} (line {line})"))
}

/// Ticks of so many microseconds.
pub fn ticks(microseconds: u64) -> u64 {
    rt::ticks_per_second() * microseconds / 1_000_000
}
