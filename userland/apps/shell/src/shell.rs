//! The shell itself: keys in, commands run, warnings shown above the prompt.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use ipc::SignalOn;
use ipc::clock::ClockClient;
use ipc::devices::DevicesClient;
use ipc::display::DisplayClient;
use ipc::entropy::EntropyClient;
use ipc::input::InputClient;
use ipc::log::{Level, LogClient};
use ipc::net::NetClient;
use ipc::supervisor::{Milestone, SupervisorClient};
use rt::{Cap, Notification, SharedBuffer};

use crate::commands::{self, Fail};
use crate::console::{Console, Stop};
use crate::editor::{Edit, Editor};
use crate::history::History;
use crate::keys::{Key, Keys};
use crate::machine::{Carrier, LOG_BIT, Machine, Rings, Services};
use crate::volume::Volume;
use crate::{path, words};

/// Longest working directory shown in the prompt, in characters; of a longer one the end is.
const PROMPT: usize = 40;
/// Most log lines that are shown at once above the prompt.
const BURST: usize = 100;
/// Pages shared with the network interface: room for four frames in each direction.
const FRAMES: u64 = 4;

/// The shell.
pub struct Shell {
    pub(crate) console: Console,
    pub(crate) volume: Volume,
    pub(crate) clock: ClockClient<Carrier>,
    pub(crate) entropy: EntropyClient<Carrier>,
    pub(crate) inputs: Vec<InputClient<Carrier>>,
    /// Where their events are put, from the first look on.
    pub(crate) input_pages: Vec<SharedBuffer>,
    pub(crate) nets: Vec<NetClient<Carrier>>,
    pub(crate) log: LogClient<Carrier>,
    pub(crate) supervisor: SupervisorClient<Carrier>,
    pub(crate) devices: DevicesClient<Carrier>,
    pub(crate) displays: Vec<DisplayClient<Carrier>>,
    pub(crate) directory: String,
    pub(crate) rings: Option<Box<dyn Rings>>,
    pub(crate) notification: Cap<Notification>,
    /// Shared with the network interface, from its first use on: memory that was given back is not had again.
    frames: Option<Rc<SharedBuffer>>,
    keys: Keys,
    editor: Editor,
    history: History,
    /// Number of the log line to look at next.
    next_line: u64,
}

impl Shell {
    /// A shell on these servers.
    pub fn new(services: Services, machine: Box<dyn Machine>) -> Self {
        let Services {
            serial,
            files,
            clock,
            entropy,
            inputs,
            nets,
            log,
            supervisor,
            devices,
            displays,
            notification,
            buffer,
            rings,
        } = services;
        Self {
            console: Console::new(serial, notification, machine),
            volume: Volume::new(files, buffer),
            clock,
            entropy,
            inputs,
            input_pages: Vec::new(),
            nets,
            log,
            supervisor,
            devices,
            displays,
            directory: "/".into(),
            rings,
            notification,
            frames: None,
            keys: Keys::default(),
            editor: Editor::default(),
            history: History::default(),
            next_line: 0,
        }
    }

    /// Runs until there is no console any more.
    pub fn run(&mut self) {
        let _ = self.start().and_then(|()| self.serve());
    }

    /// Shows the first prompt, with the disk mounted.
    pub(crate) fn start(&mut self) -> Result<(), Stop> {
        self.console.attach()?;
        if let Err(error) = self.log.subscribe(Level::Warn, SignalOn { notification: self.notification, bits: LOG_BIT })
        {
            self.console.print(format_args!("log: {error}\n"))?;
        }
        self.console.print(format_args!("Tutti {}. `help` lists the commands.\n", env!("CARGO_PKG_VERSION")))?;
        if let Err(error) = commands::mount(&mut self.volume) {
            self.console.print(format_args!("/: {error}\n"))?;
        }
        self.show_log("")?;
        self.prompt()?;
        // A supervisor that does not measure is none of the shell's concern.
        let _ = self.supervisor.milestone(Milestone::Prompt);
        Ok(())
    }

    fn serve(&mut self) -> Result<(), Stop> {
        loop {
            self.console.wait()?;
            self.step()?;
        }
    }

    /// Deals with everything that has happened.
    pub(crate) fn step(&mut self) -> Result<(), Stop> {
        if self.console.server_ended() {
            self.volume.reattach();
            self.redraw()?;
        }
        if self.console.has_log() && self.show_log("\r\x1b[K")? {
            self.redraw()?;
        }
        while let Some(byte) = self.console.typed() {
            if let Some(key) = self.keys.feed(byte) {
                self.key(key)?;
            }
        }
        self.console.flush()
    }

