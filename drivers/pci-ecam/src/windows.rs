//! What addresses the bridge passes on to its buses, and which of them functions have.

use alloc::vec::Vec;

use kit::{PciSpace, PciWindow, Range};

/// The least that a function is given: a page, which nobody else has.
pub const PAGE: u64 = 4096;

/// Where a base address register lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// As the bus has it: what the register holds.
    pub bus: u64,
    /// As the CPU has it.
    pub cpu: u64,
}

/// The memory windows, and what is taken.
#[derive(Clone, Debug)]
pub struct Windows {
    windows: Vec<PciWindow>,
    /// As the bus has it: first address, and the first behind; whole pages.
    taken: Vec<(u64, u64)>,
}

impl Windows {
    /// The windows of a bridge whose node says this in `ranges`.
    pub fn of(ranges: &[u8]) -> Self {
        Self { windows: kit::pci_windows(ranges).filter(|it| it.space != PciSpace::Io).collect(), taken: Vec::new() }
    }

    /// What a bridge passes on to its secondary bus: its window of memory, and that of prefetchable memory.
    pub fn behind([memory, prefetchable]: [Option<(Place, u64)>; 2]) -> Self {
        let window = |space, it: Option<(Place, u64)>| {
            let (place, size) = it?;
            Some(PciWindow { space, bus: place.bus, cpu: Range::new(place.cpu, size)? })
        };
        let windows = [window(PciSpace::Memory32, memory), window(PciSpace::Memory64, prefetchable)];
        Self { windows: windows.into_iter().flatten().collect(), taken: Vec::new() }
    }

    /// Keeps what a register or a bridge's window holds already, if that lies in a window, is nobody else's, and begins at a
    /// multiple of `align`.
    pub fn keep(&mut self, bus: u64, size: u64, align: u64) -> Option<Place> {
        let fits = bus.is_multiple_of(align.max(PAGE)) && self.conflict(bus, size).is_none();
        let cpu = self.windows.iter().find_map(|it| it.cpu(bus, size)).filter(|_| fits)?;
        self.take(bus, size);
        Some(Place { bus, cpu })
    }

    /// A place for `size` bytes at a multiple of `align`, a power of two. `wide`: the register holds 64 bits, and has its place
    /// where those of 32 have none, if there is room.
    pub fn place(&mut self, size: u64, align: u64, wide: bool) -> Option<Place> {
        let wide_first = |it: &&PciWindow| (it.space == PciSpace::Memory64) == wide;
        let first = self.windows.iter().find(wide_first).copied();
        let other = self.windows.iter().find(|it| wide && !wide_first(it)).copied();
        let (bus, cpu) = first.into_iter().chain(other).find_map(|window| self.free(&window, size, align))?;
        self.take(bus, size);
        Some(Place { bus, cpu })
    }

    /// The first free addresses of a window, as the bus and as the CPU has them.
    fn free(&self, window: &PciWindow, size: u64, align: u64) -> Option<(u64, u64)> {
        let align = align.max(PAGE);
        let mut at = window.bus.checked_next_multiple_of(align)?;
        // Behind whatever is in the way: there are fewer of these than registers.
        while let Some(end) = self.conflict(at, size) {
            at = end.checked_next_multiple_of(align)?;
        }
        Some((at, window.cpu(at, size)?))
    }

    /// Where what is in the way ends.
    fn conflict(&self, bus: u64, size: u64) -> Option<u64> {
        let end = bus.saturating_add(size.max(PAGE));
        self.taken.iter().find(|(start, other)| *start < end && bus < *other).map(|(_, end)| *end)
    }

    fn take(&mut self, bus: u64, size: u64) {
        self.taken.push((bus, bus.saturating_add(size.max(PAGE))));
    }
}
