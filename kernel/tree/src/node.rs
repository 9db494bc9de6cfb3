//! One node, as a walk passes it.

use core::fmt;

use fdt::node::NodeProperty;

use crate::token::RawProperty;
use crate::walk::{InterruptParent, Known, Level};
use crate::{
    Arguments, Fault, Phandles, References, Regions, Registers, Strings, Tree, TreeError, Windows, address, strings,
};

/// What a node's `status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Absent, `okay` or `ok`.
    Okay,
    /// `disabled`: not now. A CPU that is asleep says so too.
    Disabled,
    /// `reserved`: another program's.
    Reserved,
    /// `fail`, `fail-…`, or what no standard names.
    Fail,
}

impl Status {
    pub(crate) fn of(value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return Status::Okay };
        match strings::text(value) {
            Some("okay" | "ok") => Status::Okay,
            Some("disabled") => Status::Disabled,
            Some("reserved") => Status::Reserved,
            _ => Status::Fail,
        }
    }
}

/// A node. It borrows the walk that passes it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'w, 'a> {
    pub(crate) tree: &'w Tree<'a>,
    pub(crate) own: &'w Level<'a>,
    /// The nodes around it, from the root to its parent.
    pub(crate) around: &'w [Level<'a>],
    pub(crate) known: &'w Known<'a>,
}

impl<'w, 'a> Node<'w, 'a> {
    /// Name with unit address (`uart@9000000`); of the root empty or `/`.
    pub fn name(&self) -> &'a str {
        self.own.name()
    }

    /// Whether this is its name without unit address.
    pub fn is_named(&self, base: &str) -> bool {
        crate::walk::answers(self.own.name, base.as_bytes())
    }

    /// The whole path, to be printed.
    pub fn path(&self) -> Path<'w, 'a> {
        Path { own: self.own, around: self.around }
    }

    /// Nodes around it: 0 for the root.
    pub fn depth(&self) -> usize {
        self.around.len()
    }

    /// Whether this is the name of the node right around it.
    pub(crate) fn is_in(&self, name: &str) -> bool {
        self.around.last().is_some_and(|parent| parent.name == name.as_bytes())
    }

    /// Offset in the structure block: identifies the node within its tree.
    pub fn offset(&self) -> usize {
        self.own.at
    }

    /// The offset of the node right around it; none for the root.
    pub fn parent(&self) -> Option<usize> {
        self.around.last().map(|parent| parent.at)
    }

    /// Whether it and all nodes around it are enabled.
    pub fn enabled(&self) -> bool {
        self.own.enabled
    }

    /// Its own `status`.
    pub fn status(&self) -> Status {
        Status::of(self.known.status)
    }

    /// The number by which other nodes refer to it.
    pub fn phandle(&self) -> Option<u32> {
        self.known.phandle
    }

    /// What it is, the most specific name first; nothing where it does not say.
    pub fn compatible(&self) -> Strings<'a> {
        Strings::new(self.known.compatible.unwrap_or(&[]))
    }

    /// Whether it is one of `names`.
    pub fn is_compatible(&self, names: &[&str]) -> bool {
        self.compatible().raw().any(|own| names.iter().any(|name| name.as_bytes() == own))
    }

    /// Its registers as CPU physical addresses, in the order of `reg`.
    pub fn registers(&self) -> Registers<'w, 'a> {
        Registers::new(self.tree, self.own.at, self.around, self.known.reg)
    }

    /// The names of its registers, in the order of `reg`.
    pub fn register_names(&self) -> Strings<'a> {
        Strings::new(self.property("reg-names").unwrap_or(&[]))
    }

    /// The stretches of memory that it reaches as a bus master.
    pub fn dma_windows(&self) -> Windows<'w, 'a> {
        Windows::new(self.tree, self.around)
    }

    /// Whether it sees the caches of the cores as a bus master: the innermost of it and the nodes around it that says so or the
    /// opposite decides, and silence means that it does not (as in Linux, `drivers/of/address.c`).
    pub fn is_dma_coherent(&self) -> bool {
        let own = core::iter::once(self.own).chain(self.around.iter().rev());
        own.map(|level| level.coherence(self.tree)).find_map(|says| says).unwrap_or(false)
    }

    /// The pieces of reserved memory that are its own.
    pub fn memory_regions(&self, phandles: &Phandles<'w>) -> Regions<'w, 'a> {
        Regions::new(self, *phandles)
    }

    /// Everything that it needs of others.
    pub fn references(&self, phandles: &Phandles<'w>) -> References<'w, 'a> {
        References::new(*self, *phandles)
    }

    /// The device on whose bus it is, where that bus is not addressed by the CPU: I2C, SPI, a power chip.
    pub fn bus(&self) -> Option<Bus<'a>> {
        let parent = self.around.last().filter(|parent| parent.is_device && self.around.len() > 1)?;
        let address = self.known.reg.unwrap_or(&[]);
        (!address::mapped(self.around)).then_some(Bus { at: parent.at, address: Arguments(address) })
    }

    /// All properties, in order.
    pub fn properties(&self) -> impl Iterator<Item = NodeProperty<'a>> + use<'w, 'a> {
        let tree = self.tree;
        self.raw_properties().map(|raw| tree.named(raw))
    }

    fn raw_properties(&self) -> impl Iterator<Item = RawProperty<'a>> + use<'a> {
        raw_properties(self.tree, self.own.at)
    }

    /// The value of the property `name`.
    pub fn property(&self, name: &str) -> Option<&'a [u8]> {
        self.raw_properties().find(|&raw| self.tree.name(raw) == name.as_bytes()).map(|raw| raw.value)
    }

    /// The property `name` as one text.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, TreeError> {
        let Some(value) = self.property(name) else { return Ok(None) };
        strings::text(value).map(Some).ok_or_else(|| self.error(name, Fault::Text))
    }

    /// The property `name` as a number of one or two cells.
    ///
    /// # Errors
    /// When it has another length.
    pub fn number(&self, name: &str) -> Result<Option<u64>, TreeError> {
        let raw = self.raw_properties().find(|&raw| self.tree.name(raw) == name.as_bytes());
        let Some(property) = raw.map(|raw| self.tree.named(raw)) else { return Ok(None) };
        let length = Fault::Length { have: property.value.len(), need: 4 };
        property.as_usize().map(|value| Some(value as u64)).ok_or_else(|| self.error(name, length))
    }

    pub(crate) fn interrupt_parent(&self) -> Option<InterruptParent> {
        self.known.interrupt_parent(self.around.last())
    }

    pub(crate) fn error(&self, property: &str, fault: Fault) -> TreeError {
        self.tree.error(self.own.at, property, fault)
    }
}

