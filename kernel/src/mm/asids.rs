//! Address space identifiers: handed out when an address space first runs, stolen in turn, never exhausted.

use super::Ref;
use crate::object::AddressSpace;

/// Identifiers in use, 0 (the empty address space) included. Eight bits exist on every core.
const COUNT: usize = 256;

/// Who has which identifier.
#[derive(Debug)]
pub struct Asids {
    owner: [Option<Ref<AddressSpace>>; COUNT],
    next: usize,
}

impl Asids {
    /// All free.
    pub const fn new() -> Self {
        Self { owner: [None; COUNT], next: 1 }
    }

    /// Gives `space` an identifier; also says who had it before, whose translations must be flushed.
    pub fn assign(&mut self, space: Ref<AddressSpace>) -> (u16, Option<Ref<AddressSpace>>) {
        let asid = self.next;
        self.next = if asid + 1 == COUNT { 1 } else { asid + 1 };
        (asid as u16, self.owner[asid].replace(space))
    }

    /// Who has an identifier.
    pub fn owner(&self, asid: u16) -> Option<Ref<AddressSpace>> {
        self.owner.get(usize::from(asid)).copied().flatten()
    }

    /// The address space is gone.
    pub fn release(&mut self, asid: u16) {
        if let Some(owner) = self.owner.get_mut(usize::from(asid)) {
            *owner = None;
        }
    }
}

impl Default for Asids {
    fn default() -> Self {
        Self::new()
    }
}
