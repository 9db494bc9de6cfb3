//! A slot: one capability and its place in the derivation tree, in one cache line.

use abi::{Badge, Kind, Rights};
use bitflags::bitflags;

use crate::mm::{Direct, Object, Phys, Ref};
use crate::object::{AddressSpace, CapTable, Header};

bitflags! {
    /// Facts about a capability beside its rights.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Flags: u8 {
        /// Untyped, Frame: device memory, never zeroed, never holds objects.
        const DEVICE = 1;
        /// Untyped: its content is kept (bundle, tree): never zeroed, only Frames are made of it.
        const KEEP = 2;
        /// The slot lies in a Thread.
        const IN_THREAD = 4;
        /// The slot lies in an Irq.
        const IN_IRQ = 8;
        /// The slot lies in a Timer.
        const IN_TIMER = 16;
        /// An Endpoint with the right to send: one bit test for the fast path, as are the next.
        const FAST_SEND = 32;
        /// An Endpoint with the right to receive.
        const FAST_RECEIVE = 64;
        /// A Notification with the right to wait.
        const FAST_WAIT = 128;
    }
}

/// An Untyped whose memory is slots of a table: `space` is the table, `word` the bytes of the slots.
const SLOTS: u8 = 1;
/// An Untyped of which what is known to be zero is so in memory, and not in a cache alone.
pub(crate) const COHERENT: u8 = 2;

/// What a capability names. Which fields mean something depends on the kind:
///
/// | kind | `object` | `pages` | `word` | `extra` | `space` |
/// | --- | --- | --- | --- | --- | --- |
/// | Untyped | physical address | size | bytes handed out | end of zeroed bytes | page table memory of, or slots of |
/// | Reserve | physical address | size | first address | | tied to |
/// | Frame | physical address | size | address mapped or attached at | pages mapped, pages done | mapped in, attached to |
/// | Endpoint, Notification | reference, as [`Direct`] has it | | badge | | |
/// | Smc | first function | how many | | | |
/// | others | reference, as [`Direct`] has it, or 0 | | | | |
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    /// The kind.
    pub kind: Kind,
    /// What its holder may do.
    pub rights: Rights,
    /// Facts.
    pub flags: Flags,
    /// Frame: its memory type, and what is being done with its mapping. Untyped: `SLOTS`,
    /// `COHERENT` or 0.
    pub memory: u8,
    /// Untyped, Reserve, Frame: pages.
    pub pages: u32,
    /// See the table.
    pub object: u64,
    /// See the table.
    pub word: u64,
    /// See the table.
    pub extra: u64,
    /// See the table.
    pub space: Option<Ref<AddressSpace>>,
    /// The object the slot lies in, if not a table. Untyped: the granule at which zeroed memory begins. Frame in a table: the
    /// first of its pages that is mapped.
    pub holder: u32,
}

impl Cap {
    /// Nothing.
    pub const NULL: Cap = Cap {
        kind: Kind::Null,
        rights: Rights::empty(),
        flags: Flags::empty(),
        memory: 0,
        pages: 0,
        object: 0,
        word: 0,
        extra: 0,
        space: None,
        holder: 0,
    };

    /// The first capability of an object, with all rights.
    pub fn of<T: Object>(object: Ref<T>) -> Self {
        let cap =
            Self { kind: T::KIND, rights: Rights::all_of(T::KIND), object: Direct::from(object).word(), ..Self::NULL };
        cap.with_fast_bits()
    }

    /// The same with the bits that the fast path tests.
    #[inline(always)]
    fn with_fast_bits(mut self) -> Self {
        let fast = |yes: bool, flag: Flags| if yes { flag } else { Flags::empty() };
        let endpoint = self.kind == Kind::Endpoint;
        self.flags -= Flags::FAST_SEND | Flags::FAST_RECEIVE | Flags::FAST_WAIT;
        self.flags |= fast(endpoint && self.rights.contains(Rights::SEND), Flags::FAST_SEND)
            | fast(endpoint && self.rights.contains(Rights::RECEIVE), Flags::FAST_RECEIVE)
            | fast(self.kind == Kind::Notification && self.rights.contains(Rights::WAIT), Flags::FAST_WAIT);
        self
    }

    /// A capability without an object of its own: the control kinds.
    pub fn control(kind: Kind) -> Self {
        Self { kind, rights: Rights::all_of(kind), ..Self::NULL }
    }