/// A bus that the CPU does not address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bus<'a> {
    /// Offset in the structure block of the device whose bus it is.
    pub at: usize,
    /// Where on it a device is: `reg` as it stands.
    pub address: Arguments<'a>,
}

/// The path of a node, to be printed.
#[derive(Clone, Copy, Debug)]
pub struct Path<'w, 'a> {
    own: &'w Level<'a>,
    around: &'w [Level<'a>],
}

impl fmt::Display for Path<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outer in self.around.iter().skip(1) {
            write!(f, "/{}", outer.name())?;
        }
        write!(f, "/{}", if self.around.is_empty() { "" } else { self.own.name() })
    }
}

impl Level<'_> {
    /// What this node alone says of [`Node::is_dma_coherent`].
    fn coherence(&self, tree: &Tree<'_>) -> Option<bool> {
        raw_properties(tree, self.at).find_map(|raw| match tree.name(raw) {
            b"dma-coherent" => Some(true),
            b"dma-noncoherent" => Some(false),
            _ => None,
        })
    }
}

/// The properties of the node at this offset.
fn raw_properties<'a>(tree: &Tree<'a>, at: usize) -> impl Iterator<Item = RawProperty<'a>> + use<'a> {
    let mut tokens = tree.tokens(at);
    let begun = tokens.next().is_ok();
    core::iter::from_fn(move || if begun { tokens.next_property() } else { None })
}
