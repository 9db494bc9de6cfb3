//! Text in a framebuffer that was set up before: white on black, in a font of 8 by 8 pixels, each as many times as people need to read
//! it. A line behind the last one goes to the top: reading such memory back to move it takes too long.

use font8x8::legacy::BASIC_LEGACY;

use crate::Port;

/// ASCII; each row a byte, its leftmost pixel lowest.
static FONT: [[u8; 8]; 128] = BASIC_LEGACY;
const CELL: u32 = 8;

/// How a pixel lies in memory, by the names of Linux' include/linux/platform_data/simplefb.h: bytes, and black without transparency.
/// White is all ones in each.
static FORMATS: [(&str, u8, u32); 10] = [
    ("r5g6b5", 2, 0),
    ("x1r5g5b5", 2, 0),
    ("a1r5g5b5", 2, 0x8000),
    ("r8g8b8", 3, 0),
    ("x8r8g8b8", 4, 0),
    ("a8r8g8b8", 4, 0xff00_0000),
    ("x8b8g8r8", 4, 0),
    ("a8b8g8r8", 4, 0xff00_0000),
    ("x2r10g10b10", 4, 0),
    ("a2r10g10b10", 4, 0xc000_0000),
];

/// A picture that has room for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// First byte.
    pub base: u64,
    width: u32,
    height: u32,
    stride: u32,
    pixel: u8,
    black: u32,
}

impl Picture {
    /// One of so many pixels, in rows of `stride` bytes. `None`: no such picture, or none that text fits in.
    pub fn new(base: u64, [width, height, stride]: [u32; 3], format: &str) -> Option<Self> {
        const MOST: u32 = 1 << 14;
        let &(_, pixel, black) = FORMATS.iter().find(|(name, ..)| *name == format)?;
        let sides = CELL..=MOST;
        let fits = sides.contains(&width)
            && sides.contains(&height)
            && (width * u32::from(pixel)..=MOST * 8).contains(&stride);
        // Pixels of four bytes are written at once, which takes an address that is a multiple.
        let aligned = pixel != 4 || base.is_multiple_of(4) && stride.is_multiple_of(4);
        let new = Self { base, width, height, stride, pixel, black };
        (fits && aligned && base.checked_add(new.bytes()).is_some()).then_some(new)
    }

    /// What the last word `tutti.fb=ADDRESS,WIDTHxHEIGHT,STRIDE,FORMAT` of a command line says; `Some(None)`: nothing that is understood.
    pub fn of_words(words: &str) -> Option<Option<Self>> {
        let value = words.split_ascii_whitespace().filter_map(|word| word.strip_prefix("tutti.fb=")).next_back()?;
        let parse = || {
            let mut parts = value.split(',');
            let mut part = || parts.next();
            let (base, size, stride, format) = (part()?, part()?, part()?, part()?);
            let (width, height) = size.split_once('x')?;
            let number = |text: &str| match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            };
            let small = |text| number(text).and_then(|number| u32::try_from(number).ok());
            let picture = Self::new(number(base)?, [small(width)?, small(height)?, small(stride)?], format);
            picture.filter(|_| part().is_none())
        };
        Some(parse())
    }

    /// Bytes of all rows.
    pub const fn bytes(&self) -> u64 {
        self.stride as u64 * self.height as u64
    }
}

/// The text in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen<P> {
    memory: P,
    picture: Picture,
    /// Pixels of a pixel of the font, on each side.
    scale: u32,
    columns: u32,
    rows: u32,
    column: u32,
    row: u32,
}

impl<P: Port> Screen<P> {
    /// Begins at the top. `memory` is the picture's.
    pub fn start(picture: Picture, memory: P) -> Self {
        // 45 letters in the row of a phone, 80 at least on anything wider than high.
        let scale = (picture.width.min(picture.height) / 360).max(1);
        let (columns, rows) = (picture.width / (CELL * scale), picture.height / (CELL * scale));
        let new = Self { memory, picture, scale, columns, rows, column: 0, row: 0 };
        new.clear(0);
        new.clear(1 % rows);
        new
    }

