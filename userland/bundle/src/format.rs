//! Where things lie in the file. Offsets are never reused; records may grow at their end in a minor version.

/// First bytes of a bundle.
pub const MAGIC: [u8; 8] = *b"TUTBUNDL";
/// A reader refuses another major version.
pub const FORMAT_MAJOR: u16 = 1;
/// A higher minor version only adds what an older reader may skip.
pub const FORMAT_MINOR: u16 = 0;
/// Bytes of a component's name, zero-padded.
pub const NAME_BYTES: usize = 32;
/// Segments of a component at most.
pub const MAX_SEGMENTS: usize = 4;

/// The header's fields.
pub mod header {
    /// `u16` major, `u16` minor.
    pub const MAJOR: usize = 8;
    pub const MINOR: usize = 10;
    /// `u32`: records in the table.
    pub const COUNT: usize = 12;
    /// `u64`: bytes of the whole file.
    pub const TOTAL: usize = 16;
    /// `u32`: where the table begins.
    pub const TABLE: usize = 24;
    /// `u32`: bytes from one record to the next, at least [`super::record::BYTES`].
    pub const STRIDE: usize = 28;
    /// `u32`: CRC-32 of the header up to here and of the whole table.
    pub const CRC: usize = 60;
    /// Bytes of the header.
    pub const BYTES: usize = 64;
}

/// A record's fields.
pub mod record {
    /// 32 bytes, zero-padded.
    pub const NAME: usize = 0;
    /// `u64`: address of the first instruction.
    pub const ENTRY: usize = 32;
    /// `u32` offset and `u32` bytes of the manifest.
    pub const MANIFEST: usize = 40;
    pub const MANIFEST_BYTES: usize = 44;
    /// `u32` offset and `u32` bytes of the board's grants.
    pub const GRANTS: usize = 48;
    pub const GRANTS_BYTES: usize = 52;
    /// `u32`: CRC-32 of the segments' bytes in the file, the manifest and the grants, in this order.
    pub const CRC: usize = 56;
    /// `u32`: segments in use.
    pub const SEGMENTS: usize = 60;
    /// The segments, [`abi::InitSegment`]: address, offset, pages in the file, pages, permissions, zero.
    pub const SEGMENT: usize = 64;
    pub const SEGMENT_BYTES: usize = 32;
    /// Bytes of a record.
    pub const BYTES: usize = SEGMENT + super::MAX_SEGMENTS * SEGMENT_BYTES;
}

/// Tags of a manifest. A reader that does not know a tag with [`CRITICAL`] set refuses the component.
pub mod tag {
    pub const CRITICAL: u16 = 0x8000;
    /// Text: a protocol that the component serves.
    pub const PROVIDES: u16 = CRITICAL | 1;
    /// Text: a protocol that it calls.
    pub const USES: u16 = CRITICAL | 2;
    /// `u32` 1 when there is an id, `u32` id, text: the `compatible` of a device it drives.
    pub const DRIVES: u16 = CRITICAL | 3;
    /// `u64`: bytes of untyped memory.
    pub const MEMORY: u16 = CRITICAL | 4;
    /// `u64`: bytes of stack.
    pub const STACK: u16 = CRITICAL | 5;
    /// `u32`: capability slots.
    pub const TABLE: u16 = CRITICAL | 6;
    /// `u8`: priority.
    pub const PRIORITY: u16 = 7;
    /// `u8`: restart policy.
    pub const RESTART: u16 = 8;
    /// Text: authority that the component asks for.
    pub const REQUEST: u16 = CRITICAL | 9;
    /// `u8` 1: its device is a bus master, and it gets the DmaSpace.
    pub const DMA: u16 = CRITICAL | 11;
    /// `u32` microseconds in any window of `u32` microseconds that it may run.
    pub const BUDGET: u16 = CRITICAL | 14;
    /// `u8`, among the board's: the core that its first thread runs on.
    pub const CORE: u16 = 12;
    /// `u8` 1: its threads may use vector registers.
    pub const FPU: u16 = CRITICAL | 13;
    /// Text: a kind of thing of other devices that its device cannot do without, such as `clocks`.
    pub const NEEDS: u16 = CRITICAL | 15;
    /// Text, among the board's: authority that it is given.
    pub const GRANT: u16 = CRITICAL | 10;
}
