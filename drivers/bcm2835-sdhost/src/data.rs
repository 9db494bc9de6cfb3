//! Data on its way between memory and the FIFO.

use ipc::block::SECTOR;
use kit::dma::Piece;
use kit::mmio::*;
use sd::Data;

use crate::registers::{DEBUG, Registers};

/// Words in the FIFO at most.
const FIFO: usize = 16;
/// How often the FIFO is looked at that has nothing, or no room: from then on the next interrupt is waited for.
const LOOKS: usize = 32;

/// The data of a command.
#[derive(Debug)]
pub struct Run {
    piece: Piece,
    way: Data,
    /// Bytes that went through the FIFO.
    done: usize,
}

impl Run {
    /// All of this, whole sectors.
    pub const fn new(piece: Piece) -> Self {
        Self { piece, way: Data::Read, done: 0 }
    }

    /// It goes this way.
    pub const fn begin(&mut self, way: Data) {
        (self.way, self.done) = (way, 0);
    }

    /// How many there are.
    pub const fn blocks(&self) -> u32 {
        (self.piece.bytes() / SECTOR) as u32
    }

    /// The memory was not taken away.
    pub fn is_present(&self) -> bool {
        self.piece.is_present()
    }

    /// Moves what can be moved now; says whether that was anything.
    pub fn go_on(&mut self, registers: &Registers) -> bool {
        let (before, mut looks) = (self.done, 0);
        while self.done < self.piece.bytes() && looks < LOOKS {
            match self.words(registers) {
                0 => looks += 1,
                words => {
                    self.burst(registers, words);
                    looks = 0;
                }
            }
        }
        self.done != before
    }

    /// How many words can go through the FIFO at once.
    fn words(&self, registers: &Registers) -> usize {
        let level = (registers.debug.read(DEBUG::LEVEL) as usize).min(FIFO);
        let words = if self.way == Data::Read { level } else { FIFO - level };
        words.min((self.piece.bytes() - self.done) / 4)
    }

    fn burst(&mut self, registers: &Registers, words: usize) {
        let mut bytes = [0; 4 * FIFO];
        let bytes = &mut bytes[..4 * words];
        // It lies inside.
        if self.way == Data::Read {
            bytes.as_chunks_mut().0.iter_mut().for_each(|word| *word = registers.data.get().to_le_bytes());
            let _ = self.piece.write(self.done, bytes);
        } else {
            let _ = self.piece.read(self.done, bytes);
            bytes.as_chunks().0.iter().for_each(|&word| registers.data.set(u32::from_le_bytes(word)));
        }
        self.done += 4 * words;
    }

    /// All of it is where it was to go: the card has taken what was written, as far as its checksum.
    pub fn is_done(&self, registers: &Registers) -> bool {
        let debug = registers.debug.extract();
        let rests = debug.read(DEBUG::LEVEL) == 0
            && matches!(
                debug.read_as_enum(DEBUG::PHASE),
                Some(DEBUG::PHASE::Value::Identify | DEBUG::PHASE::Value::Data | DEBUG::PHASE::Value::WriteStart)
            );
        self.done == self.piece.bytes() && (self.way == Data::Read || rests)
    }
}
