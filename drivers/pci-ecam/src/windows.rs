//! What addresses the bridge passes on to its buses, and which of them functions have.

use alloc::vec::Vec;

use kit::{PciSpace, PciWindow, Range};

/// The least that a function is given: a page, which nobody else has.
pub const PAGE: u64 = 4096;

/// What addresses a base address register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of I/O ports, which the CPU has as memory.
    Io,
    /// Of memory, 32 bits.
    Narrow,
    /// Of memory, 64 bits.
    Wide,
}

/// Where a base address register lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// As the bus has it: what the register holds.
    pub bus: u64,
    /// As the CPU has it.
    pub cpu: u64,
}

/// The windows, and what is taken.
#[derive(Clone, Debug)]
pub struct Windows {
    windows: Vec<PciWindow>,
    /// As the bus has it: whether it is of I/O ports, first address, and the first behind; whole pages.
    taken: Vec<(bool, u64, u64)>,
}

impl Windows {
    /// The windows of a bridge whose node says this in `ranges`.
    pub fn of(ranges: &[u8]) -> Self {
        // A register of I/O ports that holds 0 has no place.
        Self { windows: kit::pci_windows(ranges).collect(), taken: alloc::vec![(true, 0, PAGE)] }
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
    pub fn keep(&mut self, bus: u64, size: u64, align: u64, kind: Kind) -> Option<Place> {
        let fits = bus.is_multiple_of(align.max(PAGE)) && self.conflict(bus, size, kind).is_none();
        let windows = self.windows.iter().filter(|it| is_io(it) == (kind == Kind::Io));
        let cpu = windows.filter_map(|it| it.cpu(bus, size)).next().filter(|_| fits)?;
        self.take(bus, size, kind);
        Some(Place { bus, cpu })
    }

    /// Where the CPU has these addresses of memory, if they lie in a window, whoever has them.
    pub fn find(&self, bus: u64, size: u64) -> Option<Place> {
        let windows = self.windows.iter().filter(|it| !is_io(it));
        windows.filter_map(|it| it.cpu(bus, size)).next().map(|cpu| Place { bus, cpu })
    }

    /// A place for `size` bytes at a multiple of `align`, a power of two. What holds 64 bits has its place where that of 32 has
    /// none, if there is room.
    pub fn place(&mut self, size: u64, align: u64, kind: Kind) -> Option<Place> {
        let spaces: &[PciSpace] = match kind {
            Kind::Io => &[PciSpace::Io],
            Kind::Narrow => &[PciSpace::Memory32],
            Kind::Wide => &[PciSpace::Memory64, PciSpace::Memory32],
        };
        let windows = spaces.iter().filter_map(|&space| self.windows.iter().find(|it| it.space == space).copied());
        let (bus, cpu) = windows.filter_map(|window| self.free(&window, size, align, kind)).next()?;
        self.take(bus, size, kind);
        Some(Place { bus, cpu })
    }

    /// The first free addresses of a window, as the bus and as the CPU has them.
    fn free(&self, window: &PciWindow, size: u64, align: u64, kind: Kind) -> Option<(u64, u64)> {
        let align = align.max(PAGE);
        let mut at = window.bus.checked_next_multiple_of(align)?;
        // Behind whatever is in the way: there are fewer of these than registers.
        while let Some(end) = self.conflict(at, size, kind) {
            at = end.checked_next_multiple_of(align)?;
        }
        Some((at, window.cpu(at, size)?))
    }

    /// Where what is in the way ends.
    fn conflict(&self, bus: u64, size: u64, kind: Kind) -> Option<u64> {
        let (io, end) = (kind == Kind::Io, bus.saturating_add(size.max(PAGE)));
        self.taken.iter().find(|it| it.0 == io && it.1 < end && bus < it.2).map(|it| it.2)
    }

    fn take(&mut self, bus: u64, size: u64, kind: Kind) {
        self.taken.push((kind == Kind::Io, bus, bus.saturating_add(size.max(PAGE))));
    }
}

fn is_io(window: &PciWindow) -> bool {
    window.space == PciSpace::Io
}
