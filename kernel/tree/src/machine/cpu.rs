//! The CPUs.

use super::Machine;
use crate::address::number;
use crate::{Fault, Node, Status, Strings, TreeError, strings};

/// A CPU.
#[derive(Debug, Clone, Copy)]
pub struct Cpu<'a> {
    /// Its affinity, as in MPIDR_EL1 (`reg`).
    pub mpidr: u64,
    /// Whether it may be started: `Okay` and `Disabled` may (it is asleep), `Fail` may not.
    pub status: Status,
    /// How it is started.
    pub method: EnableMethod,
    /// What it is, the most specific name first.
    pub compatible: Strings<'a>,
}

/// How a CPU is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnableMethod {
    /// By a call of the firmware.
    Psci,
    /// By writing an address to this place.
    SpinTable(u64),
    /// Not said, or in a way that is not known.
    Unknown,
}

pub(super) fn is_cpu(node: &Node<'_, '_>) -> bool {
    let typed = node.known.device_type.is_some_and(|kind| kind == b"cpu\0");
    typed || node.is_named("cpu")
}

impl<'a> Machine<'a> {
    pub(super) fn note_cpu(&mut self, node: &Node<'_, 'a>) -> Result<(), TreeError> {
        let cpu =
            Cpu { mpidr: mpidr(node)?, status: node.status(), method: method(node)?, compatible: node.compatible() };
        if self.cpus.try_push(cpu).is_err() {
            self.cpus_left_out += 1;
        }
        Ok(())
    }
}

fn mpidr(node: &Node<'_, '_>) -> Result<u64, TreeError> {
    let value = node.known.reg.ok_or_else(|| node.error("reg", Fault::Missing))?;
    match value.len() {
        4 | 8 => Ok(number(value)),
        have => Err(node.error("reg", Fault::Length { have, need: 4 })),
    }
}

fn method(node: &Node<'_, '_>) -> Result<EnableMethod, TreeError> {
    Ok(match node.property("enable-method").and_then(strings::text) {
        Some("psci") => EnableMethod::Psci,
        Some("spin-table") => {
            let address = node.number("cpu-release-addr")?;
            EnableMethod::SpinTable(address.ok_or_else(|| node.error("cpu-release-addr", Fault::Missing))?)
        }
        _ => EnableMethod::Unknown,
    })
}
