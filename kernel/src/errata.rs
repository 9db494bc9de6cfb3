//! What a core gets wrong, by MIDR. Source: Arm's "Software Developers Errata Notice" of each core, and the register of
//! workarounds that Linux keeps (Documentation/arch/arm64/silicon-errata.rst, arch/arm64/Kconfig).
//!
//! Each entry says where this system deals with it, or why it is no concern here. What needs something done while the
//! system runs is a [`Quirks`]; a core brings its own, and what needs all cores' help is done as soon as one has it.

use bitflags::bitflags;

/// Releases from this to that, variant in the high four bits, revision in the low.
pub type Releases = (u8, u8);

/// Whatever the release.
pub const ALL: Releases = (0, 0xff);

/// Releases of a model.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub u32, pub Releases);

/// Some models.
pub type Models = &'static [Span];

/// A model of Arm's: implementer and part number.
pub const fn arm(part: u32) -> u32 {
    0x41 << 12 | part
}

/// A model of Qualcomm's.
pub const fn qualcomm(part: u32) -> u32 {
    0x51 << 12 | part
}

impl Span {
    /// Whether the core with this MIDR is one of them.
    pub const fn has(&self, midr: u64) -> bool {
        let model = (midr >> 24 & 0xff) << 12 | midr >> 4 & 0xfff;
        let release = (midr >> 20 & 15) << 4 | midr & 15;
        let (from, to) = self.1;
        model == self.0 as u64 && from as u64 <= release && release <= to as u64
    }
}

bitflags! {
    /// What is to be done while the system runs.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Quirks: u32 {
        /// Cleaning a cache line must invalidate it too. User
        /// space's own maintenance then traps on all cores and is done for it ([`crate::maintenance`]).
        const CLEAN_INVALIDATES = 1;
        /// TLB maintenance is complete only the second time; concerns every core, for it is broadcast. ASID 0 is
        /// dropped too then, which cores need that do not map the kernel for processes ([`crate::mitigation::Mitigation::quirks`]).
        const TLBI_TWICE = 2;
        /// Something is known for which nothing is done.
        const OPEN = 4;
    }
}

/// How an erratum is dealt with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// While the system runs.
    Quirk(Quirks),
    /// By the linker (843419): `xtask/src/toolchain.rs`. Not done yet: 835769, for which the linker has nothing and the stable
    /// compiler no quiet way.
    Build,
    /// Nothing here meets its conditions, on no core.
    Avoided(Avoided),
    /// The firmware deals with it.
    Firmware,
    /// The vectors do: [`crate::mitigation`] chooses the trampoline for it.
    Vectors,
}

/// Why the conditions are not met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Avoided {
    /// There is no AArch32 at EL0.
    NoAarch32,
    /// EL2 is left at boot: no stage 2, no guests, no translation on behalf of another regime.
    NoEl2,
    /// The hardware does not manage access flags and dirty state.
    NoHardwareFlags,
    /// No trace unit, no buffer of it, no activity monitor is switched on.
    NoTrace,
    /// No software step.
    NoStep,
    /// Common-not-private translations are not used.
    NoSharedTranslations,
    /// The counter is read twice where its lower half wraps (`Machine::now`, `rt::now_ticks`).
    CounterTwice,
    /// Device registers are read by load-acquire (`mmio.rs` here and in `drivers/kit`).
    DeviceLoadsAcquire,
    /// Syndrome and address of a process's own fault can be wrong: its report misleads, and nothing else rests on it.
    OnlyMisreported,
    /// PSTATE.SSBS is changed by exception entry and return, never by MSR.
    NoSsbsWrite,
    /// No process writes code; the kernel's maintenance covers all instruction caches.
    NoOwnCode,
}

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub struct Erratum {
    /// Its number in the notice of the core.
    pub number: u32,
    /// Whom it concerns.
    pub models: Models,
    /// What is done.
    pub answer: Answer,
}

