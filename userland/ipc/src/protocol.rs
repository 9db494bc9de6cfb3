//! A protocol as data: what its page in the documents and the check of released layouts are made of.

use core::fmt;

/// What a value looks like on the wire, whatever its fields are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A word that holds a number of so many bits, or one of these numbers.
    Word(u32),
    /// A word that holds a number of so many bits, with a sign.
    Signed(u32),
    /// A word that holds one of these numbers.
    OneOf(&'static [u64]),
    /// A word with the number of bytes, at most so many, and the bytes, eight a word. Text if they are UTF-8.
    Bytes(usize, bool),
    /// So many bytes of a structure of these fields, eight a word.
    Layout(usize, &'static [&'static Shape]),
    /// So many of them.
    Array(usize, &'static Shape),
    /// One behind the other.
    List(&'static [&'static Shape]),
    /// A word that says whether it is there (1) or not (0), and if so it.
    Optional(&'static Shape),
    /// A capability of the kernel's kind with this number.
    Capability(u8),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, shapes: &[&Self]| {
            shapes.iter().enumerate().try_for_each(|(place, shape)| {
                f.write_str(if place == 0 { "" } else { ", " })?;
                shape.fmt(f)
            })
        };
        match *self {
            Self::Word(1) => f.write_str("flag"),
            Self::Word(bits) => write!(f, "u{bits}"),
            Self::Signed(bits) => write!(f, "i{bits}"),
            Self::OneOf(numbers) => {
                f.write_str("one of ")?;
                numbers
                    .iter()
                    .enumerate()
                    .try_for_each(|(place, number)| write!(f, "{}{number}", if place == 0 { "" } else { "|" }))
            }
            Self::Bytes(most, true) => write!(f, "text of at most {most} bytes"),
            Self::Bytes(most, false) => write!(f, "at most {most} bytes"),
            Self::Layout(bytes, shapes) => {
                write!(f, "{bytes} bytes {{")?;
                list(f, shapes)?;
                f.write_str("}")
            }
            Self::Optional(shape) => write!(f, "optional {shape}"),
            Self::Array(count, shape) => write!(f, "{count} of {shape}"),
            Self::List(shapes) => {
                f.write_str("(")?;
                list(f, shapes)?;
                f.write_str(")")
            }
            Self::Capability(kind) => match abi::Kind::from_number(kind) {
                Some(kind) => write!(f, "capability: {}", kind.name()),
                None => f.write_str("capability"),
            },
        }
    }
}

/// An argument or a result.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name; that of a result is empty.
    pub name: &'static str,
    /// Its type, as the trait has it.
    pub written: &'static str,
    /// What it is on the wire.
    pub shape: &'static Shape,
}

/// A method of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its permanent number.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// Its documentation.
    pub about: &'static str,
    /// What goes in.
    pub arguments: &'static [Field],
    /// What comes back.
    pub result: Field,
    /// What may come instead: numbers and words.
    pub statuses: &'static [(u32, &'static str)],
    /// Hash of its shape: not of names and documentation.
    pub hash: u64,
    /// Its server is told who calls.
    pub knows_client: bool,
    /// Request and answer stay in registers.
    pub in_registers: bool,
}

/// A protocol.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Its name, in manifests.
    pub name: &'static str,
    /// Its major version.
    pub version: u16,
    /// Its documentation.
    pub about: &'static str,
    /// Its methods, in the order of the trait.
    pub methods: &'static [Method],
}

impl Protocol {
    /// The highest number of a method.
    pub const fn last_method(&self) -> u16 {
        let (mut last, mut place) = (0, 0);
        while place < self.methods.len() {
            if self.methods[place].number > last {
                last = self.methods[place].number;
            }
            place += 1;
        }
        last
    }

    /// The label of a method's request.
    pub const fn label(&self, method: u16) -> u32 {
        (self.version as u32) << 16 | method as u32
    }
}

/// FNV-1a over the numbers that a shape consists of.
#[doc(hidden)]
pub const fn hash(arguments: &[&Shape], result: &Shape) -> u64 {
    shape(result, mix(list(arguments, 0xcbf2_9ce4_8422_2325), 0xff))
}

const fn mix(hash: u64, number: u64) -> u64 {
    let (mut hash, mut place) = (hash, 0);
    while place < 8 {
        hash = (hash ^ (number >> (8 * place) & 0xff)).wrapping_mul(0x100_0000_01b3);
        place += 1;
    }
    hash
}

const fn list(shapes: &[&Shape], hash: u64) -> u64 {
    let (mut hash, mut place) = (mix(hash, shapes.len() as u64), 0);
    while place < shapes.len() {
        hash = shape(shapes[place], hash);
        place += 1;
    }
    hash
}

const fn shape(of: &Shape, hash: u64) -> u64 {
    match of {
        Shape::Word(bits) => mix(mix(hash, 1), *bits as u64),
        Shape::Signed(bits) => mix(mix(hash, 2), *bits as u64),
        Shape::OneOf(numbers) => {
            let (mut hash, mut place) = (mix(mix(hash, 3), numbers.len() as u64), 0);
            while place < numbers.len() {
                hash = mix(hash, numbers[place]);
                place += 1;
            }
            hash
        }
        Shape::Bytes(most, text) => mix(mix(mix(hash, 4), *most as u64), *text as u64),
        Shape::Layout(bytes, fields) => list(fields, mix(mix(hash, 5), *bytes as u64)),
        Shape::List(shapes) => list(shapes, mix(hash, 6)),
        Shape::Capability(kind) => mix(mix(hash, 7), *kind as u64),
        Shape::Optional(of) => shape(of, mix(hash, 9)),
        Shape::Array(count, of) => shape(of, mix(mix(hash, 8), *count as u64)),
    }
}
