//! The walk over all nodes, which keeps what children need of their ancestors.

use arrayvec::ArrayVec;

use crate::address::{Cells, number};
use crate::node::Status;
use crate::token::Token;
use crate::{Node, Tree};

/// Most nodes around one another, the root included. The deepest of 577 trees of arm64 boards has twelve.
pub const MAX_DEPTH: usize = 24;

/// A node that is open: what its children need to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level<'a> {
    /// Known to be graphic ASCII.
    pub name: &'a [u8],
    /// Offset in the structure block, which also identifies the node.
    pub at: usize,
    /// How its children write addresses.
    pub cells: Cells,
    /// How its children's addresses become its own; without it they do not.
    pub ranges: Option<&'a [u8]>,
    /// How addresses with which its children reach memory become its own.
    pub dma_ranges: Option<&'a [u8]>,
    /// It says what it is compatible with: a device, as the bus of its children too.
    pub is_device: bool,
    /// It and all nodes around it are enabled.
    pub enabled: bool,
    /// Where its children's interrupts go unless they say otherwise.
    pub interrupt_parent: Option<InterruptParent>,
}

impl<'a> Level<'a> {
    pub fn name(&self) -> &'a str {
        core::str::from_utf8(self.name).unwrap_or("")
    }
}

/// Where interrupts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterruptParent {
    Phandle(u32),
    /// The node at this offset of the structure block: a tree parent needs no phandle.
    Node(usize),
}

/// The properties that nearly every caller asks for, collected while passing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    pub compatible: Option<&'a [u8]>,
    pub reg: Option<&'a [u8]>,
    pub status: Option<&'a [u8]>,
    pub device_type: Option<&'a [u8]>,
    pub interrupts: Option<&'a [u8]>,
    pub interrupts_extended: Option<&'a [u8]>,
    pub interrupt_cells: Option<u32>,
    pub phandle: Option<u32>,
    pub address_cells: Option<u32>,
    pub interrupt_map: Option<&'a [u8]>,
    interrupt_parent: Option<u32>,
    size_cells: Option<u32>,
    ranges: Option<&'a [u8]>,
    dma_ranges: Option<&'a [u8]>,
}

impl<'a> Known<'a> {
    /// Notes a property; of two with one name the first counts.
    fn note(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"compatible" => keep(&mut self.compatible, value),
            b"reg" => keep(&mut self.reg, value),
            b"status" => keep(&mut self.status, value),
            b"device_type" => keep(&mut self.device_type, value),
            b"interrupts" => keep(&mut self.interrupts, value),
            b"interrupts-extended" => keep(&mut self.interrupts_extended, value),
            b"ranges" => keep(&mut self.ranges, value),
            b"dma-ranges" => keep(&mut self.dma_ranges, value),
            b"interrupt-map" => keep(&mut self.interrupt_map, value),
            b"#interrupt-cells" => keep(&mut self.interrupt_cells, number(value) as u32),
            b"phandle" | b"linux,phandle" => keep(&mut self.phandle, number(value) as u32),
            b"interrupt-parent" => keep(&mut self.interrupt_parent, number(value) as u32),
            b"#address-cells" => keep(&mut self.address_cells, number(value) as u32),
            b"#size-cells" => keep(&mut self.size_cells, number(value) as u32),
            _ => {}
        }
    }

    fn level(&self, name: &'a [u8], at: usize, parent: Option<&Level<'a>>) -> Level<'a> {
        let inherited = self.interrupt_parent(parent);
        let own = self.interrupt_cells.map(|_| InterruptParent::Node(at));
        Level {
            name,
            at,
            cells: Cells {
                address: self.address_cells.unwrap_or(Cells::DEFAULT.address),
                size: self.size_cells.unwrap_or(Cells::DEFAULT.size),
            },
            ranges: self.ranges,
            dma_ranges: self.dma_ranges,
            is_device: self.compatible.is_some(),
            enabled: Status::of(self.status) == Status::Okay && parent.is_none_or(|parent| parent.enabled),
            interrupt_parent: own.or(inherited),
        }
    }

    /// Where the node's own interrupts go.
    pub fn interrupt_parent(&self, parent: Option<&Level<'a>>) -> Option<InterruptParent> {
        let named = self.interrupt_parent.map(InterruptParent::Phandle);
        named.or(parent.and_then(|parent| parent.interrupt_parent))
    }
}

fn keep<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

/// A walk over the nodes of a tree, parents before children.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    tree: Tree<'a>,
    at: usize,
    /// The open nodes, from the root to the one that was advanced to last.
    levels: ArrayVec<Level<'a>, MAX_DEPTH>,
    /// What that one says of itself.
    known: Known<'a>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(tree: Tree<'a>) -> Self {
        Self { tree, at: 0, levels: ArrayVec::new(), known: Known::default() }
    }

    /// The next node. It borrows the walk, which knows the nodes around it; hence this is no `Iterator`.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend")]
    pub fn next(&mut self) -> Option<Node<'_, 'a>> {
        self.advance(|_, _| true)?;
        self.node()
    }

    /// Goes to the next node that is wanted by its depth (0 is the root) and name, passing over all others whole.
    pub(crate) fn advance(&mut self, wanted: impl Fn(usize, &[u8]) -> bool) -> Option<()> {
        let mut tokens = self.tree.tokens(self.at);
        let (at, name) = loop {
            let at = tokens.at();
            match tokens.next().ok()? {
                Token::Begin(name) if wanted(self.levels.len(), name) => break (at, name),
                Token::Begin(_) => tokens.skip_node().ok()?,
                Token::Property(_) => {}
                Token::End => {
                    self.levels.pop()?;
                }
                Token::Finish => return None,
            }
        };
        self.known = Known::default();
        while let Some(raw) = tokens.next_property() {
            self.known.note(self.tree.name(raw), raw.value);
        }
        self.at = tokens.at();
        let level = self.known.level(name, at, self.levels.last());
        self.levels.try_push(level).ok()
    }

    /// The node that was advanced to last.
    pub(crate) fn node(&self) -> Option<Node<'_, 'a>> {
        let (own, around) = self.levels.split_last()?;
        Some(Node { tree: &self.tree, own, around, known: &self.known })
    }

    /// Goes to the node at `path` (`/soc/uart@0`); a component without `@` stands for the first that it begins.
    /// Starts from the beginning whatever was walked before.
    pub fn find(&mut self, path: &str) -> Option<Node<'_, 'a>> {
        *self = Walk::new(self.tree);
        self.advance(|_, _| true)?;
        let components = path.strip_prefix('/')?.split('/').filter(|component| !component.is_empty());
        for (above, component) in components.enumerate() {
            self.advance(|depth, name| depth == above + 1 && answers(name, component.as_bytes()))?;
        }
        self.node()
    }
}

impl<'a> Walk<'a> {
    /// Goes to the node at this offset of the structure block ([`Node::offset`]), from the beginning.
    pub fn seek(&mut self, offset: usize) -> Option<Node<'_, 'a>> {
        *self = Walk::new(self.tree);
        while self.levels.last().is_none_or(|level| level.at < offset) {
            self.advance(|_, _| true)?;
        }
        self.node().filter(|node| node.offset() == offset)
    }
}

/// Whether a node of this name is meant by a component of a path.
pub(crate) fn answers(name: &[u8], component: &[u8]) -> bool {
    name.strip_prefix(component).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"@"))
}
