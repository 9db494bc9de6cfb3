//! Interrupts: which controller, and for the GIC which of its lines.

use arrayvec::ArrayVec;

use crate::address::number;
use crate::walk::InterruptParent;
use crate::{Fault, Node, Tree, TreeError};

/// Interrupt controllers that are remembered: of 577 trees none has more than 32.
const MAX_CONTROLLERS: usize = 128;
/// Cells of an interrupt: three for the GIC, five for PCI.
const MAX_CELLS: u32 = 16;

/// Which GIC a name stands for, if any: 2 or 3.
pub(crate) fn gic_version(compatible: &[u8]) -> Option<u8> {
    match compatible {
        b"arm,gic-v3" => Some(3),
        b"arm,gic-400" | b"arm,cortex-a15-gic" | b"arm,cortex-a9-gic" | b"arm,cortex-a7-gic" | b"qcom,msm-qgic2" => {
            Some(2)
        }
        _ => None,
    }
}

/// What makes the line fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A change of the line.
    Edge,
    /// The state of the line.
    Level,
}

/// A line of the GIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Interrupt number as the GIC counts: PPIs from 16, SPIs from 32.
    pub intid: u32,
    /// What makes it fire.
    pub trigger: Trigger,
}

impl Line {
    /// Decodes the cells type, number, flags. A GICv2 keeps a mask of CPUs in the upper flags of a PPI: left out.
    fn decode(entry: &[u8]) -> Result<Self, Fault> {
        let mut cells = entry.chunks_exact(4).map(|cell| number(cell) as u32);
        let (Some(kind), Some(index), Some(flags)) = (cells.next(), cells.next(), cells.next()) else {
            return Err(Fault::Length { have: entry.len(), need: 12 });
        };
        let (first, count) = match kind {
            0 => (32, 988),
            1 => (16, 16),
            2 => (4096, 1024),
            3 => (1056, 64),
            _ => return Err(Fault::Value(u64::from(kind))),
        };
        if index >= count {
            return Err(Fault::Value(u64::from(index)));
        }
        let trigger = if flags & 0b11 != 0 { Trigger::Edge } else { Trigger::Level };
        Ok(Self { intid: first + index, trigger })
    }
}

/// An interrupt of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// A line of the GIC.
    Gic(Line),
    /// It goes to another controller, such as a pin controller.
    Other {
        /// The phandle of that controller, where it has one.
        controller: Option<u32>,
    },
}

/// A node that takes interrupts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Controller {
    at: usize,
    phandle: Option<u32>,
    cells: u32,
    gic: bool,
}

/// The nodes that take interrupts. Of several GICs the first is the one whose lines are counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controllers<const N: usize = MAX_CONTROLLERS> {
    list: ArrayVec<Controller, N>,
    has_gic: bool,
}

impl<const N: usize> Controllers<N> {
    /// All of a tree; those that do not fit are unknown to what refers to them.
    pub fn of(tree: &Tree<'_>) -> Self {
        let mut controllers = Self::default();
        let mut walk = tree.walk();
        while let Some(node) = walk.next() {
            controllers.note(&node);
        }
        controllers
    }

    /// Remembers a node that takes interrupts.
    pub fn note(&mut self, node: &Node<'_, '_>) {
        let Some(cells) = node.known.interrupt_cells else { return };
        let is_gic = || node.enabled() && node.compatible().raw().any(|name| gic_version(name).is_some());
        let gic = !self.has_gic && is_gic();
        self.has_gic |= gic;
        let controller = Controller { at: node.offset(), phandle: node.phandle(), cells, gic };
        if self.list.try_push(controller).is_err()
            && gic
            && let Some(last) = self.list.last_mut()
        {
            *last = controller;
        }
    }

    pub fn list(&self) -> &[Controller] {
        &self.list
    }
}

fn find(controllers: &[Controller], parent: InterruptParent) -> Option<&Controller> {
    controllers.iter().find(|controller| match parent {
        InterruptParent::Node(at) => controller.at == at,
        InterruptParent::Phandle(phandle) => controller.phandle == Some(phandle),
    })
}

/// What a node says of its interrupts, to be read against the controllers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The node's offset in the structure block.
    at: usize,
    value: &'a [u8],
    /// Where all go; or `None` when each entry says it first.
    parent: Option<InterruptParent>,
    extended: bool,
}

impl<'a> Source<'a> {
    pub fn of(node: &Node<'_, 'a>) -> Self {
        let (at, known) = (node.offset(), node.known);
        match known.interrupts_extended {
            Some(value) => Self { at, value, parent: None, extended: true },
            None => {
                Self { at, value: known.interrupts.unwrap_or(&[]), parent: node.interrupt_parent(), extended: false }
            }
        }
    }

    pub fn read<'w>(self, tree: &'w Tree<'a>, controllers: &'w [Controller]) -> Interrupts<'w, 'a> {
        Interrupts { tree, controllers, source: self }
    }
}

/// The interrupts of a node, in order. Ends after an error: what follows cannot be told apart.
#[derive(Clone, Debug)]
pub struct Interrupts<'w, 'a> {
    tree: &'w Tree<'a>,
    controllers: &'w [Controller],
    source: Source<'a>,
}

/// One interrupt off the front of a value, and what is left of it.
fn split<'a>(source: Source<'a>, controllers: &[Controller]) -> Result<(Interrupt, &'a [u8]), Fault> {
    let (parent, rest) = if source.extended {
        let short = Fault::Length { have: source.value.len(), need: 4 };
        let (phandle, rest) = source.value.split_at_checked(4).ok_or(short)?;
        (InterruptParent::Phandle(number(phandle) as u32), rest)
    } else {
        (source.parent.ok_or(Fault::Missing)?, source.value)
    };
    let Some(controller) = find(controllers, parent) else { return unknown(parent, source.extended, rest) };
    let least = if source.extended { 0 } else { 1 };
    let cells = Some(controller.cells).filter(|cells| (least..=MAX_CELLS).contains(cells));
    let bytes = cells.ok_or(Fault::Cells(controller.cells))? as usize * 4;
    let short = Fault::Length { have: rest.len(), need: bytes };
    let (entry, rest) = rest.split_at_checked(bytes).ok_or(short)?;
    let interrupt = match controller.gic {
        true => Interrupt::Gic(Line::decode(entry)?),
        false => Interrupt::Other { controller: controller.phandle },
    };
    Ok((interrupt, rest))
}

/// An interrupt of a controller that is not known. How many cells it takes is not known either, so that in a plain
/// `interrupts` one stands for all.
fn unknown(parent: InterruptParent, extended: bool, rest: &[u8]) -> Result<(Interrupt, &[u8]), Fault> {
    match parent {
        InterruptParent::Phandle(0) if extended => Ok((Interrupt::Other { controller: None }, rest)),
        InterruptParent::Phandle(phandle) if extended => Err(Fault::Phandle(phandle)),
        InterruptParent::Phandle(phandle) => Ok((Interrupt::Other { controller: Some(phandle) }, &[])),
        InterruptParent::Node(_) => Ok((Interrupt::Other { controller: None }, &[])),
    }
}

impl Iterator for Interrupts<'_, '_> {
    type Item = Result<Interrupt, TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.source.value.is_empty() {
            return None;
        }
        let name = if self.source.extended { "interrupts-extended" } else { "interrupts" };
        let split = split(self.source, self.controllers);
        self.source.value = split.map_or(&[], |(_, rest)| rest);
        Some(split.map(|(interrupt, _)| interrupt).map_err(|fault| self.tree.error(self.source.at, name, fault)))
    }
}
