//! Host tests: volumes made here and by the usual tools, sound and damaged; the service; the way to a driver.

mod corruption;
mod device;
mod image;
mod memory;
mod service;
mod tools;
mod volume;