const A53: u32 = arm(0xd03);
const A55: u32 = arm(0xd05);
const A57: u32 = arm(0xd07);
const A72: u32 = arm(0xd08);
const A73: u32 = arm(0xd09);
const A76: u32 = arm(0xd0b);
const N1: u32 = arm(0xd0c);
const A77: u32 = arm(0xd0d);
const A510: u32 = arm(0xd46);
const A710: u32 = arm(0xd47);
const X2: u32 = arm(0xd48);
const A715: u32 = arm(0xd4d);
const A520: u32 = arm(0xd80);
const KRYO: u32 = qualcomm(0x200);
const KRYO_2XX_GOLD: u32 = qualcomm(0x800);
const KRYO_2XX_SILVER: u32 = qualcomm(0x801);
const KRYO_3XX_SILVER: u32 = qualcomm(0x803);
const KRYO_4XX_GOLD: u32 = qualcomm(0x804);
const KRYO_4XX_SILVER: u32 = qualcomm(0x805);

/// Cores on which memory accesses may be incomplete when the TLBI that ends their translation is (CVE-2025-10263).
const INCOMPLETE_TLBI: Models = &[
    Span(A76, ALL),
    Span(N1, ALL),
    Span(A77, ALL),
    Span(arm(0xd0e), ALL), // Cortex-A76AE
    Span(arm(0xd40), ALL), // Neoverse-V1
    Span(arm(0xd41), ALL), // Cortex-A78
    Span(arm(0xd42), ALL), // Cortex-A78AE
    Span(arm(0xd44), ALL), // Cortex-X1
    Span(A710, ALL),
    Span(X2, ALL),
    Span(arm(0xd49), ALL), // Neoverse-N2
    Span(arm(0xd4b), ALL), // Cortex-A78C
    Span(arm(0xd4c), ALL), // Cortex-X1C
    Span(arm(0xd4e), ALL), // Cortex-X3
    Span(arm(0xd4f), ALL), // Neoverse-V2
    Span(arm(0xd82), ALL), // Cortex-X4
    Span(arm(0xd83), ALL), // Neoverse-V3AE
    Span(arm(0xd84), ALL), // Neoverse-V3
    Span(arm(0xd85), ALL), // Cortex-X925
    Span(arm(0xd8c), ALL), // C1-Ultra
];

/// Kryo of the Snapdragon 820: several part numbers.
const FIRST_KRYO: Models =
    &[Span(KRYO, ALL), Span(qualcomm(0x201), ALL), Span(qualcomm(0x205), ALL), Span(qualcomm(0x211), ALL)];

const fn erratum(number: u32, models: Models, answer: Answer) -> Erratum {
    Erratum { number, models, answer }
}

