//! Interrupts: which controller, and for those that the kernel drives which of their lines.

use arrayvec::ArrayVec;

use crate::address::number;
use crate::interrupt_map::Map;
use crate::walk::InterruptParent;
use crate::{Arguments, Fault, Node, Tree, TreeError, phandle};

/// Interrupt controllers that are remembered: of 577 trees none has more than 32.
const MAX_CONTROLLERS: usize = 128;
/// Most cells of one `interrupts` or `interrupts-extended`.
const MAX_LIST: usize = 1024;
/// Maps in a row: real trees have one.
const MAX_MAPS: usize = 8;
/// Cells of an interrupt: three for the GIC, five for PCI.
const MAX_CELLS: u32 = 16;

/// A controller that the kernel drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driven {
    /// GICv2, or one that is programmed alike.
    GicV2,
    /// GICv3 or later.
    GicV3,
    /// The BCM2836's of each core, where no GIC takes its place, as on the BCM2711.
    Bcm2836,
    /// That of the BCM2836's devices, behind the one of the cores.
    Armctrl,
}

impl Driven {
    /// What a name stands for.
    pub fn of(compatible: &[u8]) -> Option<Self> {
        Some(match compatible {
            b"arm,gic-v3" => Self::GicV3,
            b"arm,gic-400"
            | b"arm,cortex-a15-gic"
            | b"arm,cortex-a9-gic"
            | b"arm,cortex-a7-gic"
            | b"qcom,msm-qgic2" => Self::GicV2,
            b"brcm,bcm2836-l1-intc" => Self::Bcm2836,
            b"brcm,bcm2836-armctrl-ic" => Self::Armctrl,
            _ => return None,
        })
    }

    pub const fn is_gic(self) -> bool {
        matches!(self, Self::GicV2 | Self::GicV3)
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

/// A line of the controller that the kernel drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Its number as the GIC counts: those of each core from 16, those of devices from 32. The BCM2836's are counted alike.
    pub intid: u32,
    /// What makes it fire.
    pub trigger: Trigger,
}

impl Line {
    fn decode(driven: Driven, entry: &[u8]) -> Result<Self, Fault> {
        match driven {
            Driven::GicV2 | Driven::GicV3 => Self::of_gic(entry),
            Driven::Bcm2836 => Self::of_pair(entry, |number, _| (number < 12).then_some(16 + number)),
            Driven::Armctrl => Self::of_pair(entry, |bank, number| {
                // Bank 0 has the 8 of the ARM block, the others 32 each.
                let most = if bank == 0 { 8 } else { 32 };
                (bank < 3 && number < most).then_some(32 + 32 * bank + number)
            }),
        }
    }

    /// Two cells; all lines of these controllers are levels. (Linux' bindings brcm,bcm2836-l1-intc: number and flags;
    /// brcm,bcm2835-armctrl-ic: bank and number.)
    fn of_pair(entry: &[u8], intid: impl Fn(u32, u32) -> Option<u32>) -> Result<Self, Fault> {
        let mut cells = entry.chunks_exact(4).map(|cell| number(cell) as u32);
        let (Some(first), Some(second)) = (cells.next(), cells.next()) else {
            return Err(Fault::Length { have: entry.len(), need: 8 });
        };
        let intid = intid(first, second).ok_or(Fault::Value(u64::from(first) << 32 | u64::from(second)))?;
        Ok(Self { intid, trigger: Trigger::Level })
    }

    /// Decodes the cells type, number, flags. A GICv2 keeps a mask of CPUs in the upper flags of a PPI: left out.
    fn of_gic(entry: &[u8]) -> Result<Self, Fault> {
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
pub enum Interrupt<'a> {
    /// A line of the controller that the kernel drives.
    Line(Line),
    /// It goes to another controller, such as a pin controller.
    Other {
        /// Offset in the structure block of that controller's node, where there is one.
        controller: Option<usize>,
        /// Which interrupt of that controller.
        arguments: Arguments<'a>,
    },
}

/// A node that takes interrupts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Controller<'a> {
    at: usize,
    phandle: Option<u32>,
    cells: u32,
    /// Cells of the address that stands before an interrupt that a map sends here.
    pub address_cells: u32,
    /// Its lines are those that are counted.
    pub driven: Option<Driven>,
    /// It only passes interrupts on.
    map: Option<Map<'a>>,
}

impl Controller<'_> {
    /// Bytes of one of its interrupts.
    ///
    /// # Errors
    /// When there are too many, or fewer than `least` cells.
    pub fn bytes(&self, least: u32) -> Result<usize, Fault> {
        let cells = Some(self.cells).filter(|cells| (least..=MAX_CELLS).contains(cells));
        Ok(cells.ok_or(Fault::Cells(self.cells))? as usize * 4)
    }
}

/// The nodes that take interrupts. Of several GICs the first is the one whose lines are counted; where there is none, of the
/// BCM2836's two kinds the first of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controllers<'a, const N: usize = MAX_CONTROLLERS> {
    list: ArrayVec<Controller<'a>, N>,
}

impl<'a, const N: usize> Controllers<'a, N> {
    /// All of a tree; those that do not fit are unknown to what refers to them.
    pub fn of(tree: &Tree<'a>) -> Self {
        let mut controllers = Self::default();
        let mut walk = tree.walk();
        while let Some(node) = walk.next() {
            controllers.note(&node);
        }
        controllers
    }

