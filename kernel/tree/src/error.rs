//! What is wrong with a tree, and where: one line that names node and property.

use core::fmt;

/// A short text kept by value, so that an error outlives the tree it speaks of. Too long a text keeps its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Label<N> {
    pub(crate) const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    /// Appends `text`; where it does not fit, the front gives way. Bytes that would break a line become `?`.
    pub(crate) fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            let mut at = usize::from(self.len);
            if at >= N {
                self.bytes.copy_within(1.., 0);
                at = N - 1;
            }
            if let Some(slot) = self.bytes.get_mut(at) {
                *slot = if byte.is_ascii_graphic() { byte } else { b'?' };
            }
            self.len = (at + 1) as u8;
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        let mut label = Self::EMPTY;
        label.push(text);
        label
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.len)).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fewer bytes than the header says or than a header has.
    Short {
        /// Bytes that there are.
        have: usize,
        /// Bytes that there should be.
        need: usize,
    },
    /// The first word is not 0xd00dfeed.
    Magic(u32),
    /// A format version that is not readable as version 17.
    Version(u32),
    /// `totalsize` is smaller than a header or above [`crate::MAX_TREE_BYTES`].
    Size(usize),
    /// A block of the tree lies outside of it or is not aligned.
    Block {
        /// Which block.
        name: &'static str,
        /// Its offset in bytes.
        offset: usize,
        /// Its length in bytes.
        size: usize,
    },
    /// The strings block holds a byte that no property name has.
    NameByte(u8),
    /// The structure block ends in the middle of a token.
    Truncated,
    /// No token has this number, or it may not stand here.
    Token(u32),
    /// A name that is missing, not ended, or holds a byte that no name has.
    Name,
    /// A property name lies outside of the strings block.
    NameOffset(u32),
    /// Nodes are nested deeper than [`crate::MAX_DEPTH`].
    Depth,
    /// A value has the wrong length.
    Length {
        /// Bytes that there are.
        have: usize,
        /// Bytes that there should be, or a multiple of.
        need: usize,
    },
    /// A value that nothing is known to mean.
    Value(u64),
    /// A text that is not one: no UTF-8, or a zero within.
    Text,
    /// A property that is needed is missing.
    Missing,
    /// `#address-cells` or `#size-cells` that do not fit 64 bits.
    Cells(u32),
    /// A range that runs over the end of the address space.
    Overflow {
        /// First address.
        base: u64,
        /// Length in bytes.
        size: u64,
    },
    /// An address that no `ranges` entry of a parent covers.
    Unmapped(u64),
    /// More entries than are kept.
    TooMany(usize),
    /// A path or alias that leads to no node.
    NoNode,
    /// No node has this phandle.
    Phandle(u32),
    /// The node with this phandle is no child of `/reserved-memory`.
    NotReserved(u32),
    /// No entry of an `interrupt-map` takes an interrupt.
    Unrouted,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Short { have, need } => write!(f, "{have} bytes where {need} are needed"),
            Fault::Magic(word) => write!(f, "begins with {word:#010x}, not 0xd00dfeed"),
            Fault::Version(version) => write!(f, "version {version} cannot be read as version 17"),
            Fault::Size(size) => write!(f, "total size {size} is out of bounds"),
            Fault::Block { name, offset, size } => {
                write!(f, "{name} block of {size} bytes at offset {offset:#x} is misplaced")
            }
            Fault::NameByte(byte) => write!(f, "byte {byte:#04x} in the property names"),
            Fault::Truncated => f.write_str("the structure block ends too early"),
            Fault::Token(token) => write!(f, "unexpected token {token:#x}"),
            Fault::Name => f.write_str("bad node name"),
            Fault::NameOffset(offset) => write!(f, "property name offset {offset:#x} is out of bounds"),
            Fault::Depth => write!(f, "nested deeper than {}", crate::MAX_DEPTH),
            Fault::Length { have, need } => write!(f, "{have} bytes where (a multiple of) {need} are needed"),
            Fault::Value(value) => write!(f, "unknown value {value:#x}"),
            Fault::Text => f.write_str("not a text"),
            Fault::Missing => f.write_str("missing"),
            Fault::Cells(cells) => write!(f, "numbers of {cells} cells are not supported"),
            Fault::Overflow { base, size } => write!(f, "{base:#x} + {size:#x} runs over 64 bits"),
            Fault::Unmapped(address) => write!(f, "address {address:#x} is in no range of the parents"),
            Fault::TooMany(most) => write!(f, "more than {most} entries"),
            Fault::NoNode => f.write_str("leads to no node"),
            Fault::Phandle(phandle) => write!(f, "no such phandle: {phandle:#x}"),
            Fault::NotReserved(phandle) => write!(f, "phandle {phandle:#x} is not within /reserved-memory"),
            Fault::Unrouted => f.write_str("no entry of the interrupt-map of its parent takes it"),
        }
    }
}

/// What is wrong with a tree, and where; one line, to stand behind `device tree: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeError {
    /// Path of the node (its end, where it is long); empty where the fault is not in a node.
    pub node: Label<48>,
    /// Name of the property; empty where the fault is not in one.
    pub property: Label<24>,
    /// Offset in bytes from the start of the tree.
    pub offset: u32,
    /// What is wrong.
    pub fault: Fault,
}

impl TreeError {
    /// A fault in the header or between the blocks.
    pub(crate) fn outside(offset: usize, fault: Fault) -> Self {
        Self { node: Label::EMPTY, property: Label::EMPTY, offset: offset as u32, fault }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.node.as_str().is_empty() {
            write!(f, "{}: ", self.node.as_str())?;
        }
        if !self.property.as_str().is_empty() {
            write!(f, "{}: ", self.property.as_str())?;
        }
        write!(f, "{} (at byte {:#x})", self.fault, self.offset)
    }
}

impl core::error::Error for TreeError {}
