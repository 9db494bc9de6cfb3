//! Pictures in memory that a display shows.
//!
//! [`Surface`] is what draws and shows: a display that was opened is one ([`Screen`]), and so is a picture that is just there
//! ([`Mapped`]). `Canvas`, with the feature `graphics`, makes of it a target of `embedded-graphics`.

use core::error::Error;

use rt::{OutOfBuffer, SPACE, SharedBuffer, VmError};

use crate::display::{Area, DisplayClient, Format, Mode, Status};
use crate::{Call, SignalOn};

/// A picture that is drawn, and shown when it is said so.
pub trait Surface {
    /// Why it could not.
    type Error: Error;

    /// How it lies in memory.
    fn mode(&self) -> Mode;

    /// Changes bytes of it, from `offset` bytes behind its first pixel on.
    ///
    /// # Errors
    /// They do not lie in the picture, or it is gone.
    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Shows what was changed in this part.
    ///
    /// # Errors
    /// The display is gone.
    fn show(&mut self, damage: Area) -> Result<(), Self::Error>;
}

/// A framebuffer that is shown all the time.
#[derive(Debug)]
pub struct Mapped {
    buffer: SharedBuffer,
    mode: Mode,
}

/// Why a framebuffer cannot be drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurfaceError {
    /// It does not lie in its memory: rows that overlap, or too little memory.
    Memory,
    /// Bytes behind its last pixel.
    Outside,
    /// Its pixels have another format.
    Format(Format),
}

impl core::fmt::Display for SurfaceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Memory => f.write_str("framebuffer: width, height and stride do not fit its memory"),
            Self::Outside => f.write_str("framebuffer: bytes behind its last pixel"),
            Self::Format(format) => write!(f, "framebuffer: its pixels are {format:?}: draw with that colour type"),
        }
    }
}

impl Error for SurfaceError {}

impl From<OutOfBuffer> for SurfaceError {
    fn from(_: OutOfBuffer) -> Self {
        Self::Outside
    }
}

impl Mapped {
    /// The picture at the beginning of this memory.
    ///
    /// # Errors
    /// [`SurfaceError::Memory`].
    pub fn new(buffer: SharedBuffer, mode: Mode) -> Result<Self, SurfaceError> {
        let fits = mode.bytes().is_some_and(|bytes| bytes <= buffer.len());
        if fits { Ok(Self { buffer, mode }) } else { Err(SurfaceError::Memory) }
    }
}

impl Surface for Mapped {
    type Error = SurfaceError;

    fn mode(&self) -> Mode {
        self.mode
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), SurfaceError> {
        Ok(self.buffer.write(offset, bytes)?)
    }

    fn show(&mut self, _: Area) -> Result<(), SurfaceError> {
        Ok(())
    }
}

/// A display that was opened: a surface whose framebuffer its driver gave. A process has one at a time, as it is always mapped
/// at the same place. Dropping it gives the display up.
#[derive(Debug)]
pub struct Screen<C: Call> {
    display: DisplayClient<C>,
    mode: Mode,
    buffer: Option<SharedBuffer>,
    /// The frame in which everything that was damaged will be.
    frame: u64,
}

/// Where framebuffers are mapped: 256 MiB behind where everything else is (`abi::layout::USER_MAPPINGS`).
const PLACE: u64 = 0x3000_0000;
/// Most pages of one: 256 MiB.
const MOST: u64 = 1 << 16;

/// Why a display cannot be drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenError {
    /// What the display said.
    Display(crate::Error<Status>),
    /// Its framebuffer cannot be mapped.
    Memory(VmError),
    /// Its framebuffer is gone: its driver ended.
    Gone,
    /// Bytes behind the last pixel.
    Outside,
}

impl core::fmt::Display for ScreenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Display(error) => error.fmt(f),
            Self::Memory(VmError::Kernel(error)) => write!(f, "framebuffer: {error}"),
            Self::Memory(VmError::NoSlot) => f.write_str("framebuffer: no capability slot left"),
            Self::Gone => f.write_str("the framebuffer is gone: the driver of the display ended"),
            Self::Outside => f.write_str("framebuffer: bytes behind its last pixel"),
        }
    }
}

impl Error for ScreenError {}

impl From<crate::Error<Status>> for ScreenError {
    fn from(error: crate::Error<Status>) -> Self {
        Self::Display(error)
    }
}

