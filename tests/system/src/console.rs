//! A booted machine's console: send a line, wait for what must come.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::lab::Symbolise;
use crate::qmp::Qmp;
use crate::text::LineEditor;

/// How long an answer may take unless a test says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running machine and its console.
pub struct Console {
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Output>,
    /// Bytes of the shown text that earlier calls have dealt with.
    seen: usize,
    log: PathBuf,
    symbolise: Symbolise,
    /// The socket of the machine's monitor.
    pub(crate) monitor: Option<PathBuf>,
    qmp: Option<Qmp>,
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: LineEditor,
    ended: bool,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

impl Console {
    /// Starts the machine; its raw console output goes to `log`.
    pub(crate) fn start(mut command: Command, log: &Path, symbolise: Symbolise) -> Result<Self> {
        let mut file = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let output = Arc::new(Output::default());
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("no pipe to {}", command.get_program().to_string_lossy());
        };
        let mut errors = file.try_clone()?;
        let shared = output.clone();
        thread::spawn(move || {
            pump(stdout, |bytes| {
                let _ = file.write_all(bytes);
                shared.change(|state| state.text.push(bytes));
            });
            shared.change(|state| state.ended = true);
        });
        // QEMU's own messages belong into the log, not among what the machine says.
        thread::spawn(move || pump(stderr, |bytes| drop(errors.write_all(bytes))));
        let input = child.stdin.take();
        Ok(Self { child, input, output, seen: 0, log: log.into(), symbolise, monitor: None, qmp: None })
    }

