//! What a core can do, from its ID registers, and what all of them can: the intersection. Nothing of the machine, so that
//! the host tests have cores that differ.

use abi::Protections;

/// The words by which a core says what it is (ARM DDI 0487, D19.2), and what its firmware offers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// MIDR_EL1: who made it, which model, which release.
    pub midr: u64,
    /// ID_AA64PFR0_EL1.
    pub pfr0: u64,
    /// ID_AA64PFR1_EL1.
    pub pfr1: u64,
    /// ID_AA64ISAR1_EL1.
    pub isar1: u64,
    /// ID_AA64ISAR2_EL1.
    pub isar2: u64,
    /// ID_AA64MMFR0_EL1.
    pub mmfr0: u64,
    /// ID_AA64MMFR1_EL1.
    pub mmfr1: u64,
    /// ID_AA64MMFR2_EL1.
    pub mmfr2: u64,
    /// The function of the firmware that makes branch prediction forget, on this core; 0: none (ARM DEN0028, 7.6).
    pub firmware: u64,
}

/// Four bits of an ID register.
const fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 15
}

impl Identity {
    /// Words of it.
    pub const WORDS: usize = 9;
    /// A core without anything.
    pub const NOTHING: Self = Self::from_words([0; Self::WORDS]);

    /// Its words.
    pub const fn words(&self) -> [u64; Self::WORDS] {
        let Self { midr, pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr2, firmware } = *self;
        [midr, pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr2, firmware]
    }

    /// From its words.
    pub const fn from_words(words: [u64; Self::WORDS]) -> Self {
        let [midr, pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr2, firmware] = words;
        Self { midr, pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr2, firmware }
    }

    /// What it can do of what the kernel uses.
    pub fn protections(&self) -> Protections {
        let mut has = Protections::empty();
        has.set(Protections::PAN, field(self.mmfr1, 20) >= 1);
        has.set(Protections::E0PD, field(self.mmfr2, 60) >= 1);
        has.set(Protections::SSBS, field(self.pfr1, 4) >= 1);
        has.set(Protections::BTI, field(self.pfr1, 0) >= 1);
        has.set(Protections::AUTH, self.signature() != Signature::NONE);
        has
    }

    /// How it signs addresses.
    pub const fn signature(&self) -> Signature {
        Signature {
            qarma5: field(self.isar1, 4) as u8,
            own: field(self.isar1, 8) as u8,
            qarma3: field(self.isar2, 12) as u8,
        }
    }

    /// ID_AA64PFR0_EL1.CSV2: 1, the branch targets of others have no influence; 3, nor has their branch history.
    pub const fn csv2(&self) -> u64 {
        field(self.pfr0, 56)
    }

    /// ID_AA64PFR0_EL1.CSV3: what faults under speculation yields no data.
    pub const fn csv3(&self) -> bool {
        field(self.pfr0, 60) >= 1
    }

    /// ID_AA64MMFR1_EL1.ECBHB: exceptions protect the branch history.
    pub const fn protects_history(&self) -> bool {
        field(self.mmfr1, 60) >= 1
    }

    /// ID_AA64ISAR2_EL1.CLRBHB: there is an instruction that clears the branch history.
    pub const fn clears_history(&self) -> bool {
        field(self.isar2, 28) >= 1
    }

    /// Bits of a physical address (ID_AA64MMFR0_EL1.PARange), as far as the 4 KiB granule goes.
    pub fn address_bits(&self) -> u32 {
        [32, 36, 40, 42, 44].get((self.mmfr0 & 15) as usize).copied().unwrap_or(48)
    }

    /// ID_AA64PFR0_EL1.GIC: the interrupt controller is reached through system registers.
    pub const fn gic_registers(&self) -> bool {
        field(self.pfr0, 24) >= 1
    }
}

/// How a core signs addresses: the algorithm and its stage. What one core signed another can check only if theirs are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature {
    qarma5: u8,
    own: u8,
    qarma3: u8,
}

impl Signature {
    /// It does not.
    pub const NONE: Self = Self { qarma5: 0, own: 0, qarma3: 0 };
}

/// What every core must have, because the boot has relied on it already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needs {
    /// The end of all memory.
    pub memory_end: u64,
    /// The interrupt controller's system registers.
    pub gic_registers: bool,
    /// Not needed: what the kernel was built to use, if all have it.
    pub usable: Protections,
}

/// Why a core is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// It does not reach all memory.
    Memory,
    /// It does not reach the interrupt controller.
    Interrupts,
    /// It lacks what is in use.
    InUse(Protections),
}

impl core::fmt::Display for Lack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Memory => f.write_str("it does not reach all memory"),
            Self::Interrupts => f.write_str("it has no registers of the interrupt controller"),
            Self::InUse(lacking) => write!(f, "it lacks what is in use:{}", abi::Named(*lacking)),
        }
    }
}

/// The cores that take part, and what all of them have.
#[derive(Clone, Copy, Debug)]
pub struct Census {
    needs: Needs,
    common: Protections,
    signature: Signature,
    settled: bool,
}

impl Census {
    /// The boot core alone.
    pub fn new(boot: &Identity, needs: Needs) -> Self {
        Self { needs, common: boot.protections() & needs.usable, signature: boot.signature(), settled: false }
    }

