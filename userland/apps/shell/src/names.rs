//! Components by name and by number, as the supervisor lists them.

use alloc::vec::Vec;

use ipc::Error;
use ipc::supervisor::{Component, Status, SupervisorClient};

use crate::machine::Carrier;

type Result<T> = core::result::Result<T, Error<Status>>;

/// More components than a bundle can hold: a list that does not end is not followed.
const MOST: u32 = 1024;

/// All components.
///
/// # Errors
/// The supervisor's.
pub fn components(supervisor: &SupervisorClient<Carrier>) -> Result<Vec<(u32, alloc::string::String)>> {
    let mut all = Vec::new();
    for_each(supervisor, |component| all.push((component.component, component.name.as_str().into())))?;
    Ok(all)
}

/// Calls `with` for each component.
///
/// # Errors
/// The supervisor's.
pub fn for_each(supervisor: &SupervisorClient<Carrier>, mut with: impl FnMut(&Component)) -> Result<()> {
    for index in 0..MOST {
        match supervisor.list(index)? {
            Some(component) => with(&component),
            None => break,
        }
    }
    Ok(())
}

/// The number of the component with this name, or with this number.
///
/// # Errors
/// The supervisor's.
pub fn find(supervisor: &SupervisorClient<Carrier>, name: &str) -> Result<Option<u32>> {
    let number = name.parse().ok();
    let mut found = None;
    for_each(supervisor, |component| {
        let named = component.name.as_str() == name;
        if found.is_none() && (named || number == Some(component.component)) {
            found = Some(component.component);
        }
    })?;
    Ok(found)
}
