//! What a device needs of others: phandles with arguments, by kind.

use crate::address::{MAX_ENTRIES, number};
use crate::token::Tokens;
use crate::{Fault, Node, Phandles, Strings, Tree, TreeError, phandle};

/// Most properties of a node that are looked at: of 577 trees none has more than 100.
const MAX_PROPERTIES: usize = 512;
/// Most cells behind a phandle: of 577 trees none has more than six.
const MAX_ARGUMENTS: usize = 16;

/// What a device can need of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// `clocks`
    Clocks,
    /// `resets`
    Resets,
    /// `*-supply`
    Supplies,
    /// `pinctrl-N`
    Pins,
    /// `gpios`, `*-gpios`, and what they were called before: `gpio`, `*-gpio`
    Gpios,
    /// `power-domains`
    PowerDomains,
    /// `dmas`
    Dmas,
    /// `phys`
    Phys,
    /// `iommus`
    Iommus,
    /// `mboxes`
    Mailboxes,
}

impl Dependency {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Clocks,
        Self::Resets,
        Self::Supplies,
        Self::Pins,
        Self::Gpios,
        Self::PowerDomains,
        Self::Dmas,
        Self::Phys,
        Self::Iommus,
        Self::Mailboxes,
    ];

    /// The word for it in a driver's manifest.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clocks => "clocks",
            Self::Resets => "resets",
            Self::Supplies => "supplies",
            Self::Pins => "pins",
            Self::Gpios => "gpios",
            Self::PowerDomains => "power-domains",
            Self::Dmas => "dmas",
            Self::Phys => "phys",
            Self::Iommus => "iommus",
            Self::Mailboxes => "mailboxes",
        }
    }

    /// What a word of a driver's manifest means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dependency| dependency.word() == word)
    }

    /// The property of the provider that says how many arguments follow its phandle; none where none follow.
    const fn cells(self) -> Option<&'static str> {
        match self {
            Self::Clocks => Some("#clock-cells"),
            Self::Resets => Some("#reset-cells"),
            Self::Supplies | Self::Pins => None,
            Self::Gpios => Some("#gpio-cells"),
            Self::PowerDomains => Some("#power-domain-cells"),
            Self::Dmas => Some("#dma-cells"),
            Self::Phys => Some("#phy-cells"),
            Self::Iommus => Some("#iommu-cells"),
            Self::Mailboxes => Some("#mbox-cells"),
        }
    }

    /// The property of the device that names the entries.
    const fn names(self) -> Option<&'static str> {
        match self {
            Self::Clocks => Some("clock-names"),
            Self::Resets => Some("reset-names"),
            Self::PowerDomains => Some("power-domain-names"),
            Self::Dmas => Some("dma-names"),
            Self::Phys => Some("phy-names"),
            Self::Mailboxes => Some("mbox-names"),
            Self::Pins => Some("pinctrl-names"),
            Self::Supplies | Self::Gpios | Self::Iommus => None,
        }
    }

    /// What a property holds, and the name that is part of its own.
    fn of(property: &str) -> Option<(Self, Option<&str>)> {
        Some(match property {
            "clocks" => (Self::Clocks, None),
            "resets" => (Self::Resets, None),
            "power-domains" => (Self::PowerDomains, None),
            "dmas" => (Self::Dmas, None),
            "phys" => (Self::Phys, None),
            "iommus" => (Self::Iommus, None),
            "mboxes" => (Self::Mailboxes, None),
            "gpios" | "gpio" => (Self::Gpios, None),
            _ => {
                let supply = property.strip_suffix("-supply").map(|name| (Self::Supplies, Some(name)));
                let gpios = || property.strip_suffix("-gpios").or_else(|| property.strip_suffix("-gpio"));
                let state = || property.strip_prefix("pinctrl-").filter(|state| state.parse::<u8>().is_ok());
                return supply
                    .or_else(|| gpios().map(|name| (Self::Gpios, Some(name))))
                    .or_else(|| state().map(|_| (Self::Pins, None)));
            }
        })
    }
}

/// The cells behind a phandle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arguments<'a>(pub(crate) &'a [u8]);

impl Arguments<'_> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each as a number.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.chunks_exact(4).map(|cell| number(cell) as u32)
    }
}

/// Something that a device needs of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Of what kind.
    pub dependency: Dependency,
    /// The property that says so.
    pub property: &'a str,
    /// Its name: from `clock-names` and its like, of a supply or a GPIO what stands before `-supply` and `-gpios`.
    pub name: Option<&'a str>,
    /// Offset in the structure block of the node that has it.
    pub provider: usize,
    /// What of it.
    pub arguments: Arguments<'a>,
}

