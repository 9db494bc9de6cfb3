//! Components as the supervisor sees them, and what they have.

use alloc::format;
use alloc::string::String;
use core::fmt;

use ipc::supervisor::{Component, State, SupervisorClient};
use rt::SUPERVISOR;

/// The first of the components with these names that runs.
///
/// # Errors
/// None runs, or the board does not let us ask.
pub fn running(names: &[&str]) -> Result<Component, String> {
    for index in 0.. {
        let component = SupervisorClient(SUPERVISOR).list(index).map_err(|error| format!("supervisor: {error}"))?;
        let Some(component) = component else { break };
        if component.state == State::Running && names.contains(&component.name.as_str()) {
            return Ok(component);
        }
    }
    Err(format!("none of {names:?} runs"))
}

/// What a component has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Bytes of memory in use.
    pub memory: u64,
    /// Capabilities.
    pub capabilities: u32,
}

impl Holdings {
    /// Of the first of these components that runs.
    ///
    /// # Errors
    /// As [`running`].
    pub fn of(names: &[&str]) -> Result<Self, String> {
        let Component { component, used, .. } = running(names)?;
        let line = |line| SupervisorClient(SUPERVISOR).caps(component, line);
        let mut capabilities = 0;
        while line(capabilities).map_err(|error| format!("supervisor: {error}"))?.is_some() {
            capabilities += 1;
        }
        Ok(Self { memory: used, capabilities })
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB and {} capabilities", self.memory / 1024, self.capabilities)
    }
}
