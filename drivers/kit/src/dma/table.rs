//! Which ranges of the process devices see, and where; and where memory of clients is mapped.

use spin::Mutex;

/// Attached frames of one process; on the host all tests share the table.
const LIMIT: usize = if cfg!(target_os = "none") { 64 } else { 1024 };

#[derive(Clone, Copy)]
struct Entry {
    address: usize,
    bytes: usize,
    bus: u64,
}

struct Table {
    entries: [Entry; LIMIT],
    count: usize,
}

static TABLE: Mutex<Table> = Mutex::new(Table { entries: [Entry { address: 0, bytes: 0, bus: 0 }; LIMIT], count: 0 });

/// `false` when the table is full.
pub(super) fn insert(address: usize, bytes: usize, bus: u64) -> bool {
    let mut table = TABLE.lock();
    let count = table.count;
    let Some(entry) = table.entries.get_mut(count) else { return false };
    *entry = Entry { address, bytes, bus };
    table.count += 1;
    true
}

pub(super) fn remove(address: usize) {
    let mut table = TABLE.lock();
    let count = table.count;
    if let Some(index) = table.entries[..count].iter().position(|entry| entry.address == address) {
        table.entries[index] = table.entries[count - 1];
        table.count -= 1;
    }
}

pub(super) fn find(address: usize, bytes: usize) -> Option<u64> {
    let table = TABLE.lock();
    table.entries[..table.count].iter().find_map(|entry| {
        let offset = address.checked_sub(entry.address)?;
        (offset.checked_add(bytes)? <= entry.bytes).then(|| entry.bus + offset as u64)
    })
}
