//! What a state says (Linux's bindings, `pinctrl/brcm,bcm2835-gpio.txt`; the numbers are of `include/dt-bindings/pinctrl/bcm2835.h`).

extern crate alloc;

use alloc::vec::Vec;
use core::fmt;

use kit::Node;

use crate::PINS;

/// What a pin is connected to: an input (0), an output (1), or one of six devices, as the function select registers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function(pub u32);

impl Function {
    /// A line that is read.
    pub const INPUT: Self = Self(0);
}

/// What pulls at a pin, as GPPUD has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Nothing.
    None = 0,
    /// To ground.
    Down = 1,
    /// To the supply.
    Up = 2,
}

/// A pin, and what a state wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its number, below [`PINS`].
    pub number: u8,
    /// What it is connected to; `None`: what it was.
    pub function: Option<Function>,
    /// What pulls at it; `None`: what did.
    pub pull: Option<Pull>,
}

impl Pin {
    /// Its number.
    pub const fn number(&self) -> usize {
        self.number as usize
    }

    /// Nothing that either wants is not what the other wants.
    pub fn agrees(&self, other: &Self) -> bool {
        let functions = self.function.zip(other.function).is_none_or(|(one, two)| one == two);
        functions && self.pull.zip(other.pull).is_none_or(|(one, two)| one == two)
    }
}

/// Why a state makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A property cannot be read; `brcm,pins` is also missing.
    Property(kit::Error),
    /// It names a pin that there is not.
    NoPin(u32),
    /// It names a pin twice.
    Twice(u8),
    /// It has this many of a property for so many pins: one, or one for each.
    Count(&'static str, usize, usize),
    /// A property has a value that it cannot have.
    Value(&'static str, u32),
    /// It says what is to be in the words of the generic bindings, which are not read yet, or nothing at all.
    Unsaid,
}

/// The pins of a state, and what is wanted of them.
///
/// # Errors
/// [`Wrong`].
pub fn pins(state: &Node) -> Result<Vec<Pin>, Wrong> {
    let numbers = state.cells("brcm,pins").map_err(Wrong::Property)?;
    let functions = values(state, "brcm,function", numbers.len())?;
    let pulls = values(state, "brcm,pull", numbers.len())?;
    if numbers.is_empty() || functions.is_none() && pulls.is_none() {
        return Err(Wrong::Unsaid);
    }
    let mut pins: Vec<Pin> = Vec::new();
    for (index, &number) in numbers.iter().enumerate() {
        let of = |values: &Option<Vec<u32>>| values.as_ref().and_then(|it| it.get(index).or(it.first()).copied());
        let known = u8::try_from(number).ok().filter(|&number| usize::from(number) < PINS);
        let number = known.ok_or(Wrong::NoPin(number))?;
        if pins.iter().any(|pin| pin.number == number) {
            return Err(Wrong::Twice(number));
        }
        let (function, pull) = (of(&functions).map(function).transpose()?, of(&pulls).map(pull).transpose()?);
        pins.push(Pin { number, function, pull });
    }
    Ok(pins)
}

/// A property of one value for all pins, or one for each.
fn values(state: &Node, name: &'static str, pins: usize) -> Result<Option<Vec<u32>>, Wrong> {
    if !state.has(name) {
        return Ok(None);
    }
    let values = state.cells(name).map_err(Wrong::Property)?;
    if values.len() == 1 || values.len() == pins {
        Ok(Some(values))
    } else {
        Err(Wrong::Count(name, values.len(), pins))
    }
}

fn function(value: u32) -> Result<Function, Wrong> {
    if value < 8 { Ok(Function(value)) } else { Err(Wrong::Value("brcm,function", value)) }
}

fn pull(value: u32) -> Result<Pull, Wrong> {
    match value {
        0 => Ok(Pull::None),
        1 => Ok(Pull::Down),
        2 => Ok(Pull::Up),
        _ => Err(Wrong::Value("brcm,pull", value)),
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(error) => error.fmt(f),
            Self::NoPin(number) => write!(f, "brcm,pins: there is no pin {number}, but 0 to {}", PINS - 1),
            Self::Twice(number) => write!(f, "brcm,pins: pin {number} stands there twice"),
            Self::Count(name, count, pins) => {
                write!(f, "{name}: {count} values for {pins} pins: it takes one, or one for each")
            }
            Self::Value(name, value) => write!(f, "{name}: {value} is none"),
            Self::Unsaid => f.write_str("it has neither brcm,function nor brcm,pull, or no pins"),
        }
    }
}
