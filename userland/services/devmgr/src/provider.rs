//! A node that others wait for, in words.

use alloc::format;
use alloc::string::{String, ToString};

use tree::Tree;

use crate::drivers::Driver;

/// `&LABEL (COMPATIBLE: no driver)` for the node at this offset, or its path where the tree keeps no label of it. A node
/// that says of itself nothing, such as a regulator of a power chip, is a part of the device around it. `what` is what a
/// driver would have to serve.
pub fn words(tree: &Tree<'_>, drivers: &[Driver<'_>], at: usize, what: &str) -> String {
    let mut walk = tree.walk();
    let Some(node) = walk.seek(at) else { return "a node that is not there".into() };
    let path = node.path().to_string();
    let mut enabled = node.enabled();
    let mut around = Some(node.offset());
    let mut why = String::from("no driver");
    while let Some(place) = around {
        let mut walk = tree.walk();
        let Some(node) = walk.seek(place) else { break };
        enabled &= node.enabled();
        if let Some(compatible) = node.compatible().next() {
            let has_driver = drivers.iter().any(|driver| driver.is_for(node.compatible()));
            let state = match (enabled, has_driver) {
                (false, _) => "disabled".into(),
                (true, false) => String::from("no driver"),
                (true, true) => format!("its driver does not serve {what}"),
            };
            why = format!("{compatible}: {state}");
            break;
        }
        around = node.parent();
    }
    match tree.label(&path) {
        Some(label) => format!("&{label} ({why})"),
        None => format!("{path} ({why})"),
    }
}