impl<C: Call> Screen<C> {
    /// Opens the display in its mode number `index`. The signal says that a frame was taken.
    ///
    /// # Errors
    /// [`ScreenError`].
    pub fn open(display: DisplayClient<C>, index: u32, signal: SignalOn) -> Result<Self, ScreenError> {
        let mode = display.mode(index)?.ok_or(crate::Error::Status(Status::NoMode))?;
        let pages = mode.pages().filter(|&pages| pages <= MOST).ok_or(crate::Error::Malformed)?;
        // The framebuffer comes in the answer.
        #[cfg(target_os = "none")]
        crate::window::open().map_err(|none| ScreenError::Memory(none.into()))?;
        let frame = display.open(index, signal)?;
        match SharedBuffer::map_at(frame.cap(), PLACE, pages) {
            Ok(buffer) => {
                frame.keep();
                Ok(Self { display, mode, buffer: Some(buffer), frame: 0 })
            }
            Err(error) => {
                let _ = display.close();
                Err(ScreenError::Memory(error))
            }
        }
    }

    /// Whether the device has taken everything that was shown.
    ///
    /// # Errors
    /// The display's.
    pub fn is_done(&self) -> Result<bool, ScreenError> {
        Ok(self.display.done()? >= self.frame)
    }
}

impl<C: Call> Surface for Screen<C> {
    type Error = ScreenError;

    fn mode(&self) -> Mode {
        self.mode
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), ScreenError> {
        // The driver pays for it: it goes with the driver, and touching it then would be this process's own end.
        let buffer = self.buffer.as_ref().filter(|buffer| buffer.is_mapped()).ok_or(ScreenError::Gone)?;
        buffer.write(offset, bytes).map_err(|OutOfBuffer| ScreenError::Outside)
    }

    fn show(&mut self, damage: Area) -> Result<(), ScreenError> {
        self.frame = self.display.damage(damage)?;
        Ok(())
    }
}

impl<C: Call> Drop for Screen<C> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            let frame = buffer.frame();
            // What fails is gone already.
            let _ = self.display.close();
            let _ = SPACE.unmap(frame);
            crate::discard(frame);
        }
    }
}

#[cfg(feature = "graphics")]
pub use canvas::{Canvas, Pixel};

#[cfg(feature = "graphics")]
mod canvas {
    use core::marker::PhantomData;

    use embedded_graphics_core::Pixel as Point;
    use embedded_graphics_core::pixelcolor::raw::ToBytes;
    use embedded_graphics_core::pixelcolor::{IntoStorage, Rgb565, Rgb888};
    use embedded_graphics_core::prelude::{Dimensions, DrawTarget, OriginDimensions, PixelColor, Size};
    use embedded_graphics_core::primitives::Rectangle;

    use super::{Area, Format, Mode, Surface, SurfaceError};

    /// A colour that is a pixel of one [`Format`].
    pub trait Pixel: PixelColor {
        /// The format.
        const FORMAT: Format;

        /// The bytes of the pixel; of them the first [`Format::bytes`] count.
        fn encode(self) -> [u8; 4];
    }

    impl Pixel for Rgb888 {
        const FORMAT: Format = Format::Xrgb8888;

        fn encode(self) -> [u8; 4] {
            (0xff00_0000 | self.into_storage()).to_le_bytes()
        }
    }

    impl Pixel for Rgb565 {
        const FORMAT: Format = Format::Rgb565;

        fn encode(self) -> [u8; 4] {
            let [low, high] = self.to_le_bytes();
            [low, high, 0, 0]
        }
    }

    /// A surface for `embedded-graphics` 0.8 (`embedded-graphics-core` 0.4): a `DrawTarget` of `Rgb888` or `Rgb565`. What
    /// lies beside the picture is not drawn. [`Self::show`] shows what has changed since the last time.
    ///
    /// ```
    /// use embedded_graphics_core::{Drawable, Pixel, pixelcolor::Rgb565, prelude::*};
    /// use ipc::display::{Format, Mode};
    /// use ipc::surface::{Canvas, Mapped};
    /// use rt::SharedBuffer;
    ///
    /// # fn main() -> Result<(), ipc::surface::SurfaceError> {
    /// let seen = SharedBuffer::fake(4096);
    /// let buffer = SharedBuffer::map(seen.frame(), 1).unwrap();
    /// let mode = Mode::packed(32, 32, Format::Rgb565);
    /// let mut canvas = Canvas::new(Mapped::new(buffer, mode)?)?;
    /// Pixel(Point::new(1, 2), Rgb565::RED).draw(&mut canvas)?;
    /// canvas.show()?;
    ///
    /// let mut pixel = [0; 2];
    /// seen.read(2 * 64 + 2, &mut pixel).unwrap();
    /// assert_eq!(u16::from_le_bytes(pixel), 0xf800);
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct Canvas<S, C> {
        surface: S,
        mode: Mode,
        damage: Option<Area>,
        colour: PhantomData<C>,
    }