    /// Shows a byte of text.
    pub fn put(&mut self, byte: u8) {
        match byte {
            b'\n' => self.next_row(),
            b'\r' => self.column = 0,
            // Of a character that is none of ASCII's only the first byte is shown.
            0..b' ' | 0x7f..0xc0 => {}
            _ => self.letter(byte),
        }
    }

    /// The row below the last one stays empty, so that one sees where the text ends.
    fn next_row(&mut self) {
        self.column = 0;
        self.row = (self.row + 1) % self.rows;
        self.clear((self.row + 1) % self.rows);
    }

    fn letter(&mut self, byte: u8) {
        if self.column == self.columns {
            self.next_row();
        }
        let glyph = FONT.get(usize::from(byte)).unwrap_or(&FONT[usize::from(b'?')]);
        let side = CELL * self.scale;
        for y in 0..side {
            let row = glyph[(y / self.scale) as usize];
            for x in 0..side {
                let is_ink = row >> (x / self.scale) & 1 != 0;
                self.pixel(
                    self.column * side + x,
                    self.row * side + y,
                    if is_ink { u32::MAX } else { self.picture.black },
                );
            }
        }
        self.column += 1;
    }

    fn clear(&self, row: u32) {
        let side = CELL * self.scale;
        for y in row * side..(row + 1) * side {
            (0..self.picture.width).for_each(|x| self.pixel(x, y, self.picture.black));
        }
    }