    /// Another core: it takes part, or it is told what it lacks and nothing changes.
    ///
    /// # Errors
    /// [`Lack`].
    pub fn admit(&mut self, core: &Identity) -> Result<(), Lack> {
        if core.address_bits() < 64 - self.needs.memory_end.saturating_sub(1).leading_zeros() {
            return Err(Lack::Memory);
        }
        if self.needs.gic_registers && !core.gic_registers() {
            return Err(Lack::Interrupts);
        }
        let mut has = core.protections();
        has.set(Protections::AUTH, has.contains(Protections::AUTH) && core.signature() == self.signature);
        if self.settled && !has.contains(self.common) {
            return Err(Lack::InUse(self.common.difference(has)));
        }
        self.common &= has;
        Ok(())
    }

    /// What all have is in use from now on: who comes later must have it.
    pub fn settle(&mut self) -> Protections {
        self.settled = true;
        self.common
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::cores::*;

    const NEEDS: Needs = Needs { memory_end: 1 << 36, gic_registers: false, usable: Protections::FEATURES };

    /// The census of these cores, the first of them the boot core.
    fn census(cores: &[Identity]) -> Census {
        let mut census = Census::new(&cores[0], NEEDS);
        cores[1..].iter().for_each(|core| census.admit(core).expect("a core that comes early is admitted"));
        census
    }

    #[test]
    fn features_are_read_from_the_registers() {
        assert_eq!(CORTEX_A53.protections(), Protections::empty());
        assert_eq!(CORTEX_A76.protections(), Protections::PAN | Protections::SSBS);
        assert_eq!(NEW.protections(), Protections::FEATURES);
    }

    #[test]
    fn in_use_is_what_all_cores_have_in_whatever_order_they_come() {
        for cores in [[CORTEX_A53, CORTEX_A76, NEW], [NEW, CORTEX_A76, CORTEX_A53]] {
            assert_eq!(census(&cores).settle(), Protections::empty());
        }
        assert_eq!(census(&[CORTEX_A76, NEW]).settle(), Protections::PAN | Protections::SSBS);
        assert_eq!(census(&[NEW, NEW]).settle(), Protections::FEATURES);
        let all = [CORTEX_A53, CORTEX_A57, CORTEX_A72, CORTEX_A75, CORTEX_A76, MAX, NEW];
        for first in all {
            for second in all {
                let common = first.protections() & second.protections();
                let in_use = census(&[first, second]).settle();
                assert!(common.contains(in_use) && common.difference(in_use).difference(Protections::AUTH).is_empty());
                assert_eq!(in_use, census(&[second, first]).settle());
            }
        }
    }

    #[test]
    fn a_late_core_that_lacks_what_is_in_use_is_refused_and_changes_nothing() {
        let mut census = census(&[NEW, NEW]);
        let in_use = census.settle();
        let lack = census.admit(&CORTEX_A76).expect_err("it lacks three");
        assert_eq!(lack, Lack::InUse(Protections::BTI | Protections::AUTH | Protections::E0PD));
        assert_eq!(lack.to_string(), "it lacks what is in use: E0PD BTI AUTH");
        assert_eq!(census.settle(), in_use);
        assert_eq!(census.admit(&NEW), Ok(()));
    }

    #[test]
    fn a_late_core_that_has_more_is_admitted_and_changes_nothing() {
        let mut census = census(&[CORTEX_A53, CORTEX_A53]);
        assert_eq!(census.settle(), Protections::empty());
        assert_eq!(census.admit(&NEW), Ok(()));
        assert_eq!(census.settle(), Protections::empty());
    }

    #[test]
    fn what_the_kernel_was_not_built_for_is_not_in_use_and_nobody_lacks_it() {
        let usable = Protections::FEATURES - Protections::BTI - Protections::AUTH;
        let mut census = Census::new(&NEW, Needs { usable, ..NEEDS });
        assert_eq!(census.settle(), usable);
        assert_eq!(census.admit(&Identity { pfr1: NEW.pfr1 & !15, isar1: 0, isar2: 0, ..NEW }), Ok(()));
    }

    #[test]
    fn signatures_of_another_algorithm_are_none() {
        let other = Identity { isar1: 1 << 8, ..NEW };
        assert!(other.protections().contains(Protections::AUTH));
        assert_eq!(census(&[NEW, other]).settle(), Protections::FEATURES.difference(Protections::AUTH));
        let mut alike = census(&[NEW, NEW]);
        alike.settle();
        assert_eq!(alike.admit(&other), Err(Lack::InUse(Protections::AUTH)));
    }

    #[test]
    fn a_core_without_what_the_boot_relied_on_is_refused_at_once() {
        let far = Needs { memory_end: (1 << 40) + 1, gic_registers: true, usable: Protections::FEATURES };
        let mut census = Census::new(&CORTEX_A57, far);
        assert_eq!(census.admit(&CORTEX_A53), Err(Lack::Memory));
        assert_eq!(census.admit(&Identity { pfr0: 0, ..CORTEX_A57 }), Err(Lack::Interrupts));
        assert_eq!(census.admit(&CORTEX_A57), Ok(()));
        let mut exactly = Census::new(
            &CORTEX_A57,
            Needs { memory_end: 1 << 40, gic_registers: false, usable: Protections::FEATURES },
        );
        assert_eq!(exactly.admit(&CORTEX_A53), Ok(()));
    }

    #[test]
    fn an_identity_survives_its_words() {
        let words = core::array::from_fn(|index| index as u64 * 0x0101);
        assert_eq!(Identity::from_words(words).words(), words);
    }
}
