//! The architected timer.

use crate::interrupt::{self, Controller};
use crate::{Interrupt, Line, Node, Strings, Tree, TreeError};

/// The architected timer. A line is missing where the tree leaves it out or another controller than the GIC takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timer {
    /// Of the secure physical timer.
    pub secure: Option<Line>,
    /// Of the physical timer.
    pub physical: Option<Line>,
    /// Of the virtual timer.
    pub virt: Option<Line>,
    /// Of EL2's physical timer.
    pub hypervisor: Option<Line>,
    /// Counts per second, where the tree overrides CNTFRQ_EL0.
    pub frequency: Option<u64>,
}

/// The order of the lines where the tree does not name them.
const ORDER: [&str; 4] = ["sec-phys", "phys", "virt", "hyp-phys"];

/// The timer's node, kept until the interrupt controller is known.
pub(super) struct Source<'a> {
    interrupts: interrupt::Source<'a>,
    names: Option<Strings<'a>>,
    frequency: Option<u64>,
}

impl<'a> Source<'a> {
    pub fn of(node: &Node<'_, 'a>) -> Result<Self, TreeError> {
        Ok(Self {
            interrupts: interrupt::Source::of(node),
            names: node.property("interrupt-names").map(Strings::new),
            frequency: node.number("clock-frequency")?,
        })
    }

    pub fn resolve(self, tree: &Tree<'a>, controllers: &[Controller<'a>]) -> Result<Timer, TreeError> {
        let mut timer = Timer { frequency: self.frequency, ..Timer::default() };
        let mut interrupts = self.interrupts.read(tree, controllers);
        match self.names {
            Some(mut names) => assign(&mut timer, &mut interrupts, &mut names)?,
            None => assign(&mut timer, &mut interrupts, &mut ORDER.into_iter())?,
        }
        Ok(timer)
    }
}

fn assign(
    timer: &mut Timer,
    interrupts: &mut interrupt::Interrupts<'_, '_>,
    names: &mut dyn Iterator<Item = &str>,
) -> Result<(), TreeError> {
    for (interrupt, name) in interrupts.zip(names) {
        let line = match interrupt? {
            Interrupt::Line(line) => Some(line),
            Interrupt::Other { .. } => None,
        };
        match name {
            "sec-phys" => timer.secure = line,
            "phys" => timer.physical = line,
            "virt" => timer.virt = line,
            "hyp-phys" => timer.hypervisor = line,
            _ => {}
        }
    }
    Ok(())
}
