//! What a core does about speculation on entry to the kernel, by its ID registers and its model.
//!
//! Which models are concerned, and how often the loop runs on each, is Arm's list: "Vulnerability of Speculative Processors
//! to Cache Timing Side-Channel Mechanism" and "Spectre-BHB" (developer.arm.com, Arm Security Center).

use abi::Protections;

use crate::errata::{ALL, Models, Quirks, Span, UNPRIVILEGED_LOADS, arm, qualcomm};
use crate::features::Identity;

/// What the command line asks for: `mitigations=off|auto|force`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wish {
    /// Nothing.
    Off,
    /// What each core needs.
    #[default]
    Auto,
    /// The most expensive there is, everywhere: to measure it, and to test it where no core needs it.
    Force,
}

/// What a core does on entry from user space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mitigation {
    /// The kernel's pages are not mapped in user space.
    pub trampoline: bool,
    /// This function of the firmware is called; 0: none.
    pub firmware: u32,
    /// The branch history is cleared by an instruction.
    pub clear: bool,
    /// So many taken branches displace the branch history.
    pub loops: u8,
    /// The core is concerned, and nothing is known that helps.
    pub exposed: bool,
}

/// In order, or safe by Arm's word: branch prediction gives nothing away, nor does a faulting load.
const SAFE: Models = &[
    Span(arm(0xd03), ALL),      // Cortex-A53
    Span(arm(0xd04), ALL),      // Cortex-A35
    Span(arm(0xd05), ALL),      // Cortex-A55
    Span(arm(0xd46), ALL),      // Cortex-A510
    Span(arm(0xd80), ALL),      // Cortex-A520
    Span(qualcomm(0x801), ALL), // Kryo 2xx Silver
    Span(qualcomm(0x803), ALL), // Kryo 3xx Silver
    Span(qualcomm(0x805), ALL), // Kryo 4xx Silver
];

/// No Meltdown, although CSV3 does not say so.
const NO_MELTDOWN: Models = &[
    Span(arm(0xd07), ALL), // Cortex-A57
    Span(arm(0xd08), ALL), // Cortex-A72
    Span(arm(0xd09), ALL), // Cortex-A73
];

/// How often the loop runs.
const LOOPS: [(u8, Models); 6] = [
    (8, &[Span(arm(0xd07), ALL), Span(arm(0xd08), ALL)]), // Cortex-A57, -A72
    (11, &[Span(0xc0 << 12 | 0xac3, ALL)]),               // Ampere1
    (
        24,
        &[
            Span(arm(0xd0b), ALL),      // Cortex-A76
            Span(arm(0xd0c), ALL),      // Neoverse-N1
            Span(arm(0xd0d), ALL),      // Cortex-A77
            Span(arm(0xd0e), ALL),      // Cortex-A76AE
            Span(qualcomm(0x804), ALL), // Kryo 4xx Gold
        ],
    ),
    (
        32,
        &[
            Span(arm(0xd40), ALL), // Neoverse-V1
            Span(arm(0xd41), ALL), // Cortex-A78
            Span(arm(0xd42), ALL), // Cortex-A78AE
            Span(arm(0xd44), ALL), // Cortex-X1
            Span(arm(0xd47), ALL), // Cortex-A710
            Span(arm(0xd48), ALL), // Cortex-X2
            Span(arm(0xd49), ALL), // Neoverse-N2
            Span(arm(0xd4b), ALL), // Cortex-A78C
            Span(arm(0xd4c), ALL), // Cortex-X1C
        ],
    ),
    (38, &[Span(arm(0xd4d), ALL), Span(arm(0xd81), ALL)]), // Cortex-A715, -A720
    (132, &[Span(arm(0xd4e), ALL), Span(arm(0xd4f), ALL)]), // Cortex-X3, Neoverse-V2
];

/// The loop of a core on which it is forced.
const FORCED_LOOPS: u8 = 32;

impl Wish {
    /// What the command line says; `Err` holds what was not understood. The last word counts.
    ///
    /// # Errors
    /// The value, when it is none of the three.
    pub fn parse(bootargs: &str) -> Result<Self, &str> {
        match bootargs.split_ascii_whitespace().filter_map(|word| word.strip_prefix("mitigations=")).next_back() {
            None | Some("auto") => Ok(Self::Auto),
            Some("off") => Ok(Self::Off),
            Some("force") => Ok(Self::Force),
            Some(other) => Err(other),
        }
    }
}

impl Mitigation {
    /// What this core does.
    pub fn choose(wish: Wish, core: &Identity) -> Self {
        match wish {
            Wish::Off => Self::default(),
            Wish::Auto => Self::needed(core),
            Wish::Force => Self { trampoline: true, loops: FORCED_LOOPS, ..Self::default() },
        }
    }

    fn needed(core: &Identity) -> Self {
        let is = |models: Models| models.iter().any(|span| span.has(core.midr));
        let unprivileged_loads = is(UNPRIVILEGED_LOADS);
        if is(SAFE) {
            return Self { trampoline: unprivileged_loads, ..Self::default() };
        }
        let trampoline = unprivileged_loads || !core.csv3() && !is(NO_MELTDOWN);
        let loops = LOOPS.iter().find(|(_, models)| is(models)).map_or(0, |&(loops, _)| loops);
        let firmware = core.firmware as u32;
        // A loop moves history out of the way; branch targets of others only the firmware makes a core forget.
        let targets = core.csv2() == 0;
        let history = core.csv2() < 3 && !core.protects_history();
        let rest = match (targets, history) {
            (false, false) => Self::default(),
            (false, true) if core.clears_history() => Self { clear: true, ..Self::default() },
            (false, true) if loops > 0 => Self { loops, ..Self::default() },
            (_, _) if firmware != 0 => Self { firmware, loops, ..Self::default() },
            (_, _) => Self { loops, exposed: true, ..Self::default() },
        };
        Self { trampoline, ..rest }
    }

