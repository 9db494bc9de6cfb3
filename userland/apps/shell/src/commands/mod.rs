//! The commands.

mod date;
mod devices;
mod disk;
mod display;
mod input;
mod net;
mod random;
mod system;
mod trace;
mod trust;

use alloc::format;
use alloc::string::String;

use crate::console::Stop;
use crate::shell::Shell;

pub use disk::mount;
pub use system::{names, show_line};
pub use trace::Unprinted;

/// Why a command ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fail {
    /// Its output was stopped.
    Stop(Stop),
    /// It cannot be done; in one line.
    Because(String),
}

impl From<Stop> for Fail {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Fail {
    /// `what: why`.
    fn about(what: &str, why: impl core::fmt::Display) -> Self {
        Self::Because(format!("{}: {why}", crate::text::Plain(what)))
    }
}

type Result = core::result::Result<(), Fail>;

/// A command.
struct Command {
    name: &'static str,
    /// What follows it, in the words of `help`; empty: nothing.
    arguments: &'static str,
    about: &'static str,
    /// Fewest and most arguments.
    count: (usize, usize),
    run: fn(&mut Shell, &[String]) -> Result,
}

const COMMANDS: &[Command] = &[
    Command { name: "help", arguments: "", about: "lists the commands", count: (0, 0), run: help },
    Command { name: "ls", arguments: "[PATH]", about: "what is in a directory", count: (0, 1), run: disk::ls },
    Command { name: "cd", arguments: "[PATH]", about: "goes to a directory", count: (0, 1), run: disk::cd },
    Command { name: "pwd", arguments: "", about: "says which directory this is", count: (0, 0), run: disk::pwd },
    Command { name: "cat", arguments: "FILE…", about: "shows files as text", count: (1, 64), run: disk::cat },
    Command { name: "hexdump", arguments: "FILE", about: "shows a file as numbers", count: (1, 1), run: disk::hexdump },
    Command { name: "sha256", arguments: "FILE…", about: "fingerprints of files", count: (1, 64), run: disk::sha256 },
    Command {
        name: "ps",
        arguments: "",
        about: "components, their memory and CPU time",
        count: (0, 0),
        run: system::ps,
    },
    Command {
        name: "devices",
        arguments: "[PATH | --trust]",
        about: "devices and their drivers; what a device has; who is trusted",
        count: (0, 1),
        run: devices::devices,
    },
    Command { name: "caps", arguments: "NAME", about: "what a component holds", count: (1, 1), run: system::caps },
    Command {
        name: "fb-test",
        arguments: "[N [MODE]]",
        about: "a test pattern on display N, until a key is typed",
        count: (0, 2),
        run: display::fb_test,
    },
    Command { name: "log", arguments: "", about: "what components said", count: (0, 0), run: system::log },
    Command {
        name: "date",
        arguments: "[TIME]",
        about: "says which time it is, or sets it: 2026-03-29T01:02:03Z",
        count: (0, 1),
        run: date::date,
    },
    Command {
        name: "alarm",
        arguments: "SECONDS",
        about: "waits until the clock's alarm rings",
        count: (1, 1),
        run: date::alarm,
    },
    Command {
        name: "input",
        arguments: "[SECONDS]",
        about: "shows what keys and pointers do, until Ctrl-C",
        count: (0, 1),
        run: input::input,
    },
    Command {
        name: "random",
        arguments: "[BYTES]",
        about: "random bytes, as hexadecimal digits",
        count: (0, 1),
        run: random::random,
    },
    Command { name: "uptime", arguments: "", about: "time since reset", count: (0, 0), run: system::uptime },
    Command {
        name: "net",
        arguments: "[arp [ADDRESS]]",
        about: "the network interface; asks who has an address",
        count: (0, 3),
        run: net::net,
    },
    Command {
        name: "trace",
        arguments: "COMMAND… | MS",
        about: "records what all cores do meanwhile, for `cargo xtask trace`",
        count: (1, 64),
        run: trace::trace,
    },
    Command { name: "kill", arguments: "NAME", about: "ends a component", count: (1, 1), run: system::kill },
    Command {
        name: "poweroff",
        arguments: "",
        about: "switches the machine off",
        count: (0, 0),
        run: system::poweroff,
    },
    Command { name: "reboot", arguments: "", about: "resets the machine", count: (0, 0), run: system::reboot },
];

/// Runs a command.
///
/// # Errors
/// [`Fail`].
pub fn run(shell: &mut Shell, name: &str, arguments: &[String]) -> Result {
    let command = COMMANDS.iter().find(|command| command.name == name);
    let command = command.ok_or_else(|| Fail::Because("unknown command; `help` lists them".into()))?;
    let (least, most) = command.count;
    if !(least..=most).contains(&arguments.len()) {
        return Err(Fail::Because(match command.arguments {
            "" => "takes no arguments".into(),
            wanted => format!("give it {wanted}"),
        }));
    }
    (command.run)(shell, arguments)
}

fn help(shell: &mut Shell, _: &[String]) -> Result {
    for Command { name, arguments, about, .. } in COMMANDS {
        shell.console.print(format_args!("{:<21}{about}\n", format!("{name} {arguments}")))?;
    }
    let more = "Ctrl-C stops a command; \"a b\" or a\\ b is one name; leave QEMU with Ctrl-A X.";
    Ok(shell.console.print(format_args!("{more}\n"))?)
}
