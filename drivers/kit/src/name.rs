//! The names under which a component finds what its device's node has: `KIND:INDEX` in the order of the node, and
//! `KIND:NAME` as the node's `reg-names` and `interrupt-names` call it.

use abi::{NAME_LEN, NamedSlot, StartInfo};

/// The indices that have a name.
pub const INDICES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// What the process was given as `kind:name`.
pub fn find(info: &StartInfo, kind: &str, name: &str) -> Option<NamedSlot> {
    let mut whole = [0; NAME_LEN];
    let parts = [kind.as_bytes(), b":", name.as_bytes()];
    let mut end = 0;
    for part in parts {
        whole.get_mut(end..end + part.len())?.copy_from_slice(part);
        end += part.len();
    }
    info.find(core::str::from_utf8(&whole[..end]).ok()?)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use abi::MAX_NAMED;

    /// A start page with these names, slots and sizes.
    pub fn info(names: &[(&str, u32, u32)]) -> Box<StartInfo> {
        let mut named = [NamedSlot { name: [0; NAME_LEN], slot: 0, size: 0 }; MAX_NAMED];
        for (entry, &(name, slot, size)) in named.iter_mut().zip(names) {
            entry.name[..name.len()].copy_from_slice(name.as_bytes());
            (entry.slot, entry.size) = (slot, size);
        }
        Box::new(StartInfo {
            abi_version: abi::ABI_VERSION,
            table_slots: 64,
            tick_mul: 1,
            tick_shift: 0,
            seed: [0; 4],
            boot_ticks: 0,
            message_page: 0,
            heap_base: 0,
            heap_limit: 0,
            component: 1,
            epoch: 1,
            tree_offset: 0,
            tree_bytes: 0,
            bundle_offset: 0,
            memory_slots: 0,
            bundle_bytes: 0,
            named_count: names.len() as u32,
            cores: 1,
            protections: 0,
            kernel_pages: 0,
            named,
        })
    }

    #[test]
    fn names_have_a_kind() {
        let info = info(&[("reg:0", 20, 0), ("irq:0", 21, 0), ("irq:a-name-that-fits-twe", 22, 0)]);
        let slot = |kind, name| find(&info, kind, name).map(|entry| entry.slot);
        assert_eq!((slot("reg", "0"), slot("irq", "0"), slot("dma", "0")), (Some(20), Some(21), None));
        assert_eq!((slot("irq", "a-name-that-fits-twe"), slot("irq", "a-name")), (Some(22), None));
        assert_eq!(slot("reg", "a name far too long for the start page"), None);
    }
}
