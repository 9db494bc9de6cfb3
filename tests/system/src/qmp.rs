//! QEMU's monitor for programs (QMP): a request is a line of JSON, and so is its answer.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::console::PATIENCE;

/// The monitor of a running machine.
///
/// ```no_run
/// # fn keys(console: &mut system_tests::Console) -> anyhow::Result<()> {
/// let keys = serde_json::json!({ "keys": [{ "type": "qcode", "data": "a" }] });
/// console.qmp()?.execute("send-key", keys)?;
/// # Ok(())
/// # }
/// ```
pub struct Qmp(BufReader<UnixStream>);

impl Qmp {
    /// Connects to the socket that QEMU was told to make; it may take a moment.
    ///
    /// # Errors
    /// There is no socket, or no monitor behind it.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(error).with_context(|| format!("no monitor at {}", socket.display())),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Self(BufReader::new(stream));
        qmp.line().context("the monitor does not greet")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Has QEMU carry out a command of its QMP reference and returns the answer. Events that come in between are passed over.
    ///
    /// # Errors
    /// QEMU refuses it, or does not answer.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.0.get_mut().write_all(request.as_bytes()).with_context(|| format!("{command}: QEMU is gone"))?;
        loop {
            let mut answer = self.line().with_context(|| format!("{command}: no answer"))?;
            if let Some(error) = answer.get("error") {
                bail!("{command}: {error}");
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            bail!("QEMU closed it");
        }
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::env::temp_dir;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A monitor that answers each line it is sent with these lines.
    fn monitor(name: &str, answers: &'static [&'static str]) -> Qmp {
        let socket = temp_dir().join(format!("tutti-qmp-test-{}-{name}", std::process::id()));
        let listener = UnixListener::bind(&socket).expect("a socket");
        thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut stream = BufReader::new(stream);
            let greeting = "{\"QMP\": {}}\r\n";
            stream.get_mut().write_all(greeting.as_bytes()).expect("a reader");
            for answer in ["{\"return\": {}}\r\n"].iter().chain(answers) {
                let mut line = String::new();
                stream.read_line(&mut line).expect("a request");
                stream.get_mut().write_all(answer.as_bytes()).expect("a reader");
            }
        });
        let qmp = Qmp::connect(&socket);
        std::fs::remove_file(&socket).expect("a file");
        qmp.expect("a monitor")
    }

    #[test]
    fn answers_are_told_from_events_and_errors() {
        let answers = &[
            "{\"event\": \"STOP\"}\n{\"return\": {\"running\": true}}\n",
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such key\"}}\n",
        ];
        let mut qmp = monitor("answers", answers);
        assert_eq!(qmp.execute("query-status", json!({})).expect("an answer"), json!({ "running": true }));
        let refused = qmp.execute("send-key", json!({})).expect_err("refused").to_string();
        assert!(refused.contains("send-key") && refused.contains("no such key"), "{refused}");
        assert!(qmp.execute("stop", json!({})).is_err(), "it closed");
    }
}
