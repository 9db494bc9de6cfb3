//! The devices: what init starts drivers for.

use core::ops::Deref;

use crate::interrupt::{self, Controller, Controllers, Source};
use crate::{Interrupts, Line, Node, Strings, Tree, TreeError, Walk};

/// A walk over the enabled nodes that say what they are compatible with.
#[derive(Clone, Debug)]
pub struct Devices<'a> {
    tree: Tree<'a>,
    walk: Walk<'a>,
    controllers: Controllers<'a>,
}

impl<'a> Devices<'a> {
    pub(crate) fn new(tree: Tree<'a>) -> Self {
        Self { tree, walk: tree.walk(), controllers: Controllers::of(&tree) }
    }

    /// The next device, parents before children. It borrows this walk; hence this is no `Iterator`.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend")]
    pub fn next(&mut self) -> Option<Device<'_, 'a>> {
        loop {
            let node = self.walk.next()?;
            if node.enabled() && node.known.compatible.is_some() {
                break;
            }
        }
        self.device()
    }

    /// The device that [`Self::next`] gave last.
    pub fn device(&self) -> Option<Device<'_, 'a>> {
        Some(Device { node: self.walk.node()?, tree: &self.tree, controllers: self.controllers.list() })
    }
}

/// A node that is enabled and says what it is; everything of [`Node`], and its interrupts.
#[derive(Clone, Copy, Debug)]
pub struct Device<'w, 'a> {
    node: Node<'w, 'a>,
    tree: &'w Tree<'a>,
    controllers: &'w [Controller<'a>],
}

impl<'w, 'a> Device<'w, 'a> {
    /// The tree that it is a node of.
    pub(crate) fn tree(&self) -> &'w Tree<'a> {
        self.tree
    }

    /// Its interrupts, in order.
    pub fn interrupts(&self) -> Interrupts<'w, 'a> {
        Source::of(&self.node).read(self.tree, self.controllers)
    }

    /// The line of the GIC behind a pin of a PCI function on the bus of this host bridge, as its `interrupt-map` says; none where it
    /// goes elsewhere. `address` is the first cell of the function's `reg` (bus, device and function from bit 8 on), `pin` 1 for
    /// INTA to 4 for INTD.
    ///
    /// # Errors
    /// The map does not have it, or is malformed.
    pub fn function_line(&self, address: u32, pin: u32) -> Result<Option<Line>, TreeError> {
        let mut unit = [0; 12];
        unit[..4].copy_from_slice(&address.to_be_bytes());
        let at = self.node.offset();
        interrupt::passed_on(self.controllers, at, &unit, &pin.to_be_bytes())
            .map_err(|fault| self.tree.error(at, "interrupt-map", fault))
    }

    /// The names of its interrupts, in order.
    pub fn interrupt_names(&self) -> Strings<'a> {
        Strings::new(self.property("interrupt-names").unwrap_or(&[]))
    }
}

impl<'w, 'a> Deref for Device<'w, 'a> {
    type Target = Node<'w, 'a>;

    fn deref(&self) -> &Node<'w, 'a> {
        &self.node
    }
}
