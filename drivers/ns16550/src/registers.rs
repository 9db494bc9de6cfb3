//! The registers, by the names of the PC16550D's data sheet. How far they are apart, and how wide an access must be, differs from
//! chip to chip.

// The macro's types carry the data sheet's descriptions of their fields or speak for themselves.
#![allow(missing_docs)]

use core::marker::PhantomData;

use kit::Node;
use kit::mmio::*;
use kit::tock_registers::fields::FieldValue;
use kit::tock_registers::{LocalRegisterCopy, RegisterLongName};

register_bitfields![u32,
    pub IER [
        ERBFI OFFSET(0) NUMBITS(1) [],
        ETBEI OFFSET(1) NUMBITS(1) [],
        MINI OFFSET(2) NUMBITS(2) [],
    ],
    pub IIR [
        ID OFFSET(0) NUMBITS(4) [BusyDetected = 0b0111, CharacterTimeout = 0b1100],
        FIFOS OFFSET(6) NUMBITS(2) [Enabled = 0b11],
    ],
    pub FCR [
        ENABLE OFFSET(0) NUMBITS(1) [],
        CLEAR_RECEIVED OFFSET(1) NUMBITS(1) [],
        CLEAR_SENDING OFFSET(2) NUMBITS(1) [],
        TRIGGER OFFSET(6) NUMBITS(2) [Half = 0b10],
    ],
    pub LCR [
        FRAME OFFSET(0) NUMBITS(6) [EightBits = 0b11],
        BREAK OFFSET(6) NUMBITS(1) [],
        DLAB OFFSET(7) NUMBITS(1) [],
    ],
    pub MCR [
        DTR OFFSET(0) NUMBITS(1) [],
        RTS OFFSET(1) NUMBITS(1) [],
        OUT2 OFFSET(3) NUMBITS(1) [],
    ],
    pub LSR [
        DATA_READY OFFSET(0) NUMBITS(1) [],
        OVERRUN OFFSET(1) NUMBITS(1) [],
        PARITY OFFSET(2) NUMBITS(1) [],
        FRAMING OFFSET(3) NUMBITS(1) [],
        BREAK OFFSET(4) NUMBITS(1) [],
        ERRORS OFFSET(1) NUMBITS(4) [],
        THRE OFFSET(5) NUMBITS(1) [],
    ],
];

/// How a chip lays its registers out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Registers are `1 << shift` bytes apart; the tree's `reg-shift`.
    pub shift: u32,
    /// An access has so many bytes, 1 or 4; the tree's `reg-io-width`.
    pub width: u32,
    /// Which chip it is.
    pub model: Model,
}

/// Chips that differ in more than where their registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The 16550.
    Pc,
    /// Synopsys' DesignWare APB UART, which has more registers and rules of its own.
    DesignWare,
    /// The mini UART of the BCM2835: no frame but 8N1 and 7N1, "gone" means that one byte has room, and no interrupt without two bits
    /// more (Broadcom, BCM2835 ARM Peripherals, 2.2.2, and its published errata).
    Mini,
}

impl Layout {
    /// What the device's node says; where it says nothing, what its `compatible` stands for. Every width but 1 counts as 4.
    ///
    /// # Errors
    /// A property is no number.
    pub fn of(node: &Node) -> kit::Result<Self> {
        let mut names = node.bytes("compatible").unwrap_or_default().split(|&byte| byte == 0);
        let otherwise = names.find_map(|name| match name {
            b"snps,dw-apb-uart" => Some(Self::DESIGNWARE),
            b"brcm,bcm2835-aux-uart" => Some(Self::MINI),
            _ => None,
        });
        let otherwise = otherwise.unwrap_or(Self::PC);
        let number = |name, otherwise| if node.has(name) { node.number(name) } else { Ok(otherwise) };
        Ok(Self {
            shift: number("reg-shift", otherwise.shift)?,
            width: number("reg-io-width", otherwise.width)?,
            ..otherwise
        })
    }

    /// One byte behind the other.
    pub const PC: Self = Self { shift: 0, width: 1, model: Model::Pc };
    /// Words, as the DesignWare APB UART has them.
    pub const DESIGNWARE: Self = Self { shift: 2, width: 4, model: Model::DesignWare };
    /// Words, too.
    pub const MINI: Self = Self { shift: 2, width: 4, model: Model::Mini };
}

/// A register, whatever the width of its accesses.
pub enum Port<R: RegisterLongName> {
    Byte(ReadWrite<u8>, PhantomData<R>),
    Word(ReadWrite<u32>),
}

impl<R: RegisterLongName> Port<R> {
    fn new(mmio: &Mmio, layout: Layout, number: usize) -> kit::Result<Self> {
        let offset = number << layout.shift.min(8);
        Ok(match layout.width {
            1 => Self::Byte(mmio.register(offset)?, PhantomData),
            _ => Self::Word(mmio.register(offset)?),
        })
    }

    pub fn get(&self) -> LocalRegisterCopy<u32, R> {
        LocalRegisterCopy::new(match self {
            Self::Byte(register, _) => register.get().into(),
            Self::Word(register) => register.get() & 0xff,
        })
    }

    pub fn set(&self, value: u32) {
        match self {
            Self::Byte(register, _) => register.set(value as u8),
            Self::Word(register) => register.set(value),
        }
    }

    pub fn write(&self, value: FieldValue<u32, R>) {
        self.set(value.value);
    }
}

impl<R: RegisterLongName> core::fmt::Debug for Port<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Byte(register, _) => register.fmt(f),
            Self::Word(register) => register.fmt(f),
        }
    }
}

/// The registers in use.
#[derive(Debug)]
pub struct Registers {
    /// RBR when it is read, THR when it is written.
    pub data: Port<()>,
    pub interrupt_enable: Port<IER::Register>,
    pub interrupt_identification: Port<IIR::Register>,
    /// At the same place.
    pub fifo_control: Port<FCR::Register>,
    pub line_control: Port<LCR::Register>,
    pub modem_control: Port<MCR::Register>,
    pub line_status: Port<LSR::Register>,
    /// USR, of the DesignWare APB UART alone: reading it takes the interrupt "busy detected" back.
    pub uart_status: Option<Port<()>>,
}

impl Registers {
    /// The registers in this block.
    ///
    /// # Errors
    /// One does not lie inside the block.
    pub fn new(mmio: &Mmio, layout: Layout) -> kit::Result<Self> {
        Ok(Self {
            data: Port::new(mmio, layout, 0)?,
            interrupt_enable: Port::new(mmio, layout, 1)?,
            interrupt_identification: Port::new(mmio, layout, 2)?,
            fifo_control: Port::new(mmio, layout, 2)?,
            line_control: Port::new(mmio, layout, 3)?,
            modem_control: Port::new(mmio, layout, 4)?,
            line_status: Port::new(mmio, layout, 5)?,
            uart_status: (layout.model == Model::DesignWare).then(|| Port::new(mmio, layout, 31)).transpose()?,
        })
    }
}