    fn pixel(&self, x: u32, y: u32, value: u32) {
        let bytes = usize::from(self.picture.pixel);
        let at = y as usize * self.picture.stride as usize + x as usize * bytes;
        match bytes {
            4 => self.memory.write(at, value),
            _ => (at..at + bytes).zip(value.to_le_bytes()).for_each(|(at, byte)| self.memory.write_byte(at, byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// Memory of a picture, and a page behind it that nothing may reach.
    struct Memory(RefCell<Vec<u8>>);

    impl Port for &Memory {
        fn read(&self, _: usize) -> u32 {
            unreachable!("pictures are not read")
        }
        fn write(&self, offset: usize, value: u32) {
            assert!(offset.is_multiple_of(4));
            self.0.borrow_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        fn read_byte(&self, _: usize) -> u8 {
            unreachable!("pictures are not read")
        }
        fn write_byte(&self, offset: usize, value: u8) {
            self.0.borrow_mut()[offset] = value;
        }
    }

    /// The text as someone would read it: cells held against the font.
    fn read(memory: &Memory, picture: &Picture, scale: u32) -> Vec<String> {
        let bytes = memory.0.borrow();
        let pixel = usize::from(picture.pixel);
        let black = &picture.black.to_le_bytes()[..pixel];
        let is_ink = |x: u32, y: u32| {
            let at = y as usize * picture.stride as usize + x as usize * pixel;
            let value = &bytes[at..at + pixel];
            assert!(value == black || value.iter().all(|byte| *byte == 0xff), "{value:x?} at {x}, {y}");
            value != black
        };
        let side = 8 * scale;
        let letter = |column: u32, row: u32| {
            let glyph: [u8; 8] = core::array::from_fn(|y| {
                (0..8).map(|x| u8::from(is_ink(column * side + x * scale, row * side + y as u32 * scale)) << x).sum()
            });
            char::from((b' '..0x7f).find(|it| FONT[usize::from(*it)] == glyph).expect("a letter"))
        };
        let rows = 0..picture.height / side;
        rows.map(|row| (0..picture.width / side).map(|column| letter(column, row)).collect()).collect()
    }

    fn write(picture: &Picture, text: &str) -> Memory {
        let memory = Memory(RefCell::new(std::vec![0; picture.bytes() as usize]));
        // What lies beside the text is never read back: rows that it did not come to are those of before.
        for row in memory.0.borrow_mut().chunks_mut(picture.stride as usize) {
            row.chunks_mut(picture.pixel.into())
                .for_each(|it| it.copy_from_slice(&picture.black.to_le_bytes()[..it.len()]));
        }
        let mut screen = Screen::start(*picture, &memory);
        text.bytes().for_each(|byte| screen.put(byte));
        memory
    }

    #[test]
    fn text_is_read_in_every_format() {
        for (format, pixel, _) in FORMATS {
            let picture = Picture::new(0, [44, 42, 44 * u32::from(pixel) + 16], format).expect("a picture");
            let text = read(&write(&picture, "ab\ncdefg\r\nx"), &picture, 1);
            assert_eq!(text, ["ab   ", "cdefg", "x    ", "     ", "     "], "{format}");
        }
    }

    #[test]
    fn it_wraps_begins_again_and_leaves_a_row_empty() {
        let picture = Picture::new(0, [40, 32, 160], "x8r8g8b8").expect("a picture");
        assert_eq!(read(&write(&picture, "abcdefg\n1\n2\n3"), &picture, 1), ["3    ", "     ", "1    ", "2    "]);
        assert_eq!(read(&write(&picture, "\u{d7}\tx\u{1b}"), &picture, 1)[0], "?x   ");
        let one = Picture::new(0, [40, 8, 160], "x8r8g8b8").expect("a picture");
        assert_eq!(read(&write(&one, "abc\nde"), &one, 1), ["de   "]);
    }

    #[test]
    fn a_phone_has_letters_that_can_be_read() {
        let picture = Picture::new(0x9d40_0000, [1080, 2520, 4320], "a8r8g8b8").expect("a picture");
        let text = read(&write(&picture, "kernel panic"), &picture, 3);
        assert_eq!((text[0].trim(), text[0].len(), text.len()), ("kernel panic", 45, 105));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let new = |base, sides, format| Picture::new(base, sides, format).is_some();
        assert!(new(0x1000, [640, 480, 2560], "x8r8g8b8") && new(0x1002, [640, 480, 1280], "r5g6b5"));
        for (base, sides, format) in [
            (0x1000, [640, 480, 2559], "x8r8g8b8"),
            (0x1000, [640, 480, 2562], "x8r8g8b8"),
            (0x1002, [640, 480, 2560], "x8r8g8b8"),
            (0x1000, [7, 480, 2560], "x8r8g8b8"),
            (0x1000, [640, 7, 2560], "x8r8g8b8"),
            (0x1000, [u32::MAX, u32::MAX, u32::MAX], "x8r8g8b8"),
            (0x1000, [640, 480, !3], "x8r8g8b8"),
            (0x1000, [640, 480, 2560], "yuv"),
            (!3, [640, 480, 2560], "x8r8g8b8"),
        ] {
            assert!(!new(base, sides, format), "{base:#x} {sides:?} {format}");
        }
    }

    #[test]
    fn the_command_line_may_say_where() {
        let picture = Picture::new(0x9d40_0000, [1080, 2340, 4320], "a8r8g8b8");
        assert_eq!(Picture::of_words("log=info tutti.fb=0x9d400000,1080x2340,4320,a8r8g8b8"), Some(picture));
        assert_eq!(Picture::of_words("log=info"), None);
        for bad in [
            "",
            "0x9d400000",
            "0x9d400000,1080,4320,a8r8g8b8",
            "0x,1x1,1,r5g6b5",
            "0x9d400000,1080x2340,4320,a8r8g8b8,1",
            "99999999999999999999,1080x2340,4320,a8r8g8b8",
            "0x9d400000,1080x2340,99999999999,a8r8g8b8",
        ] {
            assert_eq!(Picture::of_words(&std::format!("tutti.fb={bad}")), Some(None), "{bad}");
        }
    }
}