/// Everything that a device needs of others, in the order of its properties. What follows an error within one property is
/// left out.
#[derive(Clone, Debug)]
pub struct References<'w, 'a> {
    node: Node<'w, 'a>,
    phandles: Phandles<'w>,
    properties: Tokens<'a>,
    looked_at: usize,
    open: Option<Entries<'a>>,
}

/// What is left of a property.
#[derive(Clone, Debug)]
struct Entries<'a> {
    dependency: Dependency,
    property: &'a str,
    /// The name of all entries.
    fixed: Option<&'a str>,
    /// The names of those that are left.
    names: Strings<'a>,
    rest: &'a [u8],
}

impl<'w, 'a> References<'w, 'a> {
    pub(crate) fn new(node: Node<'w, 'a>, phandles: Phandles<'w>) -> Self {
        let mut properties = node.tree.tokens(node.offset());
        // A node was walked to: its beginning is there.
        let _ = properties.next();
        Self { node, phandles, properties, looked_at: 0, open: None }
    }

    /// The next property that refers to others.
    fn open(&mut self) -> Option<Entries<'a>> {
        let at = self.node.offset();
        loop {
            self.looked_at += 1;
            if self.looked_at > MAX_PROPERTIES {
                return None;
            }
            let raw = self.properties.next_property()?;
            let property = self.node.tree.named(raw).name;
            let Some((dependency, prefix)) = Dependency::of(property) else { continue };
            let names =
                || Strings::new(dependency.names().and_then(|it| self.node.tree.property_at(at, it)).unwrap_or(&[]));
            let (fixed, names) = match dependency {
                Dependency::Pins => (names().nth(state(property)), Strings::default()),
                _ => (prefix, names()),
            };
            return Some(Entries { dependency, property, fixed, names, rest: raw.value });
        }
    }

    /// One entry off the front; `None` for a hole in the list.
    fn entry(&self, entries: &mut Entries<'a>) -> Result<Option<Reference<'a>>, TreeError> {
        let error = |fault| self.node.error(entries.property, fault);
        let value = core::mem::take(&mut entries.rest);
        if value.len() / 4 > MAX_ENTRIES * 4 {
            return Err(error(Fault::TooMany(MAX_ENTRIES * 4)));
        }
        let (number, behind) = phandle::split(value).map_err(error)?;
        let name = entries.fixed.or(entries.names.next());
        if number == 0 {
            entries.rest = behind;
            return Ok(None);
        }
        let provider = self.phandles.find(number).ok_or_else(|| error(Fault::Phandle(number)))?;
        let bytes = self.argument_bytes(entries.dependency, provider)?;
        let short = Fault::Length { have: behind.len(), need: bytes };
        let (arguments, rest) = behind.split_at_checked(bytes).ok_or_else(|| error(short))?;
        entries.rest = rest;
        let Entries { dependency, property, .. } = *entries;
        Ok(Some(Reference { dependency, property, name, provider, arguments: Arguments(arguments) }))
    }

    fn argument_bytes(&self, dependency: Dependency, provider: usize) -> Result<usize, TreeError> {
        let Some(cells) = dependency.cells() else { return Ok(0) };
        let tree: &Tree<'a> = self.node.tree;
        let error = |fault| tree.error(provider, cells, fault);
        let value = tree.property_at(provider, cells).ok_or_else(|| error(Fault::Missing))?;
        let [a, b, c, d] = *value else { return Err(error(Fault::Length { have: value.len(), need: 4 })) };
        let count = u32::from_be_bytes([a, b, c, d]);
        if count as usize > MAX_ARGUMENTS { Err(error(Fault::Cells(count))) } else { Ok(count as usize * 4) }
    }
}

/// The number in `pinctrl-N`.
fn state(property: &str) -> usize {
    property.strip_prefix("pinctrl-").and_then(|state| state.parse().ok()).unwrap_or(0)
}

impl<'a> Iterator for References<'_, 'a> {
    type Item = Result<Reference<'a>, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut entries = match self.open.take() {
                Some(entries) => entries,
                None => self.open()?,
            };
            if entries.rest.is_empty() {
                continue;
            }
            let taken = self.entry(&mut entries);
            self.open = Some(entries);
            if let Some(found) = taken.transpose() {
                return Some(found);
            }
        }
    }
}

impl<'a> Tree<'a> {
    /// The value of a property of the node at this offset of the structure block, among the first that it has.
    pub(crate) fn property_at(&self, at: usize, name: &str) -> Option<&'a [u8]> {
        let mut tokens = self.tokens(at);
        tokens.next().ok()?;
        let properties = core::iter::from_fn(|| tokens.next_property()).take(MAX_PROPERTIES);
        properties.into_iter().find(|&raw| self.name(raw) == name.as_bytes()).map(|raw| raw.value)
    }
}
