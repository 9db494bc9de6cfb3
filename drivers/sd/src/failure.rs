//! Why a controller or its card is not used.

use core::fmt;

/// Why a controller or its card is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the driver needs could not be had.
    Kit(kit::Error),
    /// What leads to the card is not as the device tree wants it.
    Pins(kit::pin::StateError),
    /// Its registers read as ones.
    Gone,
    /// It has no ADMA2.
    Dma,
    /// It says that it supplies no voltage that a card takes.
    Voltage,
    /// It was reset and does not come back.
    NotReset,
    /// Its internal clock does not become stable.
    Clock,
    /// It says that it is still busy with what came before.
    Busy,
    /// It interrupts again and again, and nothing has happened.
    Noise,
    /// There is no card in the slot.
    NoCard,
    /// The card does not answer this command.
    Unanswered(&'static str),
    /// The card answers this command with these errors (card status).
    Refused(&'static str, u32),
    /// The card does not repeat what it was sent: this came back.
    Echo(u32),
    /// The card does not take 2.7 to 3.6 V: its OCR.
    CardVoltage(u32),
    /// The card does not end its initialisation.
    NotReady,
    /// The card has address 0, which is none.
    Address,
    /// The card's CSD is of a structure that is not its own, or not driven.
    Csd {
        /// CSD_STRUCTURE.
        structure: u8,
        /// The card is addressed by blocks.
        by_blocks: bool,
    },
    /// The card's CSD has a block length that cannot be.
    Capacity,
    /// The card has a password.
    Locked,
    /// It is another card than before.
    Changed,
}

impl Failure {
    /// Another card may be better.
    pub const fn is_of_card(self) -> bool {
        !matches!(
            self,
            Self::Kit(_)
                | Self::Pins(_)
                | Self::Gone
                | Self::Dma
                | Self::Voltage
                | Self::NotReset
                | Self::Clock
                | Self::Busy
                | Self::Noise
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kit(error) => error.fmt(f),
            Self::Pins(error) => error.fmt(f),
            Self::Gone => {
                f.write_str("the controller's registers read as ones: it was removed, or has no clock or power")
            }
            Self::Dma => f.write_str("the controller has no ADMA2 (Capabilities, bit 19)"),
            Self::Voltage => {
                f.write_str("the controller supplies none of 3.3, 3.0 and 1.8 V (Capabilities, bits 24 to 26)")
            }
            Self::NotReset => f.write_str("the controller does not come back from a reset"),
            Self::Clock => f.write_str("the controller's internal clock does not become stable: is its own clock on?"),
            Self::Busy => f.write_str("the controller's command or data line stays in use"),
            Self::Noise => f.write_str("the controller interrupts without end, and nothing has happened"),
            Self::NoCard => f.write_str("there is no card in the slot"),
            Self::Unanswered(command) => write!(f, "the card does not answer {command}"),
            Self::Refused(command, status) => write!(f, "the card refuses {command} with status {status:#x}"),
            Self::Echo(came) => write!(f, "the card answers SEND_IF_COND with {came:#x} in the place of 0x1aa"),
            Self::CardVoltage(ocr) => write!(f, "the card does not take 2.7 to 3.6 V (OCR {ocr:#x})"),
            Self::NotReady => f.write_str("the card does not end its initialisation (SD_SEND_OP_COND)"),
            Self::Address => f.write_str("the card gives itself address 0, which is none"),
            Self::Csd { structure: 2.., .. } => {
                f.write_str("the card's CSD is not of version 1 or 2: it is no SD, SDHC or SDXC")
            }
            Self::Csd { structure, by_blocks } => {
                let unit = if *by_blocks { "blocks" } else { "bytes" };
                write!(f, "the card is addressed by {unit}, but its CSD has version {}", structure + 1)
            }
            Self::Capacity => f.write_str("the card's CSD has a block length that cannot be (READ_BL_LEN)"),
            Self::Locked => f.write_str("the card has a password: unlock it where it was set"),
            Self::Changed => f.write_str("it is another card than the one that was removed"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<kit::Error> for Failure {
    fn from(error: kit::Error) -> Self {
        Self::Kit(error)
    }
}

impl From<kit::pin::StateError> for Failure {
    fn from(error: kit::pin::StateError) -> Self {
        Self::Pins(error)
    }
}
