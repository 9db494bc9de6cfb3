//! How a slot is wired, as far as the device tree says it (Linux's bindings, `mmc/mmc-controller.yaml`).

use kit::Node;

/// How a slot is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// The controller knows whether there is a card. If not, there is one.
    pub card_detect: bool,
    /// The controller knows the card's switch.
    pub write_switch: bool,
    /// Four data lines lead to the card, or one.
    pub four_bits: bool,
}

impl Wiring {
    /// Of a standard slot, which is how PCI has them.
    pub const STANDARD: Self = Self { card_detect: true, write_switch: true, four_bits: true };

    /// What the node says: a standard slot, where it says nothing.
    pub fn of(node: &Node) -> Self {
        let has = |names: &[&str]| names.iter().any(|name| node.has(name));
        let card_detect = !has(&["non-removable", "broken-cd", "cd-gpios"]);
        let write_switch = card_detect && !has(&["disable-wp", "wp-gpios", "wp-inverted"]);
        Self { card_detect, write_switch, four_bits: node.number("bus-width") != Ok(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_says_what_is_not_standard() {
        assert_eq!(Wiring::of(&Node::fake("mmc")), Wiring::STANDARD);
        let fixed = Node::fake("mmc").with_flag("broken-cd").with_cells("bus-width", &[1]);
        assert_eq!(Wiring::of(&fixed), Wiring { card_detect: false, write_switch: false, four_bits: false });
        let switch = Node::fake("mmc").with_flag("disable-wp").with_cells("bus-width", &[4]);
        assert_eq!(Wiring::of(&switch), Wiring { write_switch: false, ..Wiring::STANDARD });
    }
}
