//! init's loop: one endpoint for the log, the supervisor and faults; the badge says which.

use ipc::broker::BrokerServer;
use ipc::log::{Level, Line, Log, LogServer, MAX_WRITE, Status};
use ipc::supervisor::SupervisorServer;
use ipc::{Client as Caller, Signal, Text};
use rt::{Badge, Message, REPLY, Received};

use crate::Init;
use crate::spawn::Client;

/// The highest priority of a component: init's own stays above.
pub const HIGHEST: u8 = 250;

impl Init {
    /// Serves for ever.
    pub fn serve(&mut self) {
        if ipc::window::open().is_err() {
            self.output.owned = false;
            self.output.line("init: no slots for a receive window");
            return;
        }
        let mut received = self.own.receive(REPLY);
        loop {
            received = match received {
                Ok(Received::Call { badge, message, dropped }) => {
                    let answer = self.answer(badge, &message);
                    if dropped {
                        ipc::window::clear();
                    }
                    self.own.reply_receive(REPLY, &answer)
                }
                Ok(Received::Notified(_)) => {
                    self.stopped_devices();
                    self.own.receive(REPLY)
                }
                Err(_) => self.own.receive(REPLY),
            };
        }
    }

    fn answer(&mut self, badge: Badge, message: &Message) -> Message {
        match badge.server() {
            client if client == Client::Fault as u32 => {
                self.fault(badge, message);
                stay_stopped()
            }
            client if client == Client::Supervisor as u32 => ipc::answer(&mut SupervisorServer(self), badge, message),
            client if client == Client::Broker as u32 => ipc::answer(&mut BrokerServer(self), badge, message),
            _ => ipc::answer(&mut LogServer(self), badge, message),
        }
    }

    /// Takes over what the kernel logged since the last time.
    fn read_kernel_log(&mut self) {
        while let Some((level, line)) = self.kernel_log.as_mut().and_then(|log| log.next()) {
            self.journal.append(level, 0, &line);
        }
    }

    /// A line for the log, and for people while no console driver runs.
    pub fn log(&mut self, level: Level, component: u32, text: &str) {
        if level <= Level::Info {
            let name = self.components.iter().find(|record| record.number == component);
            match name {
                Some(record) => self.output.line(&alloc::format!("{}: {text}", record.name)),
                None => self.output.line(text),
            }
        }
        self.read_kernel_log();
        self.journal.append(level, component, text);
    }
}

impl Log for Init {
    fn write(&mut self, client: Caller, level: Level, text: Text<MAX_WRITE>) -> Result<(), Status> {
        self.log(level, client.component(), &text);
        Ok(())
    }

    fn read(&mut self, from: u64) -> Result<(u64, Option<Line>), Status> {
        self.read_kernel_log();
        Ok(self.journal.read(from, self.env.start_info()))
    }

    fn subscribe(&mut self, client: Caller, level: Level, signal: Signal) -> Result<(), Status> {
        if self.journal.subscribe(client, signal, level) { Ok(()) } else { Err(Status::TooManySessions) }
    }
}

/// The answer to a fault. Usually nobody is left to get it; a thread of an instance that init does not know any more
/// stays stopped, and the Reply is free for the next caller.
fn stay_stopped() -> Message {
    Message::new(1, [])
}
