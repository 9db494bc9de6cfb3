//! Commands (SD Physical Layer Simplified Specification 6.00, 4.7.4).

/// What the card answers. (4.9)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    None,
    /// R2: 136 bits.
    Long,
    /// R3: 48 bits without a checksum.
    Bare,
    /// R1, R6, R7: 48 bits.
    Short,
    /// R1b: 48 bits, and the card is busy then.
    Busy,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its number.
    pub index: u8,
    /// Its argument.
    pub argument: u32,
    /// What the card answers.
    pub answer: Answer,
    /// Blocks follow, to the card or from it.
    pub data: Option<Data>,
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// From the card.
    Read,
    /// To the card.
    Write,
}

impl Command {
    const fn new(index: u8, argument: u32, answer: Answer) -> Self {
        Self { index, argument, answer, data: None }
    }

    /// GO_IDLE_STATE.
    pub const fn idle() -> Self {
        Self::new(0, 0, Answer::None)
    }

    /// ALL_SEND_CID.
    pub const fn send_cid() -> Self {
        Self::new(2, 0, Answer::Long)
    }

    /// SEND_RELATIVE_ADDR.
    pub const fn send_address() -> Self {
        Self::new(3, 0, Answer::Short)
    }

    /// SET_BUS_WIDTH of four bits: an application command, behind [`Self::application`].
    pub const fn four_bits() -> Self {
        Self::new(6, 0b10, Answer::Short)
    }

    /// SELECT_CARD.
    pub const fn select(address: u16) -> Self {
        Self::new(7, (address as u32) << 16, Answer::Busy)
    }

    /// SEND_IF_COND: 2.7 to 3.6 V, and what is to be repeated. (4.3.13)
    pub const fn interface() -> Self {
        Self::new(8, 0x1aa, Answer::Short)
    }

    /// SEND_CSD.
    pub const fn send_csd(address: u16) -> Self {
        Self::new(9, (address as u32) << 16, Answer::Long)
    }

    /// STOP_TRANSMISSION.
    pub const fn stop() -> Self {
        Self::new(12, 0, Answer::Busy)
    }

    /// SEND_STATUS.
    pub const fn send_status(address: u16) -> Self {
        Self::new(13, (address as u32) << 16, Answer::Short)
    }

    /// SET_BLOCKLEN.
    pub const fn block_length(bytes: u32) -> Self {
        Self::new(16, bytes, Answer::Short)
    }

    /// READ_MULTIPLE_BLOCK or WRITE_MULTIPLE_BLOCK, which the controller ends with a [`Self::stop`] of its own.
    pub const fn transfer(data: Data, argument: u32) -> Self {
        let index = match data {
            Data::Read => 18,
            Data::Write => 25,
        };
        Self { data: Some(data), ..Self::new(index, argument, Answer::Short) }
    }

    /// SD_SEND_OP_COND: 2.7 to 3.6 V; `high`: the host knows cards of more than 2 GB. An application command.
    pub const fn operate(high: bool) -> Self {
        Self::new(41, 0x00ff_8000 | (high as u32) << 30, Answer::Bare)
    }

    /// APP_CMD: the next one is an application command.
    pub const fn application(address: u16) -> Self {
        Self::new(55, (address as u32) << 16, Answer::Short)
    }

    /// It ends a transfer, and waits for no data line.
    pub const fn is_abort(&self) -> bool {
        self.index == 12
    }

    /// It is done when the data lines are: data is moved, or the card is busy.
    pub const fn uses_data(&self) -> bool {
        matches!(self.answer, Answer::Busy) || self.data.is_some()
    }
}
