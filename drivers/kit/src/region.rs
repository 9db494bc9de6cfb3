//! Memory that the device tree has for a device: reserved RAM, or registers that are plain memory. Unlike registers it is reached
//! with any width and may be handed out.

use rt::{Cap, Env, SharedBuffer};

use crate::error::{Cause, Error};
use crate::name;

/// The piece of reserved memory number `index` of the node's `memory-region`. No cache keeps it.
///
/// # Errors
/// The component was not given it, or the kernel refused.
pub fn reserved(env: &Env, index: usize) -> Result<SharedBuffer, Error> {
    open(env, "mem", "mem:", index)
}

/// The register block number `index` of the node, which is memory and begins at a page.
///
/// # Errors
/// As [`reserved`]; it begins within a page, in which there may be something else's.
pub fn registers(env: &Env, index: usize) -> Result<SharedBuffer, Error> {
    let name = at(index)?;
    if name::find(env.start_info(), "reg-offset", name).is_some_and(|offset| offset.slot != 0) {
        return Err(Error::of_node("reg:", name, Cause::Unaligned));
    }
    open(env, "reg", "reg:", index)
}

fn at(index: usize) -> Result<&'static str, Error> {
    name::INDICES.get(index).copied().ok_or(Error::new("memory of the device, number 8 and above", Cause::Limit))
}

fn open(env: &Env, kind: &str, shown: &'static str, index: usize) -> Result<SharedBuffer, Error> {
    let name = at(index)?;
    let failed = |cause| Error::of_node(shown, name, cause);
    let entry = name::find(env.start_info(), kind, name).ok_or(failed(Cause::Missing))?;
    let pages = u64::from(entry.size) / abi::layout::PAGE;
    SharedBuffer::map(Cap::from_slot(entry.slot), pages).map_err(|error| failed(error.into()))
}
