//! Commands that draw.

use alloc::format;
use alloc::string::String;

use embedded_graphics_core::Pixel as Point;
use embedded_graphics_core::pixelcolor::{Rgb565, Rgb888};
use embedded_graphics_core::prelude::{DrawTarget, OriginDimensions, Point as Place, RgbColor, Size};
use embedded_graphics_core::primitives::Rectangle;
use ipc::SignalOn;
use ipc::display::{DisplayClient, Format};
use ipc::surface::{Canvas, Pixel, Screen, ScreenError, Surface};

use super::system::failed;
use super::{Fail, Result};
use crate::machine::{Carrier, DISPLAY_BIT};
use crate::shell::Shell;

type Drawn = core::result::Result<(), ScreenError>;

/// `fb-test [N [MODE]]`
pub fn fb_test(shell: &mut Shell, arguments: &[String]) -> Result {
    let display = number(arguments.first(), "display")? as usize;
    let index = number(arguments.get(1), "mode")?;
    let client = shell.displays.get(display).ok_or_else(|| Fail::Because(format!("there is no display {display}")))?;
    let signal = SignalOn { notification: shell.notification, bits: DISPLAY_BIT };
    let screen = Screen::open(DisplayClient(client.0.clone()), index, signal).map_err(failed)?;
    match screen.mode().format {
        Format::Xrgb8888 => show::<Rgb888>(shell, screen),
        Format::Rgb565 => show::<Rgb565>(shell, screen),
    }
}

fn number(argument: Option<&String>, what: &str) -> core::result::Result<u32, Fail> {
    let number = argument.map_or(Ok(0), |text| text.parse());
    number.map_err(|_| Fail::Because(format!("the {what} is a number, from 0 on")))
}

/// Shows the pattern until a key is typed.
fn show<C: Pixel + From<Rgb888>>(shell: &mut Shell, screen: Screen<Carrier>) -> Result {
    let mode = screen.mode();
    let mut canvas = Canvas::<_, C>::new(screen).map_err(failed)?;
    let drawn = draw(&mut canvas).and_then(|()| canvas.show());
    drawn.map_err(failed)?;
    while !canvas.surface().is_done().map_err(failed)? {
        shell.console.wait_for_frame()?;
    }
    shell.console.print(format_args!("{} × {}, {:?}: a key ends it\n", mode.width, mode.height, mode.format))?;
    shell.console.flush()?;
    Ok(shell.console.wait_for_key()?)
}

/// Colour bars in the upper half, below them gradients, a grid in the last quarter, and a pixel in each corner: a wrong stride, order
/// of channels or edge shows.
fn draw<C: Pixel + From<Rgb888>>(canvas: &mut Canvas<Screen<Carrier>, C>) -> Drawn {
    let Size { width, height } = canvas.size();
    let (half, grid) = (height / 2, height - height / 4);
    for bar in 0..8 {
        let (left, right) = (bar * width / 8, (bar + 1) * width / 8);
        fill(canvas, (left, 0), (right - left, half), bar_colour(bar))?;
    }
    let gradient =
        (half..grid).flat_map(|row| (0..width).map(move |column| gradient_colour(column, row, width).into()));
    canvas.fill_contiguous(&area((0, half), (width, grid - half)), gradient)?;
    fill(canvas, (0, grid), (width, height - grid), Rgb888::BLACK)?;
    (0..width).step_by(16).try_for_each(|column| fill(canvas, (column, grid), (1, height - grid), Rgb888::WHITE))?;
    (grid..height).step_by(16).try_for_each(|row| fill(canvas, (0, row), (width, 1), Rgb888::WHITE))?;
    let (right, bottom) = (width.saturating_sub(1), height.saturating_sub(1));
    let corners = [
        ((0, 0), Rgb888::RED),
        ((right, 0), Rgb888::GREEN),
        ((0, bottom), Rgb888::BLUE),
        ((right, bottom), Rgb888::MAGENTA),
    ];
    canvas.draw_iter(corners.map(|(corner, colour)| Point(place(corner), colour.into())))
}

/// White, yellow, cyan, green, magenta, red, blue, black.
const fn bar_colour(bar: u32) -> Rgb888 {
    Rgb888::new(channel(bar, 2), channel(bar, 4), channel(bar, 1))
}

const fn channel(bar: u32, bit: u32) -> u8 {
    if bar & bit == 0 { 255 } else { 0 }
}

/// Red grows to the right, green to the left, blue repeats downwards.
const fn gradient_colour(column: u32, row: u32, width: u32) -> Rgb888 {
    let red = (column * 255 / width) as u8;
    Rgb888::new(red, 255 - red, row as u8)
}

fn fill<C: Pixel + From<Rgb888>>(
    canvas: &mut Canvas<Screen<Carrier>, C>,
    corner: (u32, u32),
    size: (u32, u32),
    colour: Rgb888,
) -> Drawn {
    canvas.fill_solid(&area(corner, size), colour.into())
}

fn area(corner: (u32, u32), (width, height): (u32, u32)) -> Rectangle {
    Rectangle::new(place(corner), Size::new(width, height))
}

/// A canvas is no wider and no higher than an `i32` counts.
const fn place((column, row): (u32, u32)) -> Place {
    Place::new(column as i32, row as i32)
}