/// The table.
pub const TABLE: &[Erratum] = &[
    erratum(819_472, &[Span(A53, (0, 0x01))], Answer::Quirk(Quirks::CLEAN_INVALIDATES)),
    erratum(824_069, &[Span(A53, (0, 0x02))], Answer::Quirk(Quirks::CLEAN_INVALIDATES)),
    erratum(826_319, &[Span(A53, (0, 0x02))], Answer::Quirk(Quirks::CLEAN_INVALIDATES)),
    erratum(827_319, &[Span(A53, (0, 0x02))], Answer::Quirk(Quirks::CLEAN_INVALIDATES)),
    erratum(835_769, &[Span(A53, (0, 0x04))], Answer::Build),
    erratum(843_419, &[Span(A53, (0, 0x04)), Span(KRYO_2XX_SILVER, (0xa4, 0xa4))], Answer::Build),
    erratum(845_719, &[Span(A53, (0, 0x04)), Span(KRYO_2XX_SILVER, ALL)], Answer::Avoided(Avoided::NoAarch32)),
    erratum(855_873, &[Span(A53, (0x03, 0xff))], Answer::Firmware),
    erratum(1_024_718, &[Span(A55, ALL), Span(KRYO_4XX_SILVER, ALL)], Answer::Avoided(Avoided::NoHardwareFlags)),
    erratum(1_530_923, &[Span(A55, ALL), Span(KRYO_4XX_SILVER, ALL)], Answer::Avoided(Avoided::NoEl2)),
    erratum(
        2_441_007,
        &[Span(A55, ALL), Span(KRYO_3XX_SILVER, ALL), Span(KRYO_4XX_SILVER, ALL)],
        Answer::Quirk(Quirks::TLBI_TWICE),
    ),
    erratum(832_075, &[Span(A57, (0, 0x12))], Answer::Avoided(Avoided::DeviceLoadsAcquire)),
    erratum(834_220, &[Span(A57, (0, 0x12))], Answer::Avoided(Avoided::NoEl2)),
    erratum(852_523, &[Span(A57, (0, 0x12))], Answer::Avoided(Avoided::NoEl2)),
    erratum(1_319_537, &[Span(A57, ALL)], Answer::Avoided(Avoided::NoEl2)),
    erratum(1_742_098, &[Span(A57, ALL)], Answer::Avoided(Avoided::NoAarch32)),
    erratum(853_709, &[Span(A72, ALL)], Answer::Avoided(Avoided::NoEl2)),
    erratum(1_319_367, &[Span(A72, ALL)], Answer::Avoided(Avoided::NoEl2)),
    erratum(1_655_431, &[Span(A72, ALL)], Answer::Avoided(Avoided::NoAarch32)),
    erratum(858_921, &[Span(A73, ALL), Span(KRYO_2XX_GOLD, ALL)], Answer::Avoided(Avoided::CounterTwice)),
    erratum(1_165_522, &[Span(A76, ALL)], Answer::Avoided(Avoided::NoEl2)),
    erratum(1_188_873, &[Span(A76, (0, 0x20)), Span(N1, (0, 0x20))], Answer::Avoided(Avoided::NoAarch32)),
    erratum(1_286_807, &[Span(A76, (0, 0x30)), Span(KRYO_4XX_GOLD, ALL)], Answer::Quirk(Quirks::TLBI_TWICE)),
    erratum(1_418_040, &[Span(A76, (0, 0x31)), Span(N1, (0, 0x31))], Answer::Avoided(Avoided::NoAarch32)),
    erratum(1_463_225, &[Span(A76, (0, 0x31)), Span(KRYO_4XX_GOLD, ALL)], Answer::Avoided(Avoided::NoStep)),
    erratum(1_542_419, &[Span(N1, ALL)], Answer::Avoided(Avoided::NoOwnCode)),
    erratum(1_508_412, &[Span(A77, (0, 0x10))], Answer::Firmware),
    erratum(1_902_691, &[Span(A510, (0, 0x01))], Answer::Avoided(Avoided::NoTrace)),
    erratum(2_038_923, &[Span(A510, (0, 0x02))], Answer::Avoided(Avoided::NoTrace)),
    erratum(2_051_678, &[Span(A510, (0, 0x02))], Answer::Avoided(Avoided::NoHardwareFlags)),
    erratum(2_064_142, &[Span(A510, (0, 0x02))], Answer::Avoided(Avoided::NoTrace)),
    erratum(2_077_057, &[Span(A510, ALL)], Answer::Avoided(Avoided::NoEl2)),
    erratum(2_441_009, &[Span(A510, (0, 0x11))], Answer::Quirk(Quirks::TLBI_TWICE)),
    erratum(2_457_168, &[Span(A510, (0, 0x11))], Answer::Avoided(Avoided::NoTrace)),
    erratum(3_117_295, &[Span(A510, ALL)], Answer::Vectors),
    erratum(2_966_298, &[Span(A520, (0, 0x01))], Answer::Vectors),
    erratum(2_054_223, &[Span(A710, ALL)], Answer::Avoided(Avoided::NoTrace)),
    erratum(2_119_858, &[Span(A710, ALL), Span(X2, ALL)], Answer::Avoided(Avoided::NoTrace)),
    erratum(2_224_489, &[Span(A710, ALL), Span(X2, ALL)], Answer::Avoided(Avoided::NoTrace)),
    erratum(2_645_198, &[Span(A715, (0, 0x10))], Answer::Avoided(Avoided::OnlyMisreported)),
    erratum(3_194_386, INCOMPLETE_TLBI, Answer::Avoided(Avoided::NoSsbsWrite)),
    erratum(4_118_414, INCOMPLETE_TLBI, Answer::Quirk(Quirks::TLBI_TWICE)),
    // Qualcomm's E1003: a TTBR that changes table and ASID at once may leave translations under the wrong ASID.
    erratum(1003, FIRST_KRYO, Answer::Quirk(Quirks::OPEN)),
    // Qualcomm's E1009.
    erratum(1009, FIRST_KRYO, Answer::Quirk(Quirks::TLBI_TWICE)),
    // Nvidia's Carmel.
    erratum(0, &[Span(0x4e << 12 | 0x004, ALL)], Answer::Avoided(Avoided::NoSharedTranslations)),
];