    /// Memory.
    pub fn memory(kind: Kind, base: Phys, pages: u32, flags: Flags) -> Self {
        Self { kind, rights: Rights::all_of(kind), object: base.0, pages, flags, ..Self::NULL }
    }

    /// Untyped: whether its memory is slots of a table.
    pub const fn is_slots(&self) -> bool {
        matches!(self.kind, Kind::Untyped) && self.memory == SLOTS
    }

    /// Untyped: its memory becomes slots of a table.
    pub(super) fn become_slots(&mut self, table: Ref<CapTable>) {
        (self.memory, self.space) = (SLOTS, Ref::from_number(table.number()));
    }

    /// Untyped: the table whose slots its memory is.
    pub fn table_of_slots(&self) -> Option<Ref<CapTable>> {
        self.space.filter(|_| self.is_slots()).and_then(|table| Ref::from_number(table.number()))
    }

    /// Whether a badge goes with it.
    #[inline(always)]
    pub const fn has_badge(&self) -> bool {
        matches!(self.kind, Kind::Endpoint | Kind::Notification)
    }

    /// The badge of an Endpoint or Notification.
    pub const fn badge(&self) -> Badge {
        Badge(self.word)
    }

    /// The object, if it is a `T`.
    pub fn object_of<T: Object>(&self) -> Option<Ref<T>> {
        if self.kind == T::KIND { Direct::from_word(self.object).map(Ref::from) } else { None }
    }

    /// Whether it is of this kind, with these rights.
    #[inline(always)]
    pub fn allows(&self, kind: Kind, rights: Rights) -> bool {
        self.kind == kind && self.rights.contains(rights)
    }

    /// Whether a copy of it may exist: memory that is handed out and the right to one answer may not.
    pub const fn is_copyable(&self) -> bool {
        !matches!(self.kind, Kind::Null | Kind::Untyped | Kind::Reserve | Kind::Reply)
    }

    /// A copy with at most `rights`: a Frame's copy has no mapping.
    #[inline(always)]
    pub fn derived(&self, rights: Rights, badge: Badge) -> Self {
        let copy = Self {
            kind: self.kind,
            rights: self.rights & rights,
            flags: self.flags & (Flags::DEVICE | Flags::KEEP),
            memory: self.memory_type(),
            pages: self.pages,
            object: self.object,
            ..Self::NULL
        };
        if !self.has_badge() {
            return copy;
        }
        Self { word: badge.0, ..copy }.with_fast_bits()
    }
}

/// Neighbours in the derivation tree, and in the list of mappings of an address space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Links {
    /// What this was derived from; only the first child knows it.
    pub parent: Option<Ref<Slot>>,
    /// The first that was derived from this.
    pub child: Option<Ref<Slot>>,
    /// The previous with the same parent.
    pub prev: Option<Ref<Slot>>,
    /// The next with the same parent.
    pub next: Option<Ref<Slot>>,
    /// What has a `space`: the previous one with the same.
    pub map_prev: Option<Ref<Slot>>,
    /// The next one with the same.
    pub map_next: Option<Ref<Slot>>,
}

/// One capability in its place.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The capability.
    pub cap: Cap,
    /// Its neighbours.
    pub links: Links,
}

const _: () = assert!(size_of::<Slot>() == 64);
// The header of a table stands where slot 0 would: its first byte is a kind, and its fast bits are zero.
const _: () = assert!(core::mem::offset_of!(Cap, kind) == 0 && core::mem::offset_of!(Cap, flags) == 2);
const _: () = assert!(core::mem::offset_of!(Header, kind) == 0 && core::mem::offset_of!(Header, none) == 1);

impl Slot {
    /// An empty slot.
    pub const EMPTY: Slot = Slot {
        cap: Cap::NULL,
        links: Links { parent: None, child: None, prev: None, next: None, map_prev: None, map_next: None },
    };

    /// Whether it holds nothing.
    pub const fn is_empty(&self) -> bool {
        matches!(self.cap.kind, Kind::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::arena;

    /// A new table is zeroed memory.
    #[test]
    fn zeroed_memory_is_an_empty_slot() {
        let mut mem = arena(Phys(0x4000_0000), 4096);
        mem.zero(Phys(0x4000_0000), 4096);
        let slot: Ref<Slot> = mem.granule(Phys(0x4000_0040)).unwrap();
        assert_eq!(format!("{:?}", mem[slot]), format!("{:?}", Slot::EMPTY));
    }
}
