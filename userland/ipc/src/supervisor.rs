//! supervisor: what components there are, what they hold, and their end. Served by init.

use crate::{Client, Text, Wire};

/// What components there are, what they hold, and their end. Every component has it in slot 7; what it may ask for, the board
/// grants.
#[crate::protocol(name = "supervisor", version = 1)]
pub trait Supervisor {
    /// The component at `index` of the list; none behind the last. Takes the grant `inspect`.
    #[method(1)]
    fn list(&mut self, client: Client, index: u32) -> Result<Option<Component>, Status>;

    /// Line `line` of what a component holds; none behind the last. Takes the grant `inspect`.
    #[method(2)]
    fn caps(&mut self, client: Client, component: u32, line: u32) -> Result<Option<Text<MAX_LINE>>, Status>;

    /// Ends a component as a crash would, so its restart policy applies: what is to stay away is killed until the policy gives it
    /// up. Takes the grant `kill`.
    #[method(3)]
    fn kill(&mut self, client: Client, component: u32) -> Result<(), Status>;

    /// Switches the machine off; returns only when that failed. Takes the grant `power`.
    #[method(4)]
    fn power_off(&mut self, client: Client) -> Result<(), Status>;

    /// Resets the machine; returns only when that failed. Takes the grant `power`.
    #[method(5)]
    fn reboot(&mut self, client: Client) -> Result<(), Status>;

    /// Reports what has been reached.
    #[method(6)]
    fn milestone(&mut self, client: Client, milestone: Milestone) -> Result<(), Status>;

    /// The number of a component's first thread in trace records; component 0 is init. Takes the grant `inspect`.
    #[method(7)]
    fn thread(&mut self, client: Client, component: u32) -> Result<u64, Status>;
}

/// Longest name in bytes.
pub const MAX_NAME: usize = 448;
/// Longest line of `caps` in bytes.
pub const MAX_LINE: usize = 496;

crate::statuses! {
    /// The board did not grant this to the caller.
    NotPermitted = 2, "not permitted: the board does not grant it to this component";
    /// No component with this number.
    NoComponent = 3, "no such component";
    /// The component cannot be ended: it does not run, or nothing may run without it.
    NotPossible = 4, "not possible in the component's state";
    /// The machine cannot do this.
    Unsupported = 5, "this machine cannot do it";
}

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Milestone {
    /// The prompt is shown.
    Prompt = 1,
}

/// A component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
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
