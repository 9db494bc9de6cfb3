//! What devices of a class have in common: the protocol's sessions, rings and rules, in front of a small trait that a driver
//! implements.

pub mod block;
mod clients;
pub mod clock;
pub mod display;
pub mod entropy;
mod fair;
pub mod gpio;
pub mod input;
pub mod net;
pub mod pins;
pub mod serial;
