//! What takes messages of devices for interrupts: v2m frames of a GICv2 (Arm Server Base System Architecture 6.0, appendix E)
//! and ITSes of a GICv3 (ARM IHI 0069, chapter 5).

use crate::{Fault, Node, Range, TreeError};

/// Most of them that are listed.
pub const MAX_MESSAGE_CONTROLLERS: usize = 4;

/// A controller of message-signalled interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageController {
    /// Its registers. What devices write to lies in them.
    pub registers: Range,
    /// What it is.
    pub kind: MessageKind,
}

/// The kinds of controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A frame: whoever writes the number of one of its lines to it fires that line.
    Frame {
        /// The first of its lines, where the tree knows better than the frame's register.
        first: Option<u32>,
        /// How many there are, where the tree knows better.
        count: Option<u32>,
    },
    /// An ITS: the device that writes is known, and what it may fire.
    Its,
}

impl MessageKind {
    /// What a `compatible` stands for.
    pub(crate) fn of(compatible: &[u8]) -> Option<Self> {
        match compatible {
            b"arm,gic-v2m-frame" => Some(Self::Frame { first: None, count: None }),
            b"arm,gic-v3-its" => Some(Self::Its),
            _ => None,
        }
    }
}

impl MessageController {
    pub(crate) fn of(node: &Node<'_, '_>, kind: MessageKind) -> Result<Self, TreeError> {
        let registers = node.registers().next().unwrap_or_else(|| Err(node.error("reg", Fault::Missing)))?;
        let kind = match kind {
            MessageKind::Frame { .. } => {
                let number = |name| {
                    let value = node.number(name)?;
                    Ok(value.map(|value| u32::try_from(value).unwrap_or(u32::MAX)))
                };
                MessageKind::Frame { first: number("arm,msi-base-spi")?, count: number("arm,msi-num-spis")? }
            }
            MessageKind::Its => MessageKind::Its,
        };
        Ok(Self { registers, kind })
    }
}
