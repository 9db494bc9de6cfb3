//! IOMMUs: SMMUv3.

use crate::interrupt::{self, Controller};
use crate::{Fault, Interrupt, Line, Node, Range, Strings, Tree, TreeError};

/// An SMMUv3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smmu {
    /// Its registers: two pages of 64 KiB.
    pub registers: Range,
    /// The line of its event queue, where it has one of its own or one for everything.
    pub events: Option<Line>,
}

/// Its node, kept until the interrupt controller is known.
pub(super) struct Source<'a> {
    registers: Range,
    interrupts: interrupt::Source<'a>,
    names: Option<Strings<'a>>,
}

impl<'a> Source<'a> {
    pub fn of(node: &Node<'_, 'a>) -> Result<Self, TreeError> {
        Ok(Self {
            registers: node.registers().next().unwrap_or_else(|| Err(node.error("reg", Fault::Missing)))?,
            interrupts: interrupt::Source::of(node),
            names: node.property("interrupt-names").map(Strings::new),
        })
    }

    pub fn resolve(self, tree: &Tree<'a>, controllers: &[Controller<'a>]) -> Result<Smmu, TreeError> {
        let mut events = None;
        let names = self.names.unwrap_or(Strings::new(b""));
        for (interrupt, name) in self.interrupts.read(tree, controllers).zip(names) {
            if let (Interrupt::Line(line), "eventq" | "combined") = (interrupt?, name) {
                events = Some(line);
            }
        }
        Ok(Smmu { registers: self.registers, events })
    }
}
