//! What devices of a class have in common: the protocol's sessions, rings and rules, in front of a small trait that a driver
//! implements.

pub mod block;
pub mod display;
pub mod serial;
