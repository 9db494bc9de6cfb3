//! Commands, as they stand in a submission queue (NVM Express 1.4, 4.2).

/// Bytes of an entry of a submission queue, as a power of two.
pub const SHIFT: u32 = 6;
/// Bytes of an entry of a submission queue.
pub const BYTES: usize = 1 << SHIFT;

/// The namespace that is driven.
const NAMESPACE: u32 = 1;

/// What Identify tells of. (5.15.1, CNS)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The namespace: its size and format.
    Namespace = 0,
    /// The controller.
    Controller = 1,
}

/// A command without its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    opcode: u8,
    namespace: u32,
    /// The data pointer: PRP1 and PRP2. (4.3)
    data: [u64; 2],
    /// Dwords 10 to 12.
    arguments: [u32; 3],
}

impl Command {
    const fn new(opcode: u8, namespace: u32, data: [u64; 2], arguments: [u32; 3]) -> Self {
        Self { opcode, namespace, data, arguments }
    }

    /// Identify, into the page at `bus`. (5.15)
    pub const fn identify(about: About, bus: u64) -> Self {
        let namespace = if matches!(about, About::Namespace) { NAMESPACE } else { 0 };
        Self::new(0x06, namespace, [bus, 0], [about as u32, 0, 0])
    }

    /// Set Features, Number of Queues: one of each kind, which is 0. (5.21.1.7)
    pub const fn one_pair() -> Self {
        Self::new(0x09, 0, [0, 0], [0x07, 0, 0])
    }

    /// Create I/O Completion Queue: contiguous, with interrupts, of vector 0. (5.3)
    pub const fn completion_queue(number: u16, entries: u16, bus: u64) -> Self {
        Self::new(0x05, 0, [bus, 0], [queue(number, entries), 0b11, 0])
    }

    /// Create I/O Submission Queue: contiguous, of the completion queue with the same number. (5.4)
    pub const fn submission_queue(number: u16, entries: u16, bus: u64) -> Self {
        Self::new(0x01, 0, [bus, 0], [queue(number, entries), (number as u32) << 16 | 0b1, 0])
    }

    /// Flush. (6.8)
    pub const fn flush() -> Self {
        Self::new(0x00, NAMESPACE, [0, 0], [0; 3])
    }

    /// Read (6.9) or Write (6.15) of so many blocks, at least one, from block `first` on.
    pub const fn transfer(write: bool, first: u64, blocks: u32, data: [u64; 2]) -> Self {
        let opcode = if write { 0x01 } else { 0x02 };
        Self::new(opcode, NAMESPACE, data, [first as u32, (first >> 32) as u32, blocks.wrapping_sub(1) & 0xffff])
    }

    /// The entry of the submission queue. Two dwords and the metadata pointer are 0, and so are dwords 13 to 15.
    pub fn encode(&self, id: u16) -> [u8; BYTES] {
        let mut entry = [0; BYTES];
        let mut put = |offset: usize, value: u64| entry[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        let [low, high, count] = self.arguments.map(u64::from);
        put(0, u64::from(self.namespace) << 32 | u64::from(id) << 16 | u64::from(self.opcode));
        put(24, self.data[0]);
        put(32, self.data[1]);
        put(40, high << 32 | low);
        put(48, count);
        entry
    }
}

/// Number and size of a queue, as both commands that make one want it.
const fn queue(number: u16, entries: u16) -> u32 {
    (entries.wrapping_sub(1) as u32) << 16 | number as u32
}
