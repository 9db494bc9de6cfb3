//! A protocol whose server lies in its answers: it adds capabilities that nobody asked for.

use ipc::{Bytes, Owned};
use rt::Notification;

/// A server that lies.
#[ipc::protocol(name = "liar", version = 1)]
pub trait Liar {
    /// A number, with a lie.
    #[method(1)]
    fn number(&mut self, lie: u32) -> Result<u64, Status>;

    /// Bytes, with a lie.
    #[method(2)]
    fn bytes(&mut self, lie: u32) -> Result<Bytes<100>, Status>;

    /// A capability, without one.
    #[method(3)]
    fn bell(&mut self) -> Result<Owned<Notification>, Status>;
}

ipc::statuses! {
    /// It does not want to.
    No = 1, "no";
}

/// Ways to lie.
pub const LIES: u32 = 6;
