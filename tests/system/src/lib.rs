//! System tests: each boots the real image in an emulated machine, types at its console and reads what comes back.
//!
//! A test is a [`Case`]: an identifier, a sentence and a function that gets a [`Lab`]. Adding one is adding one function
//! to a file in `cases/` and its line to that file's list. The console output of every boot is kept when a test fails.
#![forbid(unsafe_code)]

mod cases;
mod console;
pub mod disk;
mod lab;
mod machine;
mod qmp;
mod text;

pub use cases::{all, corrupt, fuzz, revoke};
pub use console::Console;
pub use lab::{Boot, Case, Lab, Need, Outcome, Symbolise};
pub use machine::{Bus, Direct, Disk, Machine, Net, Serial, Tty};
pub use qmp::Qmp;
pub use text::LineEditor;
