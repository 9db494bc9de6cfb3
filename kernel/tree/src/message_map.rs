//! Where messages of a device go: `msi-map` of a host bridge, by requester ID, and `msi-parent` (Linux' bindings pci/pci-msi.txt and
//! interrupt-controller/msi.txt).

use crate::address::number;
use crate::machine::{MessageController, MessageKind};
use crate::{Device, Fault, IdMap, Node, Tree, TreeError, phandle};

/// Where messages of a device go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRoute {
    /// The controller.
    pub controller: MessageController,
    /// The device as the controller knows it. A frame knows none.
    pub device: u32,
}

impl Device<'_, '_> {
    /// Where messages of a function behind this host bridge go, by its requester ID (bus, device and function); none where the tree
    /// says nothing of it.
    ///
    /// # Errors
    /// The map is malformed, or names no controller of messages.
    pub fn function_messages(&self, requester: u16) -> Result<Option<MessageRoute>, TreeError> {
        if self.property("msi-map").is_none() {
            return self.messages_of("msi-parent", |_| u32::from(requester));
        }
        let Some((phandle, device)) = self.mapped_id(IdMap::Msi, requester.into())? else { return Ok(None) };
        let controller = controller(self, self.tree(), "msi-map", phandle)?;
        Ok(Some(MessageRoute { controller, device }))
    }

    /// Where messages of this device itself go; none where the tree says nothing of it.
    ///
    /// # Errors
    /// As [`Self::function_messages`].
    pub fn messages(&self) -> Result<Option<MessageRoute>, TreeError> {
        self.messages_of("msi-parent", |arguments| arguments.get(..4).map_or(0, |cell| number(cell) as u32))
    }

    fn messages_of(&self, name: &str, device: impl Fn(&[u8]) -> u32) -> Result<Option<MessageRoute>, TreeError> {
        let Some(parent) = self.property(name) else { return Ok(None) };
        let (phandle, arguments) = phandle::split(parent).map_err(|fault| self.error(name, fault))?;
        let controller = controller(self, self.tree(), name, phandle)?;
        Ok(Some(MessageRoute { controller, device: device(arguments) }))
    }
}

/// The controller with this phandle.
fn controller(
    device: &Node<'_, '_>,
    tree: &Tree<'_>,
    property: &str,
    phandle: u32,
) -> Result<MessageController, TreeError> {
    let mut walk = tree.walk();
    while let Some(node) = walk.next() {
        if node.phandle() == Some(phandle) && node.enabled() {
            let kind = node.compatible().raw().find_map(MessageKind::of);
            return match kind {
                Some(kind) => MessageController::of(&node, kind),
                None => Err(device.error(property, Fault::Phandle(phandle))),
            };
        }
    }
    Err(device.error(property, Fault::Phandle(phandle)))
}
