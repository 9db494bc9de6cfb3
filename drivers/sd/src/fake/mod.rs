//! For the tests of controllers' drivers: a card, and a client of the disk that it is.

extern crate std;

mod card;
mod client;

pub use card::{Card, Kind, Response};
pub use client::{Client, pattern, read, request};
