//! What a component says about itself, and what the board grants it.

use abi::layout::PAGE;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::component::Fault;
use crate::error::Problem;
use crate::format::tag;

/// Bytes of a name, a protocol or a `compatible` at most.
pub const MAX_TEXT: usize = 64;
/// Stack of a component that names none, in bytes.
pub const DEFAULT_STACK: u64 = 16 * 1024;
/// Capability slots of a component that names none.
pub const DEFAULT_TABLE: u32 = 64;
/// Priority of a component that names none.
pub const DEFAULT_PRIORITY: u8 = 100;

/// More memory than this is a mistake, and keeps sums of several far from overflow.
const MAX_MEMORY: u64 = 1 << 40;
const MAX_STACK: u64 = 16 << 20;
/// The fixed slots and as many again.
const MIN_TABLE: u32 = 32;
const MAX_TABLE: u32 = 1 << 16;

/// What happens when a component dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Restart {
    /// It stays dead.
    Never = 0,
    /// It is started a second time, not a third.
    #[default]
    Once = 1,
    /// It is started again each time.
    Always = 2,
}

impl Restart {
    /// The policy with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            1 => Some(Self::Once),
            2 => Some(Self::Always),
            _ => None,
        }
    }
}

/// A device that a component drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drive<'a> {
    /// A string of the device tree's `compatible`.
    pub compatible: &'a str,
    /// Only where the device itself says so: for `virtio,mmio` its DeviceID, for `arm,primecell` its peripheral ID.
    pub id: Option<u32>,
}

/// A manifest and the board's grants, both checked: what follows cannot fail.
#[derive(Clone, Copy, Debug)]
pub struct Manifest<'a> {
    manifest: &'a [u8],
    grants: &'a [u8],
}

impl<'a> Manifest<'a> {
    pub(crate) fn parse(manifest: &'a [u8], grants: &'a [u8]) -> Result<Self, Fault> {
        check(manifest, "manifest", |tag| !matches!(tag, tag::GRANT | tag::CORE))?;
        check(grants, "grants", |tag| matches!(tag, tag::GRANT | tag::CORE))?;
        Ok(Self { manifest, grants })
    }

    /// Protocols that it serves.
    pub fn provides(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.manifest, tag::PROVIDES)
    }

    /// Protocols that it calls; `NAME*` stands for all servers of one.
    pub fn uses(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.manifest, tag::USES)
    }

    /// Devices that it drives. A component that drives none is no driver.
    pub fn drives(&self) -> impl Iterator<Item = Drive<'a>> + use<'a> {
        values(self.manifest, tag::DRIVES).filter_map(drive)
    }

    /// What of other devices its device cannot do without: `clocks`, `resets` and their like.
    pub fn needs(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.manifest, tag::NEEDS)
    }

    /// Authority beyond that which the component asks for.
    pub fn requests(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.manifest, tag::REQUEST)
    }

    /// Authority which the board gives it.
    pub fn grants(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.grants, tag::GRANT)
    }

    /// Whether it asked for this authority and the board gives it.
    pub fn is_granted(&self, authority: &str) -> bool {
        self.requests().any(|request| request == authority) && self.grants().any(|grant| grant == authority)
    }

    /// Its untyped memory in bytes, a multiple of the page size.
    pub fn memory_bytes(&self) -> u64 {
        self.number(tag::MEMORY).unwrap_or(0)
    }

    /// Its stack in bytes, a multiple of the page size, not 0.
    pub fn stack_bytes(&self) -> u64 {
        self.number(tag::STACK).unwrap_or(DEFAULT_STACK)
    }

    /// Slots of its CapTable, a power of two.
    pub fn table_slots(&self) -> u32 {
        self.number(tag::TABLE).and_then(|slots| u32::try_from(slots).ok()).unwrap_or(DEFAULT_TABLE)
    }

    /// Its priority.
    pub fn priority(&self) -> u8 {
        self.number(tag::PRIORITY).and_then(|priority| u8::try_from(priority).ok()).unwrap_or(DEFAULT_PRIORITY)
    }

    /// What happens when it dies.
    pub fn restart(&self) -> Restart {
        let number = self.number(tag::RESTART).and_then(|number| u8::try_from(number).ok());
        number.and_then(Restart::from_number).unwrap_or_default()
    }

    /// Microseconds that it may run in any window of so many microseconds, at most all of them; `None`: without limit.
    pub fn budget(&self) -> Option<(u32, u32)> {
        self.number(tag::BUDGET).map(|number| (number as u32, (number >> 32) as u32))
    }

    /// Whether its device is a bus master: only then it gets the DmaSpace.
    pub fn dma(&self) -> bool {
        self.number(tag::DMA) == Some(1)
    }

    /// Whether its threads may use floating point and vector registers.
    pub fn fpu(&self) -> bool {
        self.number(tag::FPU) == Some(1)
    }

    /// The core on which the board lets it run: 0 where the board says nothing. A machine with fewer cores takes it modulo
    /// their number.
    pub fn core(&self) -> u8 {
        let number = values(self.grants, tag::CORE).find_map(|value| number(tag::CORE, value));
        number.and_then(|core| u8::try_from(core).ok()).unwrap_or(0)
    }

    /// The encoded manifest.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.manifest
    }

    /// The encoded grants.
    pub(crate) fn grant_bytes(&self) -> &'a [u8] {
        self.grants
    }

    fn number(&self, wanted: u16) -> Option<u64> {
        values(self.manifest, wanted).find_map(|value| number(wanted, value))
    }
}

