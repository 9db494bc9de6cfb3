//! Device registers of the fake machine. An SMMU answers at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A block of registers: what was written is read, and what is written to `ECHOES` is read there as well.
#[derive(Clone, Debug, Default)]
pub struct Registers(Rc<RefCell<BTreeMap<usize, u64>>>);

impl Registers {
    /// Registers whose value appears in another one: CR0, IRQ_CTRL, CMDQ_PROD.
    const ECHOES: [(usize, usize); 3] = [(0x20, 0x24), (0x50, 0x54), (0x98, 0x9c)];
    /// Where it is noted which of them does not; no register.
    const BROKEN: usize = usize::MAX;
    /// GBPA, whose highest bit goes when it was taken note of.
    const GBPA: usize = 0x44;

    /// Reads a register.
    pub fn read(&self, offset: usize) -> u32 {
        self.0.borrow().get(&offset).copied().unwrap_or(0) as u32
    }

    /// Writes a register.
    pub fn write(&self, offset: usize, value: u32) {
        let value = if offset == Self::GBPA { value & !(1 << 31) } else { value };
        self.write_long(offset, value.into());
    }

    /// What is written to this one is not taken note of in another.
    #[cfg(test)]
    pub fn break_at(&self, offset: usize) {
        self.0.borrow_mut().insert(Self::BROKEN, offset as u64);
    }

    /// Writes a register of 64 bits.
    pub fn write_long(&self, offset: usize, value: u64) {
        let mut all = self.0.borrow_mut();
        all.insert(offset, value);
        let works = all.get(&Self::BROKEN) != Some(&(offset as u64));
        if let Some(&(_, echo)) = Self::ECHOES.iter().find(|&&(from, _)| works && from == offset) {
            all.insert(echo, value);
        }
    }
}
