//! How a host controller is told of a command (SD Host Controller Simplified Specification 3.00, 2.2.5 and 2.2.6).

use sd::{Answer, Command, Data};

const CRC: u32 = 1 << 3;
const INDEX: u32 = 1 << 4;
const DATA: u32 = 1 << 5;
/// Command Type: it ends a transfer.
const ABORT: u32 = 0b11 << 6;

/// Transfer Mode: DMA, the blocks are counted, CMD12 follows by itself, there are several. (2.2.5)
const SEVERAL: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 5;
/// Transfer Mode: from the card.
const READ: u32 = 1 << 4;

/// Transfer Mode and, from bit 16 on, Command.
pub const fn bits(command: &Command) -> u32 {
    let transfer = match command.data {
        None => 0,
        Some(Data::Read) => DATA << 16 | SEVERAL | READ,
        Some(Data::Write) => DATA << 16 | SEVERAL,
    };
    let abort = if command.is_abort() { ABORT << 16 } else { 0 };
    (command.index as u32) << 24 | answer(command.answer) << 16 | transfer | abort
}

/// Response Type, CRC and Index Check Enable. (2.2.6)
const fn answer(answer: Answer) -> u32 {
    match answer {
        Answer::None => 0,
        Answer::Long => 0b01 | CRC,
        Answer::Bare => 0b10,
        Answer::Short => 0b10 | CRC | INDEX,
        Answer::Busy => 0b11 | CRC | INDEX,
    }
}
