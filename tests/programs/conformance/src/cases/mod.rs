//! The cases, a file an object.

mod common;
mod endpoint;

use crate::case::Case;

/// All of them, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [endpoint::CASES].into_iter().flatten()
}