    /// Types a line and Return.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        self.send(format!("{line}\r").as_bytes())
    }

    /// Types bytes as they are.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let input = self.input.as_mut().context("the console is closed")?;
        input.write_all(bytes).and_then(|()| input.flush()).context("the machine does not read its console any more")
    }

    /// Waits up to half a minute until `pattern` appears behind what earlier calls have seen. Returns the text before it.
    ///
    /// # Errors
    /// It did not come; the error shows what came instead.
    pub fn expect(&mut self, pattern: &str) -> Result<String> {
        self.expect_within(pattern, PATIENCE)
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// See [`Console::expect`].
    pub fn expect_within(&mut self, pattern: &str, patience: Duration) -> Result<String> {
        self.wait(&format!("{pattern:?}"), patience, |unseen| unseen.find(pattern).map(|at| (at, at + pattern.len())))
    }

    /// Waits until `find` says where in the unseen text something begins and ends. Returns the text before it.
    fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        find: impl Fn(&str) -> Option<(usize, usize)>,
    ) -> Result<String> {
        let start = Instant::now();
        let output = self.output.clone();
        let mut state = output.lock();
        loop {
            let text = state.text.text();
            let unseen = text.get(self.seen..).unwrap_or_default();
            if let Some((begin, end)) = find(unseen) {
                let before = unseen[..begin].to_owned();
                self.seen += end;
                return Ok(before);
            }
            let left = patience.saturating_sub(start.elapsed());
            if state.ended || left.is_zero() {
                let why = if state.ended { "the machine ended" } else { "nothing more came" };
                bail!("waited {:.1?} for {what}, {why}; last lines:\n{}", start.elapsed(), self.tail(&text));
            }
            state = output.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the first of several patterns; returns which one came.
    ///
    /// # Errors
    /// See [`Console::expect`].
    pub fn expect_any(&mut self, patterns: &[&str], patience: Duration) -> Result<usize> {
        let first = |unseen: &str| {
            let found = patterns.iter().enumerate().filter_map(|(index, pattern)| Some((unseen.find(pattern)?, index)));
            found.min()
        };
        let which = std::cell::Cell::new(0);
        self.wait(&format!("one of {patterns:?}"), patience, |unseen| {
            let (at, index) = first(unseen)?;
            which.set(index);
            Some((at, at + patterns[index].len()))
        })?;
        Ok(which.get())
    }

    /// Waits until the shell's prompt is the last thing on the screen. Returns the lines before it.
    ///
    /// # Errors
    /// See [`Console::expect`].
    pub fn prompt_within(&mut self, patience: Duration) -> Result<String> {
        self.wait("the prompt", patience, |unseen| {
            let start = unseen.rfind('\n').map_or(0, |end| end + 1);
            is_prompt(&unseen[start..]).then_some((start, unseen.len()))
        })
    }

    /// Types a command at the prompt and returns the lines that it printed before the next prompt.
    ///
    /// # Errors
    /// No prompt follows.
    pub fn command(&mut self, line: &str) -> Result<String> {
        self.command_within(line, PATIENCE)
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// See [`Console::command`].
    pub fn command_within(&mut self, line: &str, patience: Duration) -> Result<String> {
        self.send_line(line)?;
        // A long line scrolls, so that its echo is not all of it.
        self.expect("\n").with_context(|| format!("{line:?} is not taken"))?;
        self.prompt_within(patience).with_context(|| format!("{line:?} does not come back to the prompt"))
    }

    /// Asks the shell for the log until all of this is in it, and returns it.
    ///
    /// # Errors
    /// Some of it does not come, or something is in it that says that it never will.
    pub fn logged(&mut self, ends: &[&str], broken: &str, patience: Duration) -> Result<String> {
        let start = Instant::now();
        loop {
            let log = self.command("log")?;
            ensure!(!log.contains(broken), "{log}");
            if ends.iter().all(|end| log.contains(end)) {
                return Ok(log);
            }
            ensure!(start.elapsed() < patience, "not all of {ends:?} is in the log:\n{log}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for the machine to end by itself.
    ///
    /// # Errors
    /// It still runs after `patience`.
    pub fn wait_for_end(&mut self, patience: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > patience {
                bail!("the machine still runs {patience:.0?} later; last lines:\n{}", self.tail(&self.text()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The machine's monitor, connected to when it is first asked for.
    ///
    /// # Errors
    /// The machine was started without one, or does not let us connect.
    pub fn qmp(&mut self) -> Result<&mut Qmp> {
        let qmp = match self.qmp.take() {
            Some(qmp) => qmp,
            None => Qmp::connect(self.monitor.as_deref().context("the machine has no monitor")?)?,
        };
        Ok(self.qmp.insert(qmp))
    }

    /// Everything the console has shown.
    pub fn text(&self) -> String {
        self.output.lock().text.text()
    }

    /// Where the raw console output is kept.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn tail(&self, text: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(12)..];
        last.iter().map(|line| format!("    {line}{}\n", (self.symbolise)(line))).collect()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(socket) = &self.monitor {
            let _ = std::fs::remove_file(socket);
        }
    }
}

/// `/> `, `/folder> `: a folder and the sign.
fn is_prompt(line: &str) -> bool {
    line.starts_with('/') && line.ends_with("> ")
}

fn pump(mut from: impl Read, mut to: impl FnMut(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        to(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use std::env::temp_dir;

    use super::*;

    /// A shell script in the place of a machine.
    fn console(script: &str) -> Console {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = temp_dir().join(format!("tutti-console-{}-{number}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Console::start(command, &log, Arc::new(|_| String::new())).expect("sh starts")
    }

    impl Console {
        fn forget(self) {
            let log = self.log.clone();
            drop(self);
            let _ = std::fs::remove_file(log);
        }
    }

    #[test]
    fn waits_for_what_comes() {
        let mut console =
            console("printf 'one\\r\\n'; sleep 0.2; printf 'two\\r\\n/> '; read line; echo \"got $line\"");
        assert_eq!(console.expect("two").expect("two comes"), "one\n");
        console.expect("/> ").expect("a prompt");
        console.send(b"hello\n").expect("it reads");
        console.expect("got hello").expect("an answer");
        assert!(console.wait_for_end(Duration::from_secs(5)).expect("it ends").success());
        assert_eq!(std::fs::read(console.log()).expect("a log"), b"one\r\ntwo\r\n/> got hello\n");
        console.forget();
    }

    #[test]
    fn a_command_is_what_it_prints() {
        let mut console = console("printf '/> '; read line; printf 'a > b\\r\\n\\r\\n/a b> '; sleep 30");
        console.prompt_within(Duration::from_secs(5)).expect("a prompt");
        // The pipe does not echo: the first line stands for the echo.
        console.send(b"\n").expect("it reads");
        console.expect("a > b\n").expect("a line");
        assert_eq!(console.prompt_within(Duration::from_secs(5)).expect("a prompt"), "\n");
        console.forget();
    }

    #[test]
    fn says_what_came_instead() {
        let mut console = console("echo something else; sleep 30");
        let error = console.expect_within("prompt", Duration::from_millis(300)).expect_err("nothing such");
        assert!(error.to_string().contains("something else"), "{error}");
        console.forget();
    }

    #[test]
    fn notices_the_end() {
        let mut console = console("echo oops");
        let error = console.expect("prompt").expect_err("it ended").to_string();
        assert!(error.contains("the machine ended") && error.contains("oops"), "{error}");
        console.forget();
    }
}
