//! The test cases, a file an area.

mod bad_input;
mod boot;
mod disk;
mod isolation;

use crate::lab::Case;

/// All cases, in the order in which they run.
pub fn all() -> Vec<Case> {
    [boot::cases(), disk::cases(), isolation::cases(), bad_input::cases()].into_iter().flatten().collect()
}
