//! A virtqueue (virtio 1.2, 2.7) whose descriptors say what the driver likes.

use kit::dma::{Memory, Space};
use kit::virtio::Transport;

/// Descriptors.
pub const SIZE: u32 = 8;
const AVAILABLE: usize = 0x100;
const USED: usize = 0x200;
/// What lies in the page behind the queue is the driver's to use.
pub const OWN: usize = 0x400;
const NEXT: u16 = 1;
const WRITE: u16 = 2;
/// How often the used ring is looked at.
const LOOKS: u32 = 3_000_000;

/// A piece of a request: a bus address, bytes, and whether the device writes there.
pub type Piece = (u64, u32, bool);

/// The queue, and a page of memory that the device may reach.
pub struct Ring {
    number: u16,
    memory: Memory,
    asked: u16,
}

impl Ring {
    /// Queue `number` of the device.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new(transport: &mut impl Transport, number: u16, space: Space) -> Result<Self, kit::Error> {
        let memory = Memory::consistent(space, 1)?;
        let bus = memory.bus();
        transport.queue_set(number, SIZE, bus, bus + AVAILABLE as u64, bus + USED as u64);
        Ok(Self { number, memory, asked: 0 })
    }

    /// The bus address of a byte of the page.
    pub const fn bus(&self, offset: usize) -> u64 {
        self.memory.bus() + offset as u64
    }

    /// The page.
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Asks for something, and says whether the device claims to be through with it.
    pub fn ask(&mut self, transport: &mut impl Transport, pieces: &[Piece]) -> bool {
        self.offer(transport, pieces);
        self.is_through()
    }

    /// Whether the device claims to be through with all, in a while.
    pub fn is_through(&self) -> bool {
        (0..LOOKS).any(|_| self.used() == self.asked)
    }

    /// Asks for something.
    pub fn offer(&mut self, transport: &mut impl Transport, pieces: &[Piece]) {
        let buffer = self.memory.buffer();
        for (index, &(address, bytes, write)) in pieces.iter().enumerate() {
            let more = index + 1 < pieces.len();
            let flags = if more { NEXT } else { 0 } | if write { WRITE } else { 0 };
            let mut descriptor = [0; 16];
            descriptor[..8].copy_from_slice(&address.to_le_bytes());
            descriptor[8..12].copy_from_slice(&bytes.to_le_bytes());
            descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
            descriptor[14..].copy_from_slice(&(index as u16 + 1).to_le_bytes());
            let _ = buffer.write(16 * index, &descriptor);
        }
        let place = AVAILABLE + 4 + 2 * usize::from(self.asked % SIZE as u16);
        let _ = buffer.write(place, &0u16.to_le_bytes());
        self.asked = self.asked.wrapping_add(1);
        kit::dma::publish();
        let _ = buffer.write(AVAILABLE + 2, &self.asked.to_le_bytes());
        kit::dma::publish();
        transport.notify(self.number);
    }

    fn used(&self) -> u16 {
        let mut index = [0; 2];
        let _ = self.memory.buffer().read(USED + 2, &mut index);
        u16::from_le_bytes(index)
    }
}
