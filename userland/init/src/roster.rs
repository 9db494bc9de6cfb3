//! Which components of the bundle take part: all that are whole. A broken one is named and left out, so that it does not
//! take the others with it.

use alloc::format;

use bundle::{Bundle, Component};
use ipc::log::Level;

use crate::component::Record;
use crate::services::Closed;
use crate::{Fatal, Init};

/// Most components: what init remembers of them fits into its heap.
const MOST: usize = 256;
/// Protocols that init itself serves, through slots that every component has.
const BY_INIT: [&str; 2] = ["log", "supervisor"];

impl Init {
    /// Takes in the components of the bundle and makes the endpoints of their services.
    ///
    /// # Errors
    /// There are too many, or there is no memory for an endpoint.
    pub fn enlist(&mut self, bundle: &Bundle<'static>) -> Result<(), Fatal> {
        if bundle.len() > MOST {
            return Err(format!("bundle: {} components, at most {MOST} are possible", bundle.len()));
        }
        for component in bundle.components() {
            match component.and_then(|component| component.verify().map(|()| component)) {
                Ok(component) => self.take_in(component)?,
                Err(error) => self.log(Level::Error, 0, &format!("{error}; it is left out")),
            }
        }
        self.close_unprovided()
    }

    fn take_in(&mut self, component: Component<'static>) -> Result<(), Fatal> {
        if let Some(name) = component.manifest.provides().find(|name| self.services.find(name).is_some()) {
            let Component { number, name: who, .. } = component;
            let text = format!("bundle: component {number} ({who}): `{name}` is provided already; it is left out");
            self.log(Level::Error, 0, &text);
            return Ok(());
        }
        for name in component.manifest.provides() {
            self.services.declare(name, &mut self.memory)?;
        }
        self.components.push(Record::new(component));
        Ok(())
    }

    /// What nothing provides, because its server was left out, is a service that was given up: its clients are told when
    /// they call.
    fn close_unprovided(&mut self) -> Result<(), Fatal> {
        for record in &self.components {
            for name in record.component.manifest.uses().filter(|name| !BY_INIT.contains(name)) {
                if self.services.find(name).is_none() {
                    self.services.declare(name, &mut self.memory)?;
                    self.services.close(name, Closed::GivenUp);
                }
            }
        }
        Ok(())
    }
}
