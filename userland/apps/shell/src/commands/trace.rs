//! `trace`: records what all cores do, and prints it for `cargo xtask trace`.

use alloc::string::String;
use core::fmt;

use ipc::trace::Printer;

use super::system::failed;
use super::{Fail, Result};
use crate::console::{Console, Stop};
use crate::machine::Rings;
use crate::names;
use crate::shell::Shell;
use crate::text::Plain;

/// Milliseconds after which Ctrl-C is looked for.
const NAP: u64 = 100;

/// `trace COMMAND…`, `trace MILLISECONDS`
pub fn trace(shell: &mut Shell, arguments: &[String]) -> Result {
    let Some(mut rings) = shell.rings.take() else {
        return Err(Fail::Because("the board does not grant it, or it records already".into()));
    };
    let result = record(shell, &mut *rings, arguments);
    shell.rings = Some(rings);
    result
}

fn record(shell: &mut Shell, rings: &mut dyn Rings, arguments: &[String]) -> Result {
    // A component may end meanwhile, and another begin.
    let mut threads = threads(shell);
    rings.start().map_err(Fail::Because)?;
    let ran = work(shell, arguments).and_then(|()| Ok(shell.console.flush()?));
    rings.stop();
    threads.extend(self::threads(shell));
    threads.sort_unstable();
    threads.dedup();
    print(shell, rings, &threads)?;
    ran
}

/// What is recorded.
fn work(shell: &mut Shell, arguments: &[String]) -> Result {
    let Some((command, rest)) = arguments.split_first() else { return Ok(()) };
    let Ok(mut left) = command.parse::<u64>() else {
        return super::run(shell, command, rest).map_err(|fail| match fail {
            Fail::Because(why) => Fail::about(command, why),
            stop @ Fail::Stop(_) => stop,
        });
    };
    while left > 0 {
        let nap = left.min(NAP);
        shell.console.machine().sleep(nap);
        shell.console.check_interrupt()?;
        left -= nap;
    }
    Ok(())
}

/// Numbers and names of the components' threads.
fn threads(shell: &Shell) -> alloc::vec::Vec<(u64, String)> {
    let mut components = names::components(&shell.supervisor).unwrap_or_default();
    components.push((0, "init".into()));
    let number = |component| shell.supervisor.thread(component).ok();
    components.into_iter().filter_map(|(component, name)| Some((number(component)?, name))).collect()
}

fn print(shell: &mut Shell, rings: &mut dyn Rings, threads: &[(u64, String)]) -> Result {
    let (ticks_per_second, boot_ticks) = rings.clock();
    let mut out = Out(&mut shell.console, Ok(()));
    let printed = (|| {
        let mut printer = Printer::begin(&mut out, rings.cores(), ticks_per_second, boot_ticks)?;
        for (number, name) in threads {
            printer.thread(*number, Plain(name))?;
        }
        for core in 0..rings.cores() {
            rings.read(core, &mut |found| printer.found(core, found))?;
        }
        printer.end().map_err(Unprinted::from)
    })();
    match printed {
        Ok((records, lost)) => Ok(shell.console.print(format_args!("{records} events, {lost} lost\n"))?),
        Err(Unprinted::Stopped) => Err(out.1.err().map_or_else(|| failed("it cannot be printed"), Fail::Stop)),
        Err(Unprinted::Because(why)) => Err(Fail::Because(why)),
    }
}

/// Why a recording was not printed to its end.
#[derive(Debug)]
pub enum Unprinted {
    /// The console took no more.
    Stopped,
    /// In one line.
    Because(String),
}

impl From<fmt::Error> for Unprinted {
    fn from(_: fmt::Error) -> Self {
        Self::Stopped
    }
}

/// The console, and why it took no more.
struct Out<'c>(&'c mut Console, core::result::Result<(), Stop>);

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.1 = text.chars().try_for_each(|character| self.0.put(character));
        self.1.map_err(|_| fmt::Error)
    }
}