    /// Pixels of one row, side by side, on their way to the surface.
    struct Run {
        row: u32,
        start: u32,
        end: u32,
        bytes: [u8; RUN * 4],
    }

    /// Most pixels that are written in one go.
    const RUN: usize = 64;

    impl<S: Surface, C: Pixel> Canvas<S, C> {
        /// The surface, to be drawn on in colours of its format.
        ///
        /// # Errors
        /// [`SurfaceError::Format`], [`SurfaceError::Memory`].
        pub fn new(surface: S) -> Result<Self, SurfaceError> {
            let mode = surface.mode();
            if mode.format != C::FORMAT {
                return Err(SurfaceError::Format(mode.format));
            }
            if mode.bytes().is_none() || i32::try_from(mode.width.max(mode.height)).is_err() {
                return Err(SurfaceError::Memory);
            }
            Ok(Self { surface, mode, damage: None, colour: PhantomData })
        }

        /// Shows what has changed since the last time, if anything has.
        ///
        /// # Errors
        /// Those of the surface.
        pub fn show(&mut self) -> Result<(), S::Error> {
            self.damage.take().map_or(Ok(()), |damage| self.surface.show(damage))
        }

        /// The surface itself.
        pub const fn surface(&mut self) -> &mut S {
            &mut self.surface
        }

        /// Column and row of a point, if it is in the picture.
        fn place(&self, Point(point, _): Point<C>) -> Option<(u32, u32)> {
            let (column, row) = (u32::try_from(point.x).ok()?, u32::try_from(point.y).ok()?);
            (column < self.mode.width && row < self.mode.height).then_some((column, row))
        }

        fn write(&mut self, run: &Run) -> Result<(), S::Error> {
            let pixel = C::FORMAT.bytes();
            let offset = run.row as usize * self.mode.stride as usize + run.start as usize * pixel;
            self.surface.write(offset, &run.bytes[..(run.end - run.start) as usize * pixel])?;
            let new = Area { left: run.start, top: run.row, width: run.end - run.start, height: 1 };
            self.damage = Some(self.damage.map_or(new, |old| old.with(new)));
            Ok(())
        }
    }

    impl Run {
        const fn at(column: u32, row: u32) -> Self {
            Self { row, start: column, end: column, bytes: [0; RUN * 4] }
        }

        fn takes(&self, column: u32, row: u32) -> bool {
            self.row == row && self.end == column && ((self.end - self.start) as usize) < RUN
        }

        fn push<C: Pixel>(&mut self, colour: C) {
            let pixel = C::FORMAT.bytes();
            let place = (self.end - self.start) as usize * pixel;
            self.bytes[place..place + pixel].copy_from_slice(&colour.encode()[..pixel]);
            self.end += 1;
        }
    }

    impl<S: Surface, C> OriginDimensions for Canvas<S, C> {
        fn size(&self) -> Size {
            Size::new(self.mode.width, self.mode.height)
        }
    }

    impl<S: Surface, C: Pixel> DrawTarget for Canvas<S, C> {
        type Color = C;
        type Error = S::Error;

        fn draw_iter<I: IntoIterator<Item = Point<C>>>(&mut self, pixels: I) -> Result<(), S::Error> {
            let mut run = Run::at(0, 0);
            for pixel in pixels {
                let Some((column, row)) = self.place(pixel) else { continue };
                if !run.takes(column, row) {
                    if run.end > run.start {
                        self.write(&run)?;
                    }
                    run = Run::at(column, row);
                }
                run.push(pixel.1);
            }
            if run.end > run.start { self.write(&run) } else { Ok(()) }
        }

        fn fill_solid(&mut self, area: &Rectangle, colour: C) -> Result<(), S::Error> {
            let visible = area.intersection(&self.bounding_box());
            let (mut columns, rows) = (visible.columns(), visible.rows());
            let mut full = Run::at(0, 0);
            (0..RUN).for_each(|_| full.push(colour));
            for start in columns.by_ref().step_by(RUN) {
                let end = visible.columns().end.min(start + RUN as i32);
                for row in rows.clone() {
                    // What is visible is not negative.
                    (full.start, full.end, full.row) = (start as u32, end as u32, row as u32);
                    self.write(&full)?;
                }
            }
            Ok(())
        }
    }
}

