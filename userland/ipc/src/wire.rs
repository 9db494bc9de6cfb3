//! Values of messages: how many words and capabilities they take, how they are put in and taken out.

use abi::Kind;
use rt::Cap;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::incoming::Source;
use crate::outgoing::{Sink, TooLong};
use crate::protocol::Shape;

/// What a value takes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Words, at least.
    pub words: usize,
    /// More words may follow: how many, the value says.
    pub more: bool,
    /// Capabilities.
    pub caps: usize,
}

impl Size {
    /// So many words and nothing else.
    pub const fn words(words: usize) -> Self {
        Self { words, more: false, caps: 0 }
    }
}

/// A value of a message: an argument of a method, or its result.
///
/// Derive it for a struct of such values, or for an enum without fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a protocol's method",
    label = "not a value of messages",
    note = "integers, bool, Text<N>, Bytes<N>, Owned<K>, Signal, Buffer and tuples of them can; `#[derive(Wire)]` makes one of a struct or an enum without fields"
)]
pub trait Wire: Sized {
    /// What a client hands over: mostly the value itself; text for a [`Text`](crate::Text), its own capability for an
    /// [`Owned`](crate::Owned).
    type Sent<'a>;
    /// What a server answers with: mostly the value itself; its own capability for an [`Owned`](crate::Owned).
    type Given;
    /// What it looks like on the wire.
    const SHAPE: &'static Shape;
    /// What it takes of a message.
    const SIZE: Size;

    /// Puts into a request.
    ///
    /// # Errors
    /// [`TooLong`].
    fn put(sent: Self::Sent<'_>, to: &mut impl Sink) -> Result<(), TooLong>;

    /// Puts into an answer.
    ///
    /// # Errors
    /// [`TooLong`].
    fn give(given: Self::Given, to: &mut impl Sink) -> Result<(), TooLong>;

    /// Takes out of a message; `None`: what is there is no such value.
    fn take(from: &mut impl Source) -> Option<Self>;
}

/// Wire for what is the same on all sides.
macro_rules! plain {
    () => {
        type Sent<'a> = Self;
        type Given = Self;

        #[inline(always)]
        fn give(given: Self, to: &mut impl $crate::Sink) -> Result<(), $crate::TooLong> {
            Self::put(given, to)
        }
    };
}

macro_rules! words {
    ($($kind:ty, $shape:expr, $put:expr, $take:expr;)*) => { $(
        impl Wire for $kind {
            plain!();
            const SHAPE: &'static Shape = &$shape;
            const SIZE: Size = Size::words(1);

            #[inline(always)]
            fn put(sent: Self, to: &mut impl Sink) -> Result<(), TooLong> {
                to.word(($put)(sent))
            }

            #[inline(always)]
            fn take(from: &mut impl Source) -> Option<Self> {
                from.word().and_then($take)
            }
        }
    )* };
}

words! {
    u8, Shape::Word(8), u64::from, |word| u8::try_from(word).ok();
    u16, Shape::Word(16), u64::from, |word| u16::try_from(word).ok();
    u32, Shape::Word(32), u64::from, |word| u32::try_from(word).ok();
    u64, Shape::Word(64), |word| word, Some;
    i32, Shape::Signed(32), |value: i32| i64::from(value) as u64, |word| i32::try_from(word as i64).ok();
    i64, Shape::Signed(64), |value: i64| value as u64, |word| Some(word as i64);
    bool, Shape::Word(1), u64::from, |word| match word {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
}

macro_rules! tuples {
    ($($($name:ident $place:tt),*;)*) => { $(
        impl<$($name: Wire),*> Wire for ($($name,)*) {
            type Sent<'a> = ($($name::Sent<'a>,)*);
            type Given = ($($name::Given,)*);
            const SHAPE: &'static Shape = &Shape::List(&[$($name::SHAPE),*]);
            const SIZE: Size = sum(&[$($name::SIZE),*]);

            #[inline(always)]
            fn put(_sent: Self::Sent<'_>, _to: &mut impl Sink) -> Result<(), TooLong> {
                $($name::put(_sent.$place, _to)?;)*
                Ok(())
            }

            #[inline(always)]
            fn give(_given: Self::Given, _to: &mut impl Sink) -> Result<(), TooLong> {
                $($name::give(_given.$place, _to)?;)*
                Ok(())
            }

            #[inline(always)]
            fn take(_from: &mut impl Source) -> Option<Self> {
                Some(($($name::take(_from)?,)*))
            }
        }
    )* };
}

tuples! {
    ;
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
}