    /// What it asks of all cores: with a trampoline, translations of processes may stand under ASID 0 as well.
    pub fn quirks(&self) -> Quirks {
        if self.trampoline { Quirks::TLBI_TWICE } else { Quirks::empty() }
    }

    /// In words that people are shown.
    pub fn protections(&self) -> Protections {
        let mut does = Protections::empty();
        does.set(Protections::TRAMPOLINE, self.trampoline);
        does.set(Protections::FIRMWARE, self.firmware != 0);
        does.set(Protections::CLEAR, self.clear);
        does.set(Protections::LOOP, self.loops > 0);
        does.set(Protections::EXPOSED, self.exposed);
        does
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::cores::*;

    const WORKAROUND_3: u64 = 0x8000_3fff;
    const NONE: Mitigation = Mitigation { trampoline: false, firmware: 0, clear: false, loops: 0, exposed: false };

    fn auto(core: Identity) -> Mitigation {
        Mitigation::choose(Wish::Auto, &core)
    }

    #[test]
    fn each_core_of_a_phone_gets_what_it_needs() {
        assert_eq!(auto(CORTEX_A53), NONE);
        assert_eq!(auto(CORTEX_A76), Mitigation { loops: 24, ..NONE });
        assert_eq!(auto(NEW), Mitigation { clear: true, ..NONE });
        assert_eq!(auto(Identity { pfr0: NEW.pfr0 | 3 << 56, ..NEW }), NONE);
        assert_eq!(auto(Identity { mmfr1: 1 << 60, isar2: 0, ..NEW }), NONE);
    }

    #[test]
    fn a_core_that_reads_the_kernel_ahead_of_time_does_not_have_it_mapped() {
        assert_eq!(auto(Identity { midr: 0x410f_d460, ..NEW }), Mitigation { trampoline: true, ..NONE });
        assert_eq!(auto(Identity { midr: 0x410f_d801, ..NEW }), Mitigation { trampoline: true, ..NONE });
        assert_eq!(auto(Identity { midr: 0x410f_d802, ..NEW }), NONE);
    }

    #[test]
    fn meltdown_takes_the_trampoline_and_branch_targets_the_firmware() {
        let firmware = Identity { firmware: WORKAROUND_3, ..CORTEX_A75 };
        assert_eq!(auto(firmware), Mitigation { trampoline: true, firmware: 0x8000_3fff, ..NONE });
        assert_eq!(auto(CORTEX_A75), Mitigation { trampoline: true, exposed: true, ..NONE });
        let with = Identity { firmware: WORKAROUND_3, ..CORTEX_A72 };
        assert_eq!(auto(with), Mitigation { firmware: 0x8000_3fff, loops: 8, ..NONE });
        assert_eq!(auto(CORTEX_A72), Mitigation { loops: 8, exposed: true, ..NONE });
    }

    #[test]
    fn a_core_nobody_knows_counts_as_concerned() {
        let unknown = Identity { midr: 0x7f0f_0000, pfr0: 0, ..CORTEX_A76 };
        assert_eq!(auto(unknown), Mitigation { trampoline: true, exposed: true, ..NONE });
        // It is safe from all but the history of branches.
        assert_eq!(auto(MAX), Mitigation { exposed: true, ..NONE });
    }

    #[test]
    fn the_kernel_is_unmapped_where_faulting_loads_are_not_known_to_be_safe() {
        for core in [CORTEX_A53, CORTEX_A57, CORTEX_A72, CORTEX_A76, MAX, NEW] {
            assert!(!auto(core).trampoline && auto(core).quirks().is_empty(), "{core:?}");
        }
        // Cortex-A75, Kryo 3xx Gold, a stranger; the A75's successors say that they are safe.
        for midr in [CORTEX_A75.midr, 0x516f_802d, 0x7f0f_0000] {
            let mitigation = auto(Identity { midr, ..CORTEX_A75 });
            assert!(mitigation.trampoline && mitigation.quirks() == Quirks::TLBI_TWICE, "{midr:#x}");
            assert!(mitigation.protections().contains(Protections::TRAMPOLINE));
            assert!(!auto(Identity { midr, pfr0: CORTEX_A75.pfr0 | 1 << 60, ..CORTEX_A75 }).trampoline, "{midr:#x}");
        }
        // Of the Cortex-A520 the releases up to r0p1 only, however safe they say they are.
        assert!(auto(Identity { midr: 0x410f_d801, ..NEW }).protections().contains(Protections::TRAMPOLINE));
        assert!(!auto(Identity { midr: 0x411f_d800, ..NEW }).trampoline);
    }

    #[test]
    fn the_command_line_has_the_last_word() {
        assert_eq!(Wish::parse("log=debug"), Ok(Wish::Auto));
        assert_eq!(Wish::parse("mitigations=force mitigations=off"), Ok(Wish::Off));
        assert_eq!(Wish::parse("mitigations=on"), Err("on"));
        assert_eq!(Mitigation::choose(Wish::Off, &CORTEX_A75), NONE);
        assert_eq!(Mitigation::choose(Wish::Force, &CORTEX_A53), Mitigation { trampoline: true, loops: 32, ..NONE });
    }
}