#[cfg(all(test, feature = "graphics"))]
mod tests {
    use super::*;
    use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_6X10};
    use embedded_graphics::pixelcolor::{Rgb565, Rgb888};
    use embedded_graphics::prelude::*;
    use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};
    use embedded_graphics::text::Text;

    const MODE: Mode = Mode { width: 150, height: 40, stride: 4 * 160, format: Format::Xrgb8888 };

    /// A surface that notes what it is to show.
    struct Noted(Mapped, Vec<Area>);

    impl Surface for Noted {
        type Error = SurfaceError;
        fn mode(&self) -> Mode {
            self.0.mode()
        }
        fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), SurfaceError> {
            self.0.write(offset, bytes)
        }
        fn show(&mut self, damage: Area) -> Result<(), SurfaceError> {
            self.1.push(damage);
            Ok(())
        }
    }

    fn canvas() -> (SharedBuffer, Canvas<Noted, Rgb888>) {
        let seen = SharedBuffer::fake(MODE.bytes().unwrap());
        let buffer = SharedBuffer::map(seen.frame(), seen.pages()).unwrap();
        (seen, Canvas::new(Noted(Mapped::new(buffer, MODE).unwrap(), Vec::new())).unwrap())
    }

    fn pixel(seen: &SharedBuffer, column: usize, row: usize) -> u32 {
        seen.load_u32(row * MODE.stride as usize + 4 * column).unwrap()
    }

    fn area(left: u32, top: u32, width: u32, height: u32) -> Area {
        Area { left, top, width, height }
    }

    #[test]
    fn text_and_circles_are_as_on_any_display() {
        let (seen, mut canvas) = canvas();
        let mut other = embedded_graphics::mock_display::MockDisplay::<Rgb888>::new();
        other.set_allow_out_of_bounds_drawing(true);
        other.set_allow_overdraw(true);
        let style = MonoTextStyle::new(&FONT_6X10, Rgb888::CSS_ORANGE);
        let text = Text::new("Tutti", Point::new(3, 20), style);
        let circle = Circle::new(Point::new(-5, -5), 30).into_styled(PrimitiveStyle::with_fill(Rgb888::BLUE));
        circle.draw(&mut canvas).unwrap();
        text.draw(&mut canvas).unwrap();
        circle.draw(&mut other).unwrap();
        text.draw(&mut other).unwrap();
        let mut drawn = 0;
        for (row, column) in (0..40).flat_map(|row| (0..64).map(move |column| (row, column))) {
            let expected = other.get_pixel(Point::new(column as i32, row as i32));
            drawn += usize::from(expected.is_some());
            let expected = expected.map_or(0, |colour| 0xff00_0000 | colour.into_storage());
            assert_eq!(pixel(&seen, column, row), expected, "{column}, {row}");
        }
        assert!(drawn > 400, "{drawn}");
    }

    #[test]
    fn rectangles_are_filled_and_clipped() {
        let (seen, mut canvas) = canvas();
        let fill = |canvas: &mut Canvas<Noted, Rgb888>, corner, size, colour| {
            canvas.fill_solid(&Rectangle::new(corner, size), colour).unwrap();
        };
        fill(&mut canvas, Point::new(10, 30), Size::new(1000, 1000), Rgb888::GREEN);
        fill(&mut canvas, Point::new(-20, -20), Size::new(5, 5), Rgb888::RED);
        for (row, column) in (0..40).flat_map(|row| (0..150).map(move |column| (row, column))) {
            let expected = if row >= 30 && column >= 10 { 0xff00_ff00 } else { 0 };
            assert_eq!(pixel(&seen, column, row), expected, "{column}, {row}");
        }
        assert_eq!(pixel(&seen, 150, 35), 0, "between the rows");
        canvas.show().unwrap();
        canvas.show().unwrap();
        assert_eq!(canvas.surface().1, [area(10, 30, 140, 10)]);
        Pixel(Point::new(3, 4), Rgb888::WHITE).draw(&mut canvas).unwrap();
        Pixel(Point::new(7, 2), Rgb888::WHITE).draw(&mut canvas).unwrap();
        canvas.show().unwrap();
        assert_eq!(canvas.surface().1[1..], [area(3, 2, 5, 3)]);
    }

    #[test]
    fn pictures_that_do_not_fit_are_refused() {
        let mapped = |mode| Mapped::new(SharedBuffer::fake(4096), mode);
        let good = Mode::packed(16, 16, Format::Xrgb8888);
        assert!(mapped(Mode { height: 64, ..good }).is_ok());
        for bad in [Mode { height: 65, ..good }, Mode { stride: 63, ..good }, Mode { width: u32::MAX, ..good }] {
            assert_eq!(mapped(bad).err(), Some(SurfaceError::Memory), "{bad:?}");
        }
        let refused = Canvas::<_, Rgb565>::new(mapped(good).unwrap()).err();
        assert_eq!(refused, Some(SurfaceError::Format(Format::Xrgb8888)));
    }
}