/// Models on which a speculative unprivileged load reads what only the kernel may: errata 2966298 and 3117295.
pub const UNPRIVILEGED_LOADS: Models = &[Span(A510, ALL), Span(A520, (0, 0x01))];

/// What is to be done on, or because of, the core with this MIDR.
pub fn quirks(midr: u64) -> Quirks {
    TABLE.iter().filter(|entry| entry.models.iter().any(|span| span.has(midr))).fold(Quirks::empty(), |all, entry| {
        match entry.answer {
            Answer::Quirk(quirks) => all | quirks,
            _ => all,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn midr(implementer: u64, part: u64, variant: u64, revision: u64) -> u64 {
        implementer << 24 | variant << 20 | 0xf << 16 | part << 4 | revision
    }

    #[test]
    fn releases_are_told_apart() {
        assert_eq!(quirks(midr(0x41, 0xd03, 0, 2)), Quirks::CLEAN_INVALIDATES);
        assert_eq!(quirks(midr(0x41, 0xd03, 0, 3)), Quirks::empty());
        assert_eq!(quirks(midr(0x41, 0xd03, 0, 4)), Quirks::empty());
        assert_eq!(quirks(midr(0x41, 0xd46, 1, 1)), Quirks::TLBI_TWICE);
        assert_eq!(quirks(midr(0x41, 0xd46, 1, 2)), Quirks::empty());
        assert_eq!(quirks(midr(0x41, 0xd09, 0, 2)), Quirks::empty());
        assert_eq!(quirks(midr(0x51, 0x205, 1, 1)), Quirks::TLBI_TWICE | Quirks::OPEN);
        // The same part number of another maker.
        assert_eq!(quirks(midr(0x42, 0xd03, 0, 2)), Quirks::empty());
        assert_eq!(quirks(0), Quirks::empty());
    }

    #[test]
    fn no_entry_stands_twice_or_is_empty() {
        for (index, entry) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.number != entry.number), "{}", entry.number);
            assert!(!entry.models.is_empty() && entry.models.iter().all(|Span(_, (from, to))| from <= to));
        }
    }

    #[test]
    fn what_the_vectors_deal_with_is_what_they_are_chosen_by() {
        let vectors = TABLE.iter().filter(|entry| entry.answer == Answer::Vectors);
        let mut models: Vec<_> = vectors.flat_map(|entry| entry.models).map(|span| (span.0, span.1)).collect();
        let mut chosen: Vec<_> = UNPRIVILEGED_LOADS.iter().map(|span| (span.0, span.1)).collect();
        models.sort_unstable();
        chosen.sort_unstable();
        assert_eq!(models, chosen);
    }
}
