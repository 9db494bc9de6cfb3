//! supervisor: what components there are, what they hold, and their end. Served by init.

use rt::{Cap, Endpoint, Message};

use crate::call::{Call, Error, ask};
use crate::codec::{Text, small, words};
use crate::status::statuses;

/// Method numbers; permanent.
pub mod method {
    /// Word 0 = index from 0 → word 0 = component, word 1 = state, word 2 = bytes of memory it was given, word 3 = bytes
    /// of them in use, word 4 = epoch, word 5 = ticks of CPU time, word 6 = bytes, the name follows. Status `End`: no
    /// such index. Takes the grant `inspect`.
    pub const LIST: u32 = 1;
    /// Word 0 = component, word 1 = line from 0 → word 0 = bytes, a line of text follows. Status `End`: no such line. Takes
    /// the grant `inspect`.
    pub const CAPS: u32 = 2;
    /// Word 0 = component: ends it as a crash would, so its restart policy applies: what is to stay away is killed until
    /// the policy gives it up. Takes the grant `kill`.
    pub const KILL: u32 = 3;
    /// Switches the machine off. Takes the grant `power`.
    pub const POWEROFF: u32 = 4;
    /// Resets the machine. Takes the grant `power`.
    pub const REBOOT: u32 = 5;
    /// Word 0 = what has been reached ([`super::Milestone`]).
    pub const MILESTONE: u32 = 6;
    /// Word 0 = component → word 0 = the number of its first thread in trace records. Takes the grant `inspect`.
    pub const THREAD: u32 = 7;
}

/// Longest name in bytes.
pub const MAX_NAME: usize = 456;
/// Longest line of CAPS in bytes.
pub const MAX_LINE: usize = 504;

statuses! {
    /// Behind the last component or line.
    End = 1, "no more of them";
    /// The board did not grant this to the caller.
    NotPermitted = 2, "not permitted: the board does not grant it to this component";
    /// No component with this number.
    NoComponent = 3, "no such component";
    /// The component cannot be ended: it does not run, or nothing may run without it.
    NotPossible = 4, "not possible in the component's state";
    /// The machine cannot do this.
    Unsupported = 5, "this machine cannot do it";
}

/// What failed on the client's side.
pub type Result<T> = core::result::Result<T, Error<Status>>;

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    /// It runs.
    Running = 0,
    /// It ended by itself.
    Ended = 1,
    /// It crashed or was killed and was not started again.
    GivenUp = 2,
    /// The machine has no device for it.
    NoDevice = 3,
    /// It crashed or was killed, and it is not decided or not time yet to start it again.
    Restarting = 4,
}

impl State {
    /// The state with this number.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Running),
            1 => Some(Self::Ended),
            2 => Some(Self::GivenUp),
            3 => Some(Self::NoDevice),
            4 => Some(Self::Restarting),
            _ => None,
        }
    }

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ended => "ended",
            Self::GivenUp => "given up",
            Self::NoDevice => "no device",
            Self::Restarting => "restarts",
        }
    }
}

/// A point of the start that a component reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Milestone {
    /// The prompt is shown.
    Prompt = 1,
}

impl Milestone {
    /// The milestone with this number.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Prompt),
            _ => None,
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`method::LIST`].
    List {
        /// From 0.
        index: u32,
    },
    /// See [`method::CAPS`].
    Caps {
        /// Its number.
        component: u32,
        /// From 0.
        line: u32,
    },
    /// See [`method::KILL`].
    Kill {
        /// Its number.
        component: u32,
    },
    /// See [`method::POWEROFF`].
    PowerOff,
    /// See [`method::REBOOT`].
    Reboot,
    /// See [`method::MILESTONE`].
    Milestone(Milestone),
    /// See [`method::THREAD`].
    Thread {
        /// Its number; 0 is the supervisor itself.
        component: u32,
    },
}

impl Request {
    /// The message.
    pub fn encode(&self) -> Message {
        match *self {
            Self::List { index } => Message::new(method::LIST, [index.into()]),
            Self::Caps { component, line } => Message::new(method::CAPS, [component.into(), line.into()]),
            Self::Kill { component } => Message::new(method::KILL, [component.into()]),
            Self::PowerOff => Message::new(method::POWEROFF, []),
            Self::Reboot => Message::new(method::REBOOT, []),
            Self::Milestone(milestone) => Message::new(method::MILESTONE, [milestone as u64]),
            Self::Thread { component } => Message::new(method::THREAD, [component.into()]),
        }
    }

    /// Reads a message from outside.
    ///
    /// # Errors
    /// `UnknownMethod`, `BadMessage`.
    pub fn decode(message: &Message) -> core::result::Result<Self, Status> {
        let request = match message.label {
            method::LIST => words(message, 1).and_then(|()| Some(Self::List { index: small(message, 0)? })),
            method::CAPS => Self::decode_caps(message),
            method::KILL => words(message, 1).and_then(|()| Some(Self::Kill { component: small(message, 0)? })),
            method::POWEROFF => Some(Self::PowerOff),
            method::REBOOT => Some(Self::Reboot),
            method::MILESTONE => Milestone::from_number(message.word(0)).map(Self::Milestone),
            method::THREAD => words(message, 1).and_then(|()| Some(Self::Thread { component: small(message, 0)? })),
            _ => return Err(Status::UnknownMethod),
        };
        request.ok_or(Status::BadMessage)
    }

    fn decode_caps(message: &Message) -> Option<Self> {
        words(message, 2)?;
        Some(Self::Caps { component: small(message, 0)?, line: small(message, 1)? })
    }
}

