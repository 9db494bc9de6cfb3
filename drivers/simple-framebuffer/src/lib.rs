//! A framebuffer that the firmware has set up and that is shown all the time (device tree binding
//! `display/simple-framebuffer.yaml`): one mode, and nothing to be told.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use core::fmt;

use ipc::display::{Area, Format, Mode};
use kit::class::display::{Panel, Shown};
use kit::{Node, dma};
use rt::SharedBuffer;

/// A framebuffer.
#[derive(Debug)]
pub struct SimpleFramebuffer {
    memory: SharedBuffer,
    mode: Mode,
}

/// Why a framebuffer cannot be driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the driver needs could not be had, or the tree does not say it.
    Kit(kit::Error),
    /// Pixels of another format.
    Format(String),
    /// No such picture: rows overlap, or there is too little memory for it.
    Memory(Mode, usize),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kit(error) => error.fmt(f),
            Self::Format(format) => {
                write!(f, "node: format: {format:?} is not driven; x8r8g8b8, a8r8g8b8 and r5g6b5 are")
            }
            Self::Memory(Mode { width, height, stride, .. }, bytes) => write!(
                f,
                "node: width, height, stride: {width} × {height} pixels in rows of {stride} bytes are no picture in {bytes} bytes"
            ),
        }
    }
}

impl core::error::Error for Failure {}

impl From<kit::Error> for Failure {
    fn from(error: kit::Error) -> Self {
        Self::Kit(error)
    }
}

impl SimpleFramebuffer {
    /// The framebuffer of a node, in its memory.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(node: &Node, memory: SharedBuffer) -> Result<Self, Failure> {
        let format = match node.text("format")? {
            "x8r8g8b8" | "a8r8g8b8" => Format::Xrgb8888,
            "r5g6b5" => Format::Rgb565,
            other => return Err(Failure::Format(other.into())),
        };
        let (width, height, stride) = (node.number("width")?, node.number("height")?, node.number("stride")?);
        let mode = Mode { width, height, stride, format };
        match mode.bytes() {
            Some(bytes) if bytes <= memory.len() => Ok(Self { memory, mode }),
            _ => Err(Failure::Memory(mode, memory.len())),
        }
    }
}

impl Panel for SimpleFramebuffer {
    fn modes(&self) -> &[Mode] {
        core::slice::from_ref(&self.mode)
    }

    fn memory(&self) -> &SharedBuffer {
        &self.memory
    }

    fn set(&mut self, _: usize) {}

    fn show(&mut self, _: Area) -> Shown {
        // What was drawn is not kept back.
        dma::publish();
        Shown::Done
    }
}

#[cfg(test)]
mod tests {
    use ipc::display::{DisplayClient, DisplayServer};
    use ipc::surface::{Screen, Surface};
    use ipc::{Loopback, Shared, SignalOn};
    use kit::class::display::Service;
    use rt::Cap;

    use super::*;

    fn node(format: &str, width: u32, height: u32, stride: u32) -> Node {
        let node = Node::fake("framebuffer@9d400000").with_text("format", format).with_cells("width", &[width]);
        node.with_cells("height", &[height]).with_cells("stride", &[stride])
    }

    fn memory() -> SharedBuffer {
        SharedBuffer::fake(8 * 4096)
    }

    #[test]
    fn pixels_lie_where_the_firmware_says() {
        let memory = memory();
        let seen = SharedBuffer::map(memory.frame(), 8).expect("the same memory");
        seen.write(0, b"the splash of the firmware").expect("inside");
        let panel = SimpleFramebuffer::new(&node("x8r8g8b8", 60, 80, 256), memory).expect("a framebuffer");
        let server = Shared::new(Service::new(panel).expect("a slot"));
        let display = DisplayClient(Loopback::new(DisplayServer(server)));
        let mode = Mode { width: 60, height: 80, stride: 256, format: Format::Xrgb8888 };
        assert_eq!([0, 1].map(|index| display.mode(index)), [Ok(Some(mode)), Ok(None)]);
        let signal = SignalOn { notification: Cap::from_slot(70), bits: 1 };
        let mut screen = Screen::open(display, 0, signal).expect("free");
        let mut row = [1; 240];
        seen.read(0, &mut row).expect("inside");
        assert_eq!(row, [0; 240], "black");
        screen.write(79 * 256 + 236, &[1, 2, 3, 4]).expect("inside");
        screen.show(Area { left: 59, top: 79, width: 1, height: 1 }).expect("its own");
        assert_eq!(screen.is_done(), Ok(true));
        assert_eq!(seen.load_u32(79 * 256 + 236), Ok(0x0403_0201));
    }

    #[test]
    fn formats_are_known_or_named() {
        let format = |name| SimpleFramebuffer::new(&node(name, 4, 4, 16), memory()).map(|panel| panel.mode.format);
        assert_eq!(format("a8r8g8b8"), Ok(Format::Xrgb8888));
        assert_eq!(format("r5g6b5"), Ok(Format::Rgb565));
        let refused = format("a8b8g8r8").expect_err("refused").to_string();
        assert!(refused.contains("\"a8b8g8r8\"") && refused.contains("x8r8g8b8"), "{refused}");
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for (width, height, stride) in [
            (0, 4, 16),
            (4, 0, 16),
            (5, 4, 16),
            (4, 2049, 16),
            (u32::MAX, 4, u32::MAX),
            (u32::MAX, u32::MAX, u32::MAX),
            (4, 4, 0),
        ] {
            let refused = SimpleFramebuffer::new(&node("x8r8g8b8", width, height, stride), memory());
            assert!(matches!(refused, Err(Failure::Memory(..))), "{refused:?}");
        }
        assert!(SimpleFramebuffer::new(&node("x8r8g8b8", 4, 2048, 16), memory()).is_ok());
    }

    #[test]
    fn what_the_tree_does_not_say_is_named() {
        let names = ["format", "width", "height", "stride"];
        for missing in names {
            let mut node = Node::fake("");
            for name in names.into_iter().filter(|&name| name != missing) {
                node = if name == "format" { node.with_text(name, "r5g6b5") } else { node.with_cells(name, &[16]) };
            }
            let refused = SimpleFramebuffer::new(&node, memory()).expect_err("refused").to_string();
            assert_eq!(refused, format!("node: {missing}: the device tree does not say"));
        }
    }

    #[test]
    fn random_nodes_are_refused_or_fit() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> (seed % 60)) as u32
        };
        for _ in 0..10_000 {
            let node = node(["r5g6b5", "x8r8g8b8"][random() as usize % 2], random(), random(), random());
            if let Ok(panel) = SimpleFramebuffer::new(&node, SharedBuffer::fake(4096)) {
                assert!(panel.mode.bytes().is_some_and(|bytes| bytes <= 4096));
            }
        }
    }
}
