//! Which components of the bundle take part: all that are whole. A broken one is named and left out, so that it does not
//! take the others with it.

use alloc::format;

use bundle::{Bundle, Component};
use ipc::log::Level;

use crate::component::Record;
use crate::services::{self, Closed};
use crate::{Fatal, Init};

/// Most components: what init remembers of them fits into its heap.
pub const MOST: usize = 256;
/// Protocols that init itself serves, through slots that every component has.
pub const BY_INIT: [&str; 3] = [BROKER, "log", "supervisor"];
/// The one of them that needs a slot of its own.
pub const BROKER: &str = "broker";

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
        let record = Record::new(component.number, component.name.into(), component);
        for name in component.manifest.provides() {
            self.services.declare(name, &mut self.memory)?;
        }
        // A driver serves when it has a device: then it is known which server of the protocol it is.
        if !record.is_driver() {
            return self.take_in_service(record);
        }
        self.components.push(record);
        Ok(())
    }

    fn take_in_service(&mut self, mut record: Record) -> Result<(), Fatal> {
        let Component { number, name: who, manifest, .. } = record.component;
        for name in manifest.provides() {
            if !self.services.claim(name) {
                let text = format!("bundle: component {number} ({who}): `{name}` is provided already; it is left out");
                self.services.disclaim(&record.services);
                self.log(Level::Error, 0, &text);
                return Ok(());
            }
            record.services.push(name.into());
        }
        self.components.push(record);
        Ok(())
    }

    /// What nothing provides, because its server was left out, is a service that was given up: its clients are told when
    /// they call.
    fn close_unprovided(&mut self) -> Result<(), Fatal> {
        for record in &self.components {
            for used in record.component.manifest.uses().filter(|used| !BY_INIT.contains(used)) {
                for name in services::meant(used) {
                    let protocol = used.strip_suffix('*').unwrap_or(used);
                    let provided = self.components.iter().any(|record| record.provides(protocol));
                    self.services.declare(&name, &mut self.memory)?;
                    if !provided {
                        self.services.close(&name, Closed::GivenUp);
                    }
                }
            }
        }
        Ok(())
    }
}
