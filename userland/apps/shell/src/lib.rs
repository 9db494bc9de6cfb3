//! The shell on the console: line editing, history, and commands that look at files and at the system.
//!
//! Everything it reaches it reaches through the protocols of `ipc`; on the host a test stands in for the servers.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod commands;
mod console;
mod editor;
mod evdev;
mod history;
mod keys;
mod machine;
mod names;
mod path;
mod shell;
#[cfg(test)]
mod system_tests;
mod text;
mod volume;
mod words;

pub use commands::Unprinted;
pub use machine::{
    ALARM_BIT, Carrier, DISPLAY_BIT, ENTROPY_BIT, INPUT_BIT, LOG_BIT, Machine, NET_BIT, Rings, SERIAL_BIT, Services,
};
pub use shell::Shell;