/// The answer to THREAD.
pub fn thread(number: u64) -> Message {
    Message::new(0, [number])
}

/// The answer to KILL and MILESTONE.
pub fn done() -> Message {
    Message::new(0, [])
}

/// The answer to LIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its number: what badges carry.
    pub component: u32,
    /// What it is doing.
    pub state: State,
    /// Bytes of memory it was given.
    pub memory: u64,
    /// Bytes of them in use.
    pub used: u64,
    /// Which instance of it this is, from 1.
    pub epoch: u16,
    /// CPU time in ticks of the counter.
    pub ticks: u64,
    /// Its name.
    pub name: Text<MAX_NAME>,
}

impl Component {
    /// The message.
    pub fn encode(&self) -> Message {
        let fixed =
            [self.component.into(), self.state as u64, self.memory, self.used, self.epoch.into(), self.ticks, 0];
        let mut message = Message::new(0, fixed);
        self.name.encode(&mut message, 6);
        message
    }

    fn decode(answer: &Message) -> Option<Self> {
        Some(Self {
            component: small(answer, 0)?,
            state: State::from_number(answer.word(1))?,
            memory: answer.word(2),
            used: answer.word(3),
            epoch: u16::try_from(answer.word(4)).ok()?,
            ticks: answer.word(5),
            name: Text::decode(answer, 6, 7)?,
        })
    }
}

/// The answer to CAPS; what is longer than [`MAX_LINE`] is cut.
pub fn line(text: &str) -> Message {
    let mut message = Message::new(0, [0]);
    Text::<MAX_LINE>::cut(text).encode(&mut message, 0);
    message
}

/// The client.
#[derive(Clone, Copy, Debug)]
pub struct Supervisor<C = Cap<Endpoint>>(pub C);

impl<C: Call> Supervisor<C> {
    /// The component at `index` of the list; `None` behind the last.
    ///
    /// # Errors
    /// [`Error`].
    pub fn list(&self, index: u32) -> Result<Option<Component>> {
        match ask(&self.0, &Request::List { index }.encode()) {
            Ok(answer) => Component::decode(&answer).map(Some).ok_or(Error::Malformed),
            Err(Error::Status(Status::End)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Line `line` of what a component holds; `None` behind the last.
    ///
    /// # Errors
    /// [`Error`].
    pub fn caps(&self, component: u32, line: u32) -> Result<Option<Text<MAX_LINE>>> {
        match ask(&self.0, &Request::Caps { component, line }.encode()) {
            Ok(answer) => Text::decode(&answer, 0, 1).map(Some).ok_or(Error::Malformed),
            Err(Error::Status(Status::End)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number of a component's first thread in trace records.
    ///
    /// # Errors
    /// [`Error`].
    pub fn thread(&self, component: u32) -> Result<u64> {
        ask(&self.0, &Request::Thread { component }.encode()).map(|answer| answer.word(0))
    }

    /// Ends a component; its restart policy applies.
    ///
    /// # Errors
    /// [`Error`].
    pub fn kill(&self, component: u32) -> Result<()> {
        ask(&self.0, &Request::Kill { component }.encode()).map(drop)
    }

    /// Switches the machine off; returns only when that failed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn power_off(&self) -> Result<()> {
        ask(&self.0, &Request::PowerOff.encode()).map(drop)
    }

    /// Resets the machine; returns only when that failed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn reboot(&self) -> Result<()> {
        ask(&self.0, &Request::Reboot.encode()).map(drop)
    }

    /// Reports what has been reached.
    ///
    /// # Errors
    /// [`Error`].
    pub fn milestone(&self, milestone: Milestone) -> Result<()> {
        ask(&self.0, &Request::Milestone(milestone).encode()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loopback;

    #[test]
    fn requests_round_trip() {
        for request in [
            Request::List { index: 3 },
            Request::Caps { component: 1 << 23, line: 2 },
            Request::Kill { component: 4 },
            Request::PowerOff,
            Request::Reboot,
            Request::Milestone(Milestone::Prompt),
            Request::Thread { component: 3 },
        ] {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn answers_round_trip() {
        let component = Component {
            component: 5,
            state: State::GivenUp,
            memory: 1 << 20,
            used: 4096,
            epoch: 2,
            ticks: 77,
            name: Text::cut("virtio-blk"),
        };
        let supervisor = Supervisor(Loopback(|request: &Message| match Request::decode(request) {
            Ok(Request::List { index: 0 }) => component.encode(),
            Ok(Request::Caps { line: 0, .. }) => line(&"c".repeat(600)),
            Ok(Request::List { .. } | Request::Caps { .. }) => Status::End.answer(),
            Ok(Request::Kill { .. }) => Status::NotPermitted.answer(),
            Ok(Request::Thread { component }) => thread(u64::from(component) << 32),
            Ok(_) => done(),
            Err(status) => status.answer(),
        }));
        assert_eq!(supervisor.list(0), Ok(Some(component)));
        assert_eq!(supervisor.list(1), Ok(None));
        assert_eq!(supervisor.caps(5, 0).unwrap().unwrap().as_str(), "c".repeat(504));
        assert_eq!(supervisor.caps(5, 1), Ok(None));
        assert_eq!(supervisor.kill(5), Err(Error::Status(Status::NotPermitted)));
        assert_eq!(supervisor.milestone(Milestone::Prompt), Ok(()));
        assert_eq!(supervisor.thread(9), Ok(9 << 32));
        assert_eq!(supervisor.power_off(), Ok(()));
    }
}
