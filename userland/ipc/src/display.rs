//! display: a picture in memory that is shown.

use crate::{Client, Owned, Signal, Wire};
use rt::Frame;

/// A picture in memory that is shown: modes, the framebuffer, what was changed, and when it was taken.
///
/// One client at a time has the display: the first that opens it, until it closes it or is gone. It draws into the framebuffer,
/// which the device's driver pays for and takes back when the display changes hands; what another drew is not in it. Nothing that
/// is drawn need be shown before `damage` says where it lies, and anything may be: some devices show the framebuffer itself.
///
/// A client that opens the display again, in another mode or after it was started again, takes the place of itself.
#[crate::protocol(name = "display", version = 1)]
pub trait Display {
    /// The mode with number `index`, the preferred one first; none behind the last.
    #[method(1)]
    fn mode(&mut self, index: u32) -> Result<Option<Mode>, Status>;

    /// Takes the display in mode number `index`, with a black picture. The Frame has [`Mode::pages`] pages that can be read and
    /// written, and the signal says that the device has taken what was damaged.
    #[method(2)]
    fn open(&mut self, client: Client, index: u32, signal: Signal) -> Result<Owned<Frame>, Status>;

    /// Has this part of the picture shown, and returns at once, with the number of the frame in which it will be. Parts that are
    /// damaged while the device is at work go into one frame.
    #[method(3)]
    fn damage(&mut self, client: Client, area: Area) -> Result<u64, Status>;

    /// The number of the last frame that the device has taken, from 1 on; 0: none yet.
    #[method(4)]
    fn done(&mut self, client: Client) -> Result<u64, Status>;

    /// Gives the display up: it becomes black, and the framebuffer is taken back at once.
    #[method(5)]
    fn close(&mut self, client: Client) -> Result<(), Status>;
}

crate::statuses! {
    /// There is no mode with this number.
    NoMode = 1, "the display has no such mode";
    /// Another client has it.
    Busy = 2, "another component has the display";
    /// The client has not opened it, or it was opened by another since.
    NotOpen = 3, "the display was not opened, or was taken away";
    /// A part that is empty or does not lie in the picture.
    BadArea = 4, "this is no part of the picture";
    /// The device failed, or does not answer.
    DeviceError = 5, "the display device does not answer";
}

/// How a pixel lies in memory. Words are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Format {
    /// A word of four bytes: from the highest byte on 0xff, red, green, blue (DRM's XRGB8888; where hardware takes the highest byte
    /// for opacity, 0xff is what shows the pixel).
    Xrgb8888 = 1,
    /// A word of two bytes: 5 bits red, 6 green, 5 blue from the highest bit on.
    Rgb565 = 2,
}

impl Format {
    /// Bytes of a pixel.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Xrgb8888 => 4,
            Self::Rgb565 => 2,
        }
    }
}

/// How a picture lies in memory: row by row, from the upper left corner on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Mode {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// Of each pixel.
    pub format: Format,
}

impl Mode {
    /// Rows one behind the other, without bytes between.
    pub const fn packed(width: u32, height: u32, format: Format) -> Self {
        Self { width, height, stride: width.saturating_mul(format.bytes() as u32), format }
    }

    /// Bytes from the first to the last pixel; `None` when there are no pixels, rows overlap, or there are more bytes than can be
    /// counted.
    pub fn bytes(&self) -> Option<usize> {
        let row = (self.width as usize).checked_mul(self.format.bytes())?;
        let before = (self.stride as usize).checked_mul((self.height as usize).checked_sub(1)?)?;
        (row > 0 && row <= self.stride as usize).then(|| before.checked_add(row)).flatten()
    }

    /// Pages of its framebuffer.
    pub fn pages(&self) -> Option<u64> {
        self.bytes().map(|bytes| bytes.div_ceil(abi::layout::PAGE as usize) as u64)
    }

    /// All of it.
    pub const fn area(&self) -> Area {
        Area { left: 0, top: 0, width: self.width, height: self.height }
    }
}

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Area {
    /// Its leftmost column.
    pub left: u32,
    /// Its uppermost row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Area {
    /// Whether it is not empty and lies in a picture of this mode.
    pub fn is_in(&self, mode: &Mode) -> bool {
        let inside =
            |start: u32, count: u32, end: u32| count > 0 && start.checked_add(count).is_some_and(|it| it <= end);
        inside(self.left, self.width, mode.width) && inside(self.top, self.height, mode.height)
    }

    const fn right(self) -> u32 {
        self.left.saturating_add(self.width)
    }

    const fn bottom(self) -> u32 {
        self.top.saturating_add(self.height)
    }

    /// The smallest area with both in it.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = self.right().max(other.right());
        let bottom = self.bottom().max(other.bottom());
        Self { left, top, width: right - left, height: bottom - top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_cannot_be_have_no_bytes() {
        let good = Mode { width: 16, height: 16, stride: 70, format: Format::Xrgb8888 };
        assert_eq!((good.bytes(), good.pages()), (Some(15 * 70 + 64), Some(1)));
        for bad in [
            Mode { width: 18, ..good },
            Mode { width: 0, ..good },
            Mode { height: 0, ..good },
            Mode { stride: 63, ..good },
            Mode { width: u32::MAX, ..good },
            Mode::packed(u32::MAX, u32::MAX, Format::Xrgb8888),
        ] {
            assert_eq!(bad.bytes(), None, "{bad:?}");
        }
        assert_eq!(Mode::packed(3, 2, Format::Rgb565).bytes(), Some(12));
    }

    #[test]
    fn areas_are_parts_of_the_picture() {
        let mode = Mode::packed(10, 20, Format::Rgb565);
        let good = Area { left: 9, top: 19, width: 1, height: 1 };
        assert!(good.is_in(&mode) && mode.area().is_in(&mode));
        for bad in [
            Area { width: 0, ..good },
            Area { height: 0, ..good },
            Area { left: 10, ..good },
            Area { top: 20, ..good },
            Area { width: u32::MAX, ..good },
            Area { left: u32::MAX, ..good },
        ] {
            assert!(!bad.is_in(&mode), "{bad:?}");
        }
        let other = Area { left: 3, top: 4, width: 2, height: 5 };
        assert_eq!(good.with(other), Area { left: 3, top: 4, width: 7, height: 16 });
        assert_eq!(other.with(good), good.with(other));
    }
}