/// A value or none: a word that says which, and the value.
impl<T: Wire> Wire for Option<T> {
    type Sent<'a> = Option<T::Sent<'a>>;
    type Given = Option<T::Given>;
    const SHAPE: &'static Shape = &Shape::Optional(T::SHAPE);
    const SIZE: Size = Size { words: 1, more: true, caps: 0 };

    fn put(sent: Self::Sent<'_>, to: &mut impl Sink) -> Result<(), TooLong> {
        const { assert!(T::SIZE.caps == 0, "a capability is there or not: it is no Option") };
        to.word(sent.is_some().into())?;
        sent.map_or(Ok(()), |value| T::put(value, to))
    }

    fn give(given: Self::Given, to: &mut impl Sink) -> Result<(), TooLong> {
        const { assert!(T::SIZE.caps == 0, "a capability is there or not: it is no Option") };
        to.word(given.is_some().into())?;
        given.map_or(Ok(()), |value| T::give(value, to))
    }

    fn take(from: &mut impl Source) -> Option<Self> {
        match from.word()? {
            0 => Some(None),
            1 => T::take(from).map(Some),
            _ => None,
        }
    }
}

/// What several values take.
#[doc(hidden)]
pub const fn sum(sizes: &[Size]) -> Size {
    let (mut sum, mut place) = (Size::words(0), 0);
    while place < sizes.len() {
        let one = sizes[place];
        sum = Size { words: sum.words + one.words, more: sum.more || one.more, caps: sum.caps + one.caps };
        place += 1;
    }
    sum
}

/// Whether values fit into registers, whatever they are.
#[doc(hidden)]
pub const fn in_registers(sizes: &[Size]) -> bool {
    let sum = sum(sizes);
    sum.words <= abi::REG_WORDS && !sum.more && sum.caps == 0
}

/// Words that several values take, at least.
#[doc(hidden)]
pub const fn words(sizes: &[Size]) -> usize {
    sum(sizes).words
}

/// Capabilities that several values take.
#[doc(hidden)]
pub const fn caps(sizes: &[Size]) -> usize {
    sum(sizes).caps
}

/// `words`, or 0 if so many have no place in registers: the length of an array that is not used then.
#[doc(hidden)]
pub const fn fitting(words: usize) -> usize {
    if words <= abi::REG_WORDS { words } else { 0 }
}

/// The kernel's kind of a type of capability.
pub trait OfKind {
    /// Its number.
    const KIND: Kind;
}

macro_rules! kinds {
    ($($name:ident),*) => { $(impl OfKind for rt::$name {
        const KIND: Kind = Kind::$name;
    })* };
}

kinds!(Endpoint, Notification, Frame, Irq, Timer, DmaSpace, Untyped);

/// A capability in an answer that its server keeps: what the client gets is a copy.
pub(crate) fn give_cap<K>(cap: Cap<K>, to: &mut impl Sink) -> Result<(), TooLong> {
    to.cap(cap.slot())
}

/// What may stand in a structure whose bytes are sent: `#[derive(Wire)] #[wire(layout)]`.
pub trait Laid {
    /// What it looks like.
    const SHAPE: &'static Shape;
}

macro_rules! laid {
    ($($kind:ty, $shape:expr;)*) => { $(impl Laid for $kind {
        const SHAPE: &'static Shape = &$shape;
    })* };
}

laid! {
    u8, Shape::Word(8);
    u16, Shape::Word(16);
    u32, Shape::Word(32);
    u64, Shape::Word(64);
    i8, Shape::Signed(8);
    i16, Shape::Signed(16);
    i32, Shape::Signed(32);
    i64, Shape::Signed(64);
}

impl<T: Laid, const N: usize> Laid for [T; N] {
    const SHAPE: &'static Shape = &Shape::Array(N, T::SHAPE);
}

/// The bytes of a structure, as words.
#[doc(hidden)]
pub fn put_layout<T: IntoBytes + Immutable>(value: &T, to: &mut impl Sink) -> Result<(), TooLong> {
    for chunk in value.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        to.word(u64::from_le_bytes(word))?;
    }
    Ok(())
}

/// A structure out of its bytes.
#[doc(hidden)]
pub fn take_layout<T: FromBytes + IntoBytes>(from: &mut impl Source) -> Option<T> {
    const { assert!(size_of::<T>() <= rt::MAX_WORDS * 8, "longer than a message") };
    let mut value = T::new_zeroed();
    for chunk in value.as_mut_bytes().chunks_mut(8) {
        chunk.copy_from_slice(&from.word()?.to_le_bytes()[..chunk.len()]);
    }
    Some(value)
}