    fn key(&mut self, key: Key) -> Result<(), Stop> {
        let line = match key {
            Key::Enter => return self.enter(),
            Key::Control('c') => return self.cancel(),
            Key::Control('l') => {
                self.console.print(format_args!("\x1b[H\x1b[2J"))?;
                return self.redraw();
            }
            Key::Up | Key::Control('p') => self.history.up(self.editor.text()),
            Key::Down | Key::Control('n') => self.history.down(),
            key => return self.edit(key),
        };
        match line {
            Some(line) => {
                self.editor.set(line);
                self.redraw()
            }
            None => Ok(()),
        }
    }

    fn edit(&mut self, key: Key) -> Result<(), Stop> {
        match self.editor.key(key, &prompt(&self.directory)) {
            Edit::Nothing => Ok(()),
            Edit::Changed => self.redraw(),
            Edit::Added(character) => self.console.put(character),
        }
    }

    fn cancel(&mut self) -> Result<(), Stop> {
        self.leave_line()?;
        self.console.print(format_args!("^C\n"))?;
        self.prompt()
    }

    fn enter(&mut self) -> Result<(), Stop> {
        self.leave_line()?;
        self.console.put('\n')?;
        let line = self.editor.text();
        self.history.add(&line);
        self.run_line(&line)?;
        self.prompt()
    }

    /// The cursor goes behind the line, which stays on the screen.
    fn leave_line(&mut self) -> Result<(), Stop> {
        if self.editor.is_at_end() {
            return Ok(());
        }
        self.editor.finish();
        self.redraw()
    }

    fn run_line(&mut self, line: &str) -> Result<(), Stop> {
        let words = match words::split(line) {
            Ok(words) => words,
            Err(error) => return self.console.print(format_args!("{error}\n")),
        };
        let Some((command, arguments)) = words.split_first() else { return Ok(()) };
        self.console.flush()?;
        self.console.begin();
        let ended = commands::run(self, command, arguments).and_then(|()| Ok(self.console.flush()?));
        self.console.end(ended == Err(Fail::Stop(Stop::Interrupted)));
        match ended {
            Ok(()) => Ok(()),
            Err(Fail::Stop(Stop::Gone)) => Err(Stop::Gone),
            Err(Fail::Stop(Stop::Interrupted)) => self.console.print(format_args!("^C\n")),
            Err(Fail::Because(reason)) => self.console.print(format_args!("{command}: {reason}\n")),
        }
    }

    /// An empty line behind a fresh prompt.
    fn prompt(&mut self) -> Result<(), Stop> {
        if self.console.has_log() {
            self.show_log("")?;
        }
        self.editor = Editor::default();
        self.console.print(format_args!("{}", prompt(&self.directory)))?;
        self.console.flush()
    }

    fn redraw(&mut self) -> Result<(), Stop> {
        let drawn = self.editor.draw(&prompt(&self.directory));
        self.console.print(format_args!("{drawn}"))
    }

    /// Shows the lines of level warn or worse that were not shown, behind `before`; says whether there were any.
    fn show_log(&mut self, before: &str) -> Result<bool, Stop> {
        let mut names = None;
        let mut shown = 0;
        loop {
            match self.log.read(self.next_line) {
                Ok((next, Some(line))) => {
                    // A log that does not get on is not followed.
                    self.next_line = next.max(self.next_line.saturating_add(1));
                    if line.level > Level::Warn {
                        continue;
                    }
                    shown += 1;
                    if shown == 1 {
                        self.console.print(format_args!("{before}"))?;
                    }
                    if shown <= BURST {
                        let names = names.get_or_insert_with(|| commands::names(&self.supervisor));
                        commands::show_line(&mut self.console, names, &line)?;
                    }
                }
                Ok((next, None)) => {
                    self.next_line = next;
                    break;
                }
                // `log` says why.
                Err(_) => break,
            }
        }
        if shown > BURST {
            self.console.print(format_args!("… and {} more lines: see `log`\n", shown - BURST))?;
        }
        Ok(shown > 0)
    }

    /// What is shared with the network interface.
    pub(crate) fn frames(&mut self) -> Result<Rc<SharedBuffer>, Fail> {
        if let Some(buffer) = &self.frames {
            return Ok(buffer.clone());
        }
        let buffer =
            SharedBuffer::new(FRAMES).map_err(|error| Fail::Because(format!("memory for frames: {error:?}")))?;
        Ok(self.frames.insert(Rc::new(buffer)).clone())
    }

    /// The absolute path of what was typed.
    pub(crate) fn resolve(&self, typed: &str) -> String {
        path::resolve(&self.directory, typed)
    }
}

fn prompt(directory: &str) -> String {
    let plain = format!("{}", crate::text::Plain(directory));
    match plain.char_indices().rev().nth(PROMPT - 1) {
        Some((start, _)) if start > 0 => format!("…{}> ", &plain[start..]),
        _ => format!("{plain}> "),
    }
}
