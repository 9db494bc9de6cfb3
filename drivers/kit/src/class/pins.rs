//! What is on the pins of a chip: the protocol `pins`, in front of a [`Control`].
//!
//! The states that devices have by default are set when the driver starts, before anybody is answered. Which these are, devmgr says
//! in the node that the driver is given; no client can ask for another.

use alloc::collections::BTreeMap;
use core::fmt;

use ipc::pins::{Pins, PinsServer, Status};
use rt::Env;

use crate::Node;

/// The phandles of the states that devices with a driver have by default: a property that the driver's node has beside those of the
/// device tree.
const STATES: &str = "tutti,default-states";
/// Most states that are set: more than the device tree of any phone has.
const MOST: usize = 512;

/// A device that decides what is on the pins of a chip.
pub trait Control {
    /// Why a state cannot be set.
    type Error: fmt::Display;

    /// Sets the pins that a state names, all of them or, when it fails, none.
    ///
    /// # Errors
    /// The state makes no sense, or another that was set wants a pin otherwise.
    fn set(&mut self, state: &Node) -> Result<(), Self::Error>;
}

/// Sets what `node`, the driver's own, says, and serves `pins` until the endpoint is taken away.
///
/// # Errors
/// The manifest does not say `provides = ["pins"]`; devmgr does not say which states are wanted.
pub fn serve(env: &Env, mut control: impl Control, node: &Node) -> crate::Result {
    let service = Service::new(&mut control, node)?;
    log::info!("{} of {} states are set", service.0.values().filter(|&&set| set).count(), service.0.len());
    Ok(ipc::serve(env, PinsServer(service))?)
}

/// Which states are wanted, by phandle, and whether they are set.
#[derive(Debug)]
pub struct Service(BTreeMap<u32, bool>);

impl Service {
    /// Sets what the node says.
    ///
    /// # Errors
    /// It does not say which states are wanted.
    pub fn new(control: &mut impl Control, node: &Node) -> Result<Self, crate::Error> {
        let mut states: BTreeMap<u32, bool> =
            node.cells(STATES)?.into_iter().take(MOST).map(|it| (it, false)).collect();
        set_in(node, control, &mut states);
        for (state, _) in states.iter().filter(|(_, set)| !**set) {
            log::warn!("state {state:#x}, which a device wants, is not set");
        }
        Ok(Self(states))
    }
}

/// Sets the states among the nodes in this one.
fn set_in(node: &Node, control: &mut impl Control, states: &mut BTreeMap<u32, bool>) {
    for child in node.children() {
        let phandle = child.number("phandle").or_else(|_| child.number("linux,phandle"));
        if let Ok(phandle) = phandle
            && let Some(set) = states.get_mut(&phandle)
        {
            match control.set(child) {
                Ok(()) => *set = true,
                Err(error) => log::warn!("{}: {error}", child.name()),
            }
        }
        set_in(child, control, states);
    }
}

impl Pins for Service {
    fn settled(&mut self, state: u32) -> Result<(), Status> {
        match self.0.get(&state) {
            Some(true) => Ok(()),
            Some(false) => Err(Status::NotSet),
            None => Err(Status::NoState),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use ipc::Loopback;
    use ipc::pins::PinsClient;

    /// Takes every state but those without a name.
    #[derive(Default)]
    struct Names(Vec<u32>);

    impl Control for Names {
        type Error = crate::Error;

        fn set(&mut self, state: &Node) -> Result<(), crate::Error> {
            self.0.push(state.number("pin")?);
            Ok(())
        }
    }

    fn node(states: &[u32]) -> Node {
        let state = |phandle| Node::fake("state").with_cells("phandle", &[phandle]);
        let inner = state(3).with_cells("pin", &[30]);
        Node::fake("")
            .with_cells(STATES, states)
            .with_child(state(1).with_cells("pin", &[10]).with_child(inner))
            .with_child(state(2))
            .with_child(state(4).with_cells("pin", &[40]))
    }

    #[test]
    fn what_is_wanted_is_set_before_anybody_is_answered() {
        let mut names = Names::default();
        let service = Service::new(&mut names, &node(&[3, 1, 2, 9])).expect("it says which");
        assert_eq!(names.0, [10, 30], "4 is nobody's");
        let client = PinsClient(Loopback::new(PinsServer(service)));
        assert_eq!([1, 3].map(|state| client.settled(state)), [Ok(()); 2]);
        assert_eq!([2, 9].map(|state| client.settled(state)), [Err(ipc::Error::Status(Status::NotSet)); 2]);
        assert_eq!(client.settled(4), Err(ipc::Error::Status(Status::NoState)));
    }

    #[test]
    fn a_node_that_does_not_say_is_refused() {
        assert!(Service::new(&mut Names::default(), &Node::fake("")).is_err());
        assert!(Service::new(&mut Names::default(), &Node::fake("").with_bytes(STATES, &[1])).is_err());
        assert!(Service::new(&mut Names::default(), &node(&[])).is_ok());
    }
}
