//! Which IOMMU a bus master is behind, and which stream it is there.

use alloc::format;
use alloc::string::{String, ToString};

use ipc::devices::Function;
use tree::{Dependency, Device, IdMap, Node, Phandles, Tree};

/// The address of an IOMMU's registers, and a stream of it.
pub type Stream = (u64, u32);

/// What the kernel drives.
const KNOWN: &str = "arm,smmu-v3";

/// Of a function of this bus; none where it is behind no IOMMU that the kernel drives.
///
/// # Errors
/// In words.
pub fn of_function(tree: &Tree<'_>, bus: &Device<'_, '_>, function: &Function) -> Result<Option<Stream>, String> {
    let mapped = bus.mapped_id(IdMap::Iommu, function.address.into()).map_err(|error| error.to_string())?;
    let Some((phandle, stream)) = mapped else { return Ok(None) };
    let base = registers(tree, |node| node.phandle() == Some(phandle))?;
    Ok(base.map(|base| (base, stream)))
}

/// Of a device of the tree, as its `iommus` says.
///
/// # Errors
/// In words.
pub fn of_device(tree: &Tree<'_>, phandles: &Phandles<'_>, device: &Device<'_, '_>) -> Result<Option<Stream>, String> {
    let mut found = None;
    for reference in device.references(phandles) {
        // What is malformed elsewhere does not matter here.
        let Ok(reference) = reference else { continue };
        if reference.dependency != Dependency::Iommus {
            continue;
        }
        let Some(base) = registers(tree, |node| node.offset() == reference.provider)? else { continue };
        let stream = reference.arguments.iter().next().ok_or("iommus: it names no stream")?;
        if found.replace((base, stream)).is_some() {
            return Err("iommus: it has several streams, of which a driver cannot be given more than one yet".into());
        }
    }
    Ok(found)
}

/// Where the registers of an IOMMU lie; none if the kernel does not drive it.
fn registers(tree: &Tree<'_>, mut is_meant: impl FnMut(&Node<'_, '_>) -> bool) -> Result<Option<u64>, String> {
    let mut walk = tree.walk();
    while let Some(node) = walk.next() {
        if is_meant(&node) {
            if !node.enabled() || !node.is_compatible(&[KNOWN]) {
                return Ok(None);
            }
            let registers = node.registers().next().ok_or_else(|| format!("{}: no registers", node.path()))?;
            return registers.map(|registers| Some(registers.base)).map_err(|error| error.to_string());
        }
    }
    Ok(None)
}