/// Whether this may be a name: not empty, not long, visible ASCII.
pub fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// One item of a manifest and what follows it.
struct Item<'a> {
    tag: u16,
    value: &'a [u8],
    rest: &'a [u8],
}

/// The first item; none at the end. An item that is cut off is an error, which carries its tag.
fn split(bytes: &[u8]) -> Option<Result<Item<'_>, u16>> {
    if bytes.is_empty() {
        return None;
    }
    let tag = u16_at(bytes, 0).unwrap_or_default();
    let item = || {
        let (value, rest) = bytes.get(4..)?.split_at_checked(u16_at(bytes, 2)?.into())?;
        Some(Item { tag, value, rest })
    };
    Some(item().ok_or(tag))
}

/// The values with a tag, up to the first item that is cut off.
fn values(bytes: &[u8], wanted: u16) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let items = core::iter::from_fn(move || {
        let item = split(rest)?.ok()?;
        rest = item.rest;
        Some(item)
    });
    items.filter(move |item| item.tag == wanted).map(|item| item.value)
}

fn texts(bytes: &[u8], wanted: u16) -> impl Iterator<Item = &str> {
    values(bytes, wanted).filter_map(text)
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok().filter(|text| is_text(text))
}

fn drive(value: &[u8]) -> Option<Drive<'_>> {
    let id = match u32_at(value, 0)? {
        0 => None,
        1 => Some(u32_at(value, 4)?),
        _ => return None,
    };
    Some(Drive { compatible: text(value.get(8..)?)?, id })
}

/// The value of a tag that holds a number, in the size that belongs to the tag.
fn number(tag: u16, value: &[u8]) -> Option<u64> {
    match (tag, value) {
        (tag::MEMORY | tag::STACK | tag::BUDGET, [_, _, _, _, _, _, _, _]) => u64_at(value, 0),
        (tag::TABLE, [_, _, _, _]) => u32_at(value, 0).map(u64::from),
        (tag::PRIORITY | tag::RESTART | tag::DMA | tag::FPU | tag::CORE, [byte]) => Some((*byte).into()),
        _ => None,
    }
}

fn check(bytes: &[u8], part: &'static str, belongs: impl Fn(u16) -> bool) -> Result<(), Fault> {
    let mut rest = bytes;
    let mut seen = 0u16;
    while let Some(item) = split(rest) {
        let Item { tag, value, rest: behind } = item.map_err(|tag| (part, Problem::Malformed(tag)))?;
        if tag & tag::CRITICAL != 0 && !belongs(tag) {
            return Err((part, Problem::UnknownTag(tag)));
        }
        let single = check_item(part, tag, value)?;
        if single {
            let bit = 1 << (tag & 15);
            if seen & bit != 0 {
                return Err((part, Problem::Repeated(tag)));
            }
            seen |= bit;
        }
        rest = behind;
    }
    Ok(())
}

/// Whether the item may stand only once.
fn check_item(part: &'static str, tag: u16, value: &[u8]) -> Result<bool, Fault> {
    let malformed = (part, Problem::Malformed(tag));
    match tag {
        tag::PROVIDES | tag::USES | tag::REQUEST | tag::GRANT | tag::NEEDS => {
            text(value).ok_or((part, Problem::Text))?;
            Ok(false)
        }
        tag::DRIVES => {
            drive(value).ok_or(malformed)?;
            Ok(false)
        }
        tag::MEMORY
        | tag::STACK
        | tag::BUDGET
        | tag::TABLE
        | tag::PRIORITY
        | tag::RESTART
        | tag::DMA
        | tag::FPU
        | tag::CORE => {
            check_number(tag, number(tag, value).ok_or(malformed)?)?;
            Ok(true)
        }
        unknown if unknown & tag::CRITICAL != 0 => Err((part, Problem::UnknownTag(unknown))),
        _ => Ok(false),
    }
}

fn check_number(tag: u16, number: u64) -> Result<(), Fault> {
    let (field, fine) = match tag {
        tag::MEMORY => ("memory", number.is_multiple_of(PAGE) && number <= MAX_MEMORY),
        tag::STACK => ("stack", number.is_multiple_of(PAGE) && (PAGE..=MAX_STACK).contains(&number)),
        tag::TABLE => {
            let limits = u64::from(MIN_TABLE)..=u64::from(MAX_TABLE);
            ("table", number.is_power_of_two() && limits.contains(&number))
        }
        tag::BUDGET => ("budget", number as u32 != 0 && number as u32 <= (number >> 32) as u32),
        tag::DMA => ("dma", number <= 1),
        tag::FPU => ("fpu", number <= 1),
        // Other numbers are left to the default: these tags are not critical.
        _ => ("priority or restart", true),
    };
    if fine { Ok(()) } else { Err((field, Problem::Value(number))) }
}
