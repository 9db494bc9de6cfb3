//! The drivers of the bundle, and which of them a `compatible` means.

use alloc::vec::Vec;

use bundle::{Bundle, Manifest};

use crate::function;

/// A component that drives something.
#[derive(Clone, Copy, Debug)]
pub struct Driver<'a> {
    /// Its number in the bundle.
    pub number: u32,
    /// Its name.
    pub name: &'a str,
    /// What it says of itself.
    pub manifest: Manifest<'a>,
}

/// The drivers among those components of the bundle that take part, in the order of the bundle.
pub fn drivers<'a>(bundle: &Bundle<'a>, takes_part: impl Fn(u32) -> bool) -> Vec<Driver<'a>> {
    let components = bundle.components().filter_map(Result::ok);
    let drivers = components.filter(|it| takes_part(it.number) && it.manifest.drives().next().is_some());
    drivers.map(|it| Driver { number: it.number, name: it.name, manifest: it.manifest }).collect()
}

impl Driver<'_> {
    /// The identifications with which it names a `compatible`: none, `Some(None)` for any device of that name.
    pub fn names<'d>(&'d self, compatible: &'d str) -> impl Iterator<Item = Option<u32>> + 'd {
        self.manifest.drives().filter(move |drive| drive.compatible == compatible).map(|drive| drive.id)
    }

    /// Whether it names functions of PCI, which no tree has and a bus finds.
    pub fn is_of_functions(&self) -> bool {
        self.manifest.drives().any(|drive| function::is_name(drive.compatible))
    }

    /// Whether it names one of these.
    pub fn is_for<'d>(&'d self, mut compatible: impl Iterator<Item = &'d str>) -> bool {
        compatible.any(|name| self.names(name).next().is_some())
    }
}
