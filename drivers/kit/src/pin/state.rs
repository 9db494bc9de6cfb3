//! The pins of the driver's own device: whether what leads to them is as the device tree wants it.

use core::fmt;

use ipc::Call;
use ipc::pins::{PinsClient, Status};
use rt::{Cap, Endpoint, Env, Missing};

use crate::{Error, Node};

/// The name of the state that a device has while a driver uses it.
const DEFAULT: &str = "default";
/// The properties of states, by their number: of 577 trees none has more than 4.
const STATES: [&str; 8] =
    ["pinctrl-0", "pinctrl-1", "pinctrl-2", "pinctrl-3", "pinctrl-4", "pinctrl-5", "pinctrl-6", "pinctrl-7"];

/// Why the pins are not known to be as they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The manifest does not name `pins` in `uses`.
    Missing(Missing),
    /// What the node says of its states cannot be read.
    Node(Error),
    /// The state with this phandle: the server does not answer, or refuses.
    Pins(u32, ipc::Error<Status>),
}

/// Waits until the pins of the device with this node are as its default state says, if it has one: the server that the manifest names
/// in `uses = ["pins"]` answers when they are.
///
/// # Errors
/// [`StateError`].
pub fn settled(env: &Env, node: &Node) -> Result<(), StateError> {
    match default_of(node)? {
        // It may do without the server.
        None => Ok(()),
        Some(property) => settled_with(&PinsClient::<Cap<Endpoint>>::from_env(env)?, node, property),
    }
}

/// The property that has the default state.
fn default_of(node: &Node) -> Result<Option<&'static str>, StateError> {
    let names = node.bytes("pinctrl-names").unwrap_or_default();
    let index = names.split(|&byte| byte == 0).position(|name| name == DEFAULT.as_bytes());
    Ok(index.and_then(|index| STATES.get(index).copied()))
}

/// As [`settled`], with this server and this property.
fn settled_with(server: &PinsClient<impl Call>, node: &Node, property: &'static str) -> Result<(), StateError> {
    // A hole in the list is no state.
    for state in node.cells(property)?.into_iter().filter(|&state| state != 0) {
        server.settled(state).map_err(|error| StateError::Pins(state, error))?;
    }
    Ok(())
}

impl From<Missing> for StateError {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<Error> for StateError {
    fn from(error: Error) -> Self {
        Self::Node(error)
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::Node(error) => error.fmt(f),
            Self::Pins(state, error) => write!(f, "pins, state {state:#x}: {error}"),
        }
    }
}

impl core::error::Error for StateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::Loopback;
    use ipc::pins::{Pins, PinsServer};

    /// Has one state.
    struct One;

    impl Pins for One {
        fn settled(&mut self, state: u32) -> Result<(), Status> {
            if state == 7 { Ok(()) } else { Err(Status::NoState) }
        }
    }

    #[test]
    fn the_default_state_is_asked_for() {
        let server = PinsClient(Loopback::new(PinsServer(One)));
        let node = |states: &[u32]| {
            Node::fake("").with_bytes("pinctrl-names", b"idle\0default\0").with_cells("pinctrl-1", states)
        };
        assert_eq!(default_of(&node(&[7])), Ok(Some("pinctrl-1")));
        assert_eq!(settled_with(&server, &node(&[7, 0, 7]), "pinctrl-1"), Ok(()));
        let refused = Err(StateError::Pins(8, ipc::Error::Status(Status::NoState)));
        assert_eq!(settled_with(&server, &node(&[7, 8]), "pinctrl-1"), refused);
        assert!(matches!(settled_with(&server, &node(&[]), "pinctrl-0"), Err(StateError::Node(_))));
    }

    #[test]
    fn a_device_without_a_default_state_asks_nobody() {
        for names in [&b""[..], b"sleep\0", b"def\0", &[0xff; 9], b"0\x001\x002\x003\x004\x005\x006\x007\0default\0"] {
            assert_eq!(default_of(&Node::fake("").with_bytes("pinctrl-names", names)), Ok(None));
        }
        assert_eq!(default_of(&Node::fake("")), Ok(None));
    }
}
