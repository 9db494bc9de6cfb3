//! init's loop: one endpoint for the log, the supervisor and faults; the badge says which.

use ipc::CapWindow;
use ipc::log::{self, Level};
use rt::{Badge, Message, REPLY, Received};

use crate::Init;
use crate::spawn::Client;

/// The highest priority of a component: init's own stays above.
pub const HIGHEST: u8 = 250;

impl Init {
    /// Serves for ever.
    pub fn serve(&mut self) {
        let Ok(window) = CapWindow::open(1) else {
            self.output.owned = false;
            self.output.line("init: no slots for a receive window");
            return;
        };
        let mut received = self.own.receive(REPLY);
        loop {
            received = match received {
                Ok(Received::Call { badge, message, dropped }) => {
                    let answer = self.answer(&window, badge, &message);
                    window.clear(&message, dropped);
                    self.own.reply_receive(REPLY, &answer)
                }
                Ok(Received::Notified(_)) | Err(_) => self.own.receive(REPLY),
            };
        }
    }

    fn answer(&mut self, window: &CapWindow, badge: Badge, message: &Message) -> Message {
        match badge.server() {
            client if client == Client::Fault as u32 => {
                self.fault(badge, message);
                stay_stopped()
            }
            client if client == Client::Supervisor as u32 => self.supervise(badge, message),
            client if client == Client::Broker as u32 => self.broker_call(window, badge, message),
            client if client == Client::Log as u32 => self.journal_call(window, badge, message),
            _ => log::Status::UnknownMethod.answer(),
        }
    }

    fn journal_call(&mut self, window: &CapWindow, badge: Badge, message: &Message) -> Message {
        match log::Request::decode(message) {
            Ok(log::Request::Write { level, text }) => {
                self.log(level, badge.component(), text.as_str());
                log::done()
            }
            Ok(log::Request::Read { from }) => {
                self.read_kernel_log();
                match self.journal.read(from, self.env.start_info()) {
                    Ok(line) => line.encode(),
                    Err(next) => log::none_yet(next),
                }
            }
            Ok(log::Request::Subscribe { bits, level }) => match window.take(message, 0) {
                Ok(notification) if self.journal.subscribe(badge, notification, bits, level) => log::done(),
                Ok(notification) => {
                    ipc::discard(notification);
                    log::Status::TooManySessions.answer()
                }
                Err(_) => log::Status::BadCapability.answer(),
            },
            Err(status) => status.answer(),
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

/// The answer to a fault. Usually nobody is left to get it; a thread of an instance that init does not know any more
/// stays stopped, and the Reply is free for the next caller.
fn stay_stopped() -> Message {
    Message::new(1, [])
}
