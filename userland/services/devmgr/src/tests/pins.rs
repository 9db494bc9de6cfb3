//! Pin control: whose states are wanted, and who is started for it.

use super::*;

/// Two pin controls, and devices that want states of them.
fn tree() -> Vec<u8> {
    let mut tree = Builder::new();
    tree.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    for (control, first) in [("pins@1000", 10), ("pins@2000", 20)] {
        tree.begin(control).texts("compatible", &["maker,pins"]).cells("reg", &[0x1000 * first / 10, 0x100]);
        tree.texts("pinctrl-names", &["default"]).cells("pinctrl-0", &[first + 4]);
        tree.begin("one").cells("phandle", &[first]).end();
        tree.begin("group").begin("two").cells("phandle", &[first + 1]).end().end();
        tree.begin("sleep").cells("phandle", &[first + 2]).end().begin("nobodys").cells("phandle", &[first + 3]).end();
        tree.begin("own").cells("phandle", &[first + 4]).end().end();
    }
    let mut device = |name: &str, compatible, status, states: &[u32]| {
        tree.begin(name).texts("compatible", &[compatible]).texts("status", &[status]);
        tree.texts("pinctrl-names", &["sleep", "default"]).cells("pinctrl-0", &[12]).cells("pinctrl-1", states).end();
    };
    device("card@1", "maker,card", "okay", &[10, 11, 21]);
    device("card@2", "maker,card", "okay", &[10]);
    device("card@3", "maker,card", "disabled", &[13]);
    device("other@4", "maker,other", "okay", &[13]);
    device("wrong@5", "maker,wrong", "okay", &[99]);
    tree.finish()
}

fn control() -> Written {
    Written { provides: &["pins"], ..written("pins", &[("maker,pins", None)]) }
}

fn card() -> Written {
    Written { uses: &["pins"], needs: &["pins"], ..written("card", &[("maker,card", None), ("maker,wrong", None)]) }
}

fn states(components: &[Written], path: &str) -> Option<Vec<u32>> {
    let rows = rows(&tree(), components, &mut Devices::default());
    let Outcome::Start { description, .. } = outcome(&rows, path) else { panic!("{rows:#?}") };
    description.states.clone()
}

#[test]
fn a_pin_control_has_the_default_states_of_what_is_driven() {
    assert_eq!(states(&[control(), card()], "/pins@1000"), Some([14, 10, 11].into()));
    assert_eq!(states(&[control(), card()], "/pins@2000"), Some([24, 21].into()));
    assert_eq!(states(&[control()], "/pins@1000"), Some([14].into()));
    let other = written("pins", &[("maker,pins", None)]);
    assert_eq!(states(&[other], "/pins@1000"), None, "it does not serve pins");
}

#[test]
fn who_needs_pins_is_started_where_they_are_served() {
    let result = |components: &[Written]| match outcome(&rows(&tree(), components, &mut Devices::default()), "/card@1")
    {
        Outcome::Start { .. } => String::from("started"),
        Outcome::Not { trouble: Trouble::Waiting(whom), .. } => whom.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(result(&[control(), card()]), "started");
    assert_eq!(result(&[card()]), "/pins@1000/sleep (maker,pins: no driver)");
    let silent = written("pins", &[("maker,pins", None)]);
    assert_eq!(result(&[silent, card()]), "/pins@1000/sleep (maker,pins: its driver does not serve pins)");
    let deaf = Written { uses: &[], ..card() };
    assert_eq!(result(&[control(), deaf]), "/pins@1000/sleep (maker,pins: its driver does not serve pins)");
}

#[test]
fn the_node_of_a_pin_control_says_which() {
    let whole = tree();
    let tree = Tree::parse(&whole).unwrap();
    let offset = tree.walk().find("/pins@1000").unwrap().offset();
    let alone = crate::node::alone(&tree, offset, Some(&[14, 10])).unwrap();
    let alone = Tree::parse(&alone).unwrap();
    let mut walk = alone.walk();
    let node = walk.next().unwrap();
    assert_eq!(node.property("tutti,default-states"), Some(&[0, 0, 0, 14, 0, 0, 0, 10][..]));
}
