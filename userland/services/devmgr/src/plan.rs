//! What becomes of each enabled node.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use tree::{Device, Phandle, Phandles, Range, Tree};

use crate::drivers::Driver;
use crate::resources::{Description, Identification, Trouble, describe};

/// Who reads what a device says of itself.
pub trait Identify {
    /// Reads it from these registers; nothing where they hold no identification.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn identify(&mut self, registers: Range, how: Identification) -> Result<Option<u32>, String>;
}

/// An enabled node with a `compatible`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its path.
    pub path: String,
    /// Its offset in the tree's structure block.
    pub offset: usize,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A process drives it already.
    Driven,
    /// This component of the bundle is for it, with this.
    Start {
        /// Its number in the bundle.
        driver: u32,
        /// What it is given.
        description: Description,
    },
    /// This component is for it, but it cannot be started.
    Not {
        /// Its number in the bundle.
        driver: u32,
        /// Why.
        trouble: Trouble,
    },
    /// No component is for it; what it said when it was asked what it is.
    NoDriver(Option<u32>),
    /// The kernel drives it itself.
    Kernel,
}

/// Decides about every enabled node of the tree, in its order. `is_driven` says of a path that a process drives it already.
///
/// # Errors
/// The tree's references cannot be read.
pub fn plan(
    tree: &Tree<'_>,
    drivers: &[Driver<'_>],
    is_driven: impl Fn(&str) -> bool,
    machine: &mut impl Identify,
) -> Result<Vec<Row>, String> {
    let mut room = vec![Phandle::default(); Phandles::count(tree)];
    let phandles = Phandles::of(tree, &mut room).map_err(|error| format!("device tree: {error}"))?;
    let mut rows = Vec::new();
    let mut devices = tree.devices();
    while let Some(device) = devices.next() {
        let path = device.path().to_string();
        let outcome = if is_driven(&path) {
            Outcome::Driven
        } else if device.is_kernels() {
            Outcome::Kernel
        } else {
            outcome(tree, &phandles, &device, drivers, machine)
        };
        rows.push(Row { path, offset: device.offset(), outcome });
    }
    Ok(rows)
}

fn outcome(
    tree: &Tree<'_>,
    phandles: &Phandles<'_>,
    device: &Device<'_, '_>,
    drivers: &[Driver<'_>],
    machine: &mut impl Identify,
) -> Outcome {
    let mut said = None;
    match find(device, drivers, machine, &mut said) {
        Ok(None) => Outcome::NoDriver(said),
        Ok(Some(driver)) => match describe(tree, phandles, device, driver, drivers) {
            Ok(description) => Outcome::Start { driver: driver.number, description },
            Err(trouble) => Outcome::Not { driver: driver.number, trouble },
        },
        Err((driver, why)) => Outcome::Not { driver, trouble: Trouble::Refused(why) },
    }
}

/// The driver for a device: its most specific name that any driver has counts, and of the drivers for that name the first of
/// the bundle. One that wants a certain identification is only asked about if the device can tell.
fn find<'d, 'a>(
    device: &Device<'_, '_>,
    drivers: &'d [Driver<'a>],
    machine: &mut impl Identify,
    said: &mut Option<u32>,
) -> Result<Option<&'d Driver<'a>>, (u32, String)> {
    for compatible in device.compatible() {
        let mut asked = false;
        for driver in drivers {
            for wanted in driver.names(compatible) {
                let Some(wanted) = wanted else { return Ok(Some(driver)) };
                let Some(how) = Identification::of(compatible) else { continue };
                if !asked {
                    *said = identify(device, how, machine).map_err(|why| (driver.number, why))?;
                    asked = true;
                }
                if said.is_some_and(|said| how.fits(wanted, said)) {
                    return Ok(Some(driver));
                }
            }
        }
    }
    Ok(None)
}

/// What a device says of itself. The tree may say it in its place (`arm,primecell-periphid`).
fn identify(device: &Device<'_, '_>, how: Identification, machine: &mut impl Identify) -> Result<Option<u32>, String> {
    if how == Identification::PrimeCell
        && let Ok(Some(number)) = device.number("arm,primecell-periphid")
    {
        return Ok(u32::try_from(number).ok());
    }
    match device.registers().next() {
        Some(Ok(registers)) => machine.identify(registers, how),
        Some(Err(error)) => Err(error.to_string()),
        None => Ok(None),
    }
}
