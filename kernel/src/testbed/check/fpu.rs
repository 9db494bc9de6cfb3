//! What must always hold of vector registers: a core has one owner at most, a thread is the owner of one core at most, and
//! only the owner reaches them.

use abi::Kind;

use super::{Check, Checker, object};
use crate::fpu::{FpuState, Place};
use crate::kernel::Kernel;
use crate::object::Thread;

impl Checker {
    /// Between two traps, before user space goes on.
    pub(super) fn check_fpu(&self, k: &Kernel) -> Check {
        let mut owners = Vec::new();
        for (core, fpu) in k.machine.fpu.iter().enumerate() {
            // A core from which its thread was taken closes them before it runs anybody else.
            let nobody = k.sched.of(core).current().is_none();
            let Some(owner) = k.mem.thread_at(fpu.owner) else {
                must!(!fpu.open || nobody, "core {core} has no owner and is open");
                continue;
            };
            must!(core < k.sched.count() && self.exists(owner), "core {core} holds registers of nobody");
            must!(k.mem[FpuState::of(owner)].place == Place::InCore, "{owner:?} does not know of core {core}");
            let runs = k.sched.of(core).current() == Some(owner);
            must!(!fpu.open || runs || nobody, "core {core} is open and does not run {owner:?}");
            must!(!owners.contains(&owner), "{owner:?} is the owner of two cores");
            owners.push(owner);
        }
        for &(_, number) in self.objects.iter().filter(|(kind, _)| *kind == Kind::Thread) {
            let thread = object::<Thread>(number);
            let place = k.mem[FpuState::of(thread)].place;
            must!(
                (place == Place::InCore) == owners.contains(&thread),
                "{thread:?} is the owner of no core: {place:?}"
            );
        }
        Ok(())
    }
}