    /// Remembers a node that takes interrupts.
    pub fn note(&mut self, node: &Node<'_, 'a>) {
        let Some(cells) = node.known.interrupt_cells else { return };
        let driven = node.driven().filter(|&driven| self.takes(driven));
        if driven.is_some_and(Driven::is_gic) {
            self.list.iter_mut().for_each(|other| other.driven = None);
        }
        let address_cells = node.known.address_cells.unwrap_or(0);
        let map = Map::of(node);
        let controller = Controller { at: node.offset(), phandle: node.phandle(), cells, address_cells, driven, map };
        if self.list.try_push(controller).is_err()
            && driven.is_some()
            && let Some(last) = self.list.last_mut()
        {
            *last = controller;
        }
    }

    /// Whether the lines of this are counted, as far as the others are known.
    fn takes(&self, driven: Driven) -> bool {
        !self.list.iter().filter_map(|other| other.driven).any(|other| other.is_gic() || other == driven)
    }

    pub fn list(&self) -> &[Controller<'a>] {
        &self.list
    }
}

/// The node that takes interrupts and is meant.
pub(crate) fn find<'l, 'a>(controllers: &'l [Controller<'a>], parent: InterruptParent) -> Option<&'l Controller<'a>> {
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
    /// Its `reg`, by which maps tell apart whose interrupt it is.
    reg: &'a [u8],
    /// Where all go; or `None` when each entry says it first.
    parent: Option<InterruptParent>,
    extended: bool,
}

impl<'a> Source<'a> {
    pub fn of(node: &Node<'_, 'a>) -> Self {
        let (at, known) = (node.offset(), node.known);
        let reg = known.reg.unwrap_or(&[]);
        match known.interrupts_extended {
            Some(value) => Self { at, value, reg, parent: None, extended: true },
            None => {
                let (value, parent) = (known.interrupts.unwrap_or(&[]), node.interrupt_parent());
                Self { at, value, reg, parent, extended: false }
            }
        }
    }

    pub fn read<'w>(self, tree: &'w Tree<'a>, controllers: &'w [Controller<'a>]) -> Interrupts<'w, 'a> {
        Interrupts { tree, controllers, source: self }
    }
}

/// The interrupts of a node, in order. Ends after an error: what follows cannot be told apart.
#[derive(Clone, Debug)]
pub struct Interrupts<'w, 'a> {
    tree: &'w Tree<'a>,
    controllers: &'w [Controller<'a>],
    source: Source<'a>,
}

/// One interrupt off the front of a value, and what is left of it.
fn split<'a>(source: Source<'a>, controllers: &[Controller<'a>]) -> Result<(Interrupt<'a>, &'a [u8]), Fault> {
    if source.value.len() / 4 > MAX_LIST {
        return Err(Fault::TooMany(MAX_LIST));
    }
    let (parent, rest) = if source.extended {
        let (phandle, rest) = phandle::split(source.value)?;
        (InterruptParent::Phandle(phandle), rest)
    } else {
        (source.parent.ok_or(Fault::Missing)?, source.value)
    };
    let Some(controller) = find(controllers, parent) else { return unknown(parent, source.extended, rest) };
    let bytes = controller.bytes(if source.extended { 0 } else { 1 })?;
    let short = Fault::Length { have: rest.len(), need: bytes };
    let (entry, rest) = rest.split_at_checked(bytes).ok_or(short)?;
    Ok((route(controllers, controller, source.reg, entry)?, rest))
}

/// Follows maps from the controller that a node names to the one that takes its interrupt.
fn route<'a>(
    controllers: &[Controller<'a>],
    first: &Controller<'a>,
    address: &'a [u8],
    entry: &'a [u8],
) -> Result<Interrupt<'a>, Fault> {
    let mut at = (first, address, entry);
    for _ in 0..MAX_MAPS {
        let (controller, address, entry) = at;
        if let Some(driven) = controller.driven {
            return Line::decode(driven, entry).map(Interrupt::Line);
        }
        match controller.map {
            None => return Ok(Interrupt::Other { controller: Some(controller.at), arguments: Arguments(entry) }),
            Some(map) => {
                let routed = map.route(controllers, address, entry)?;
                let next = find(controllers, InterruptParent::Phandle(routed.parent));
                at = (next.ok_or(Fault::Phandle(routed.parent))?, routed.address, routed.entry);
            }
        }
    }
    Err(Fault::TooMany(MAX_MAPS))
}

/// The line of the GIC to which the node at this offset passes on an interrupt of a device at `address`; none where it goes
/// elsewhere.
///
/// # Errors
/// It passes none on, or not this one.
pub(crate) fn passed_on(
    controllers: &[Controller<'_>],
    at: usize,
    address: &[u8],
    entry: &[u8],
) -> Result<Option<Line>, Fault> {
    let first = find(controllers, InterruptParent::Node(at)).ok_or(Fault::Missing)?;
    Ok(match route(controllers, first, address, entry)? {
        Interrupt::Line(line) => Some(line),
        Interrupt::Other { .. } => None,
    })
}

/// An interrupt of a controller that is not known. How many cells it takes is not known either, so that in a plain
/// `interrupts` one stands for all.
fn unknown<'a>(parent: InterruptParent, extended: bool, rest: &'a [u8]) -> Result<(Interrupt<'a>, &'a [u8]), Fault> {
    let nobody = |arguments| Interrupt::Other { controller: None, arguments: Arguments(arguments) };
    match parent {
        InterruptParent::Phandle(0) if extended => Ok((nobody(&[]), rest)),
        InterruptParent::Phandle(phandle) if extended => Err(Fault::Phandle(phandle)),
        _ => Ok((nobody(rest), &[])),
    }
}

impl<'a> Iterator for Interrupts<'_, 'a> {
    type Item = Result<Interrupt<'a>, TreeError>;

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
