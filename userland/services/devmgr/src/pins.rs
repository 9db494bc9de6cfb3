//! Pin control: which states of it are wanted, and for whom it is there.

use alloc::vec::Vec;

use tree::{Dependency, Device, Phandles, Reference, Tree};

use crate::drivers::Driver;

/// The protocol of its drivers.
const PROTOCOL: &str = "pins";
/// The state that a device has while a driver uses it (Linux's bindings, `pinctrl/pinctrl-consumer.yaml` and its header).
const DEFAULT: &str = "default";

/// Whether the pins that a device refers to are served to its driver: that of their control serves them, and this one asks it.
pub fn serve(tree: &Tree<'_>, driver: &Driver<'_>, drivers: &[Driver<'_>], reference: &Reference<'_>) -> bool {
    let asks = reference.dependency == Dependency::Pins && driver.manifest.uses().any(|it| it == PROTOCOL);
    asks && control(tree, reference.provider).is_some_and(|at| {
        let mut walk = tree.walk();
        let Some(control) = walk.seek(at).filter(|control| control.enabled()) else { return false };
        drivers.iter().find(|driver| driver.is_for(control.compatible())).is_some_and(is_control)
    })
}

/// The phandles of the states of this pin control that the enabled devices with a driver have by default, itself among them. What
/// nobody drives keeps its pins as they are. `None`: `driver` is not one of a pin control.
pub fn states(
    tree: &Tree<'_>,
    phandles: &Phandles<'_>,
    device: &Device<'_, '_>,
    driver: &Driver<'_>,
    drivers: &[Driver<'_>],
) -> Option<Vec<u32>> {
    if !is_control(driver) {
        return None;
    }
    let mut states = Vec::new();
    let mut users = tree.devices();
    while let Some(user) = users.next() {
        if !drivers.iter().any(|driver| driver.is_for(user.compatible())) {
            continue;
        }
        let wanted = |it: &Reference<'_>| it.dependency == Dependency::Pins && it.name == Some(DEFAULT);
        // What is said wrongly is not set; whoever needs it is told that by the server.
        for state in user.references(phandles).filter_map(Result::ok).filter(wanted) {
            let mut walk = tree.walk();
            let phandle = walk.seek(state.provider).and_then(|node| node.phandle());
            if control(tree, state.provider) == Some(device.offset())
                && let Some(phandle) = phandle.filter(|phandle| !states.contains(phandle))
            {
                states.push(phandle);
            }
        }
    }
    Some(states)
}

fn is_control(driver: &Driver<'_>) -> bool {
    driver.manifest.provides().any(|it| it == PROTOCOL)
}

/// The node around a state that says what it is.
fn control(tree: &Tree<'_>, state: usize) -> Option<usize> {
    let mut around = Some(state);
    while let Some(at) = around {
        let mut walk = tree.walk();
        let node = walk.seek(at)?;
        if node.compatible().next().is_some() {
            return Some(at);
        }
        around = node.parent();
    }
    None
}
