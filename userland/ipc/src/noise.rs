//! noise: random bytes out of a hardware generator, as raw as it makes them. What keys are made of is mixed from it by a client.

use ipc::{Bytes, Client, NoSession, Signal};

/// Random bytes from a hardware generator.
///
/// They are raw: the server checks that the device is not stuck and does nothing else to them. Each byte is given out once.
#[ipc::protocol(name = "noise", version = 1)]
pub trait Noise {
    /// The bytes that are there now, at least one and at most 32. The server does not wait for more: `NothingYet` says that a
    /// client asks for a signal, or later.
    #[method(1)]
    fn read(&mut self) -> Result<Bytes<32>, Status>;

    /// Asks for one signal when there are bytes, or when the device is found to have failed. Another client may have taken the
    /// bytes before this one reads. It takes the place of the signal that this client had asked for.
    #[method(2)]
    fn watch(&mut self, client: Client, signal: Signal) -> Result<(), Status>;
}

ipc::statuses! {
    /// The device has made nothing since it was asked before.
    NothingYet = 1, "the generator has no bytes at the moment";
    /// The device is stuck: it makes nothing, or the same word again and again.
    DeviceFailed = 2, "the generator does not work";
    /// Other components have all the sessions.
    TooManySessions = 3, "the generator watches for no more clients";
}

impl From<NoSession> for Status {
    fn from(_: NoSession) -> Self {
        Self::TooManySessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::{Error, Loopback};

    /// Has these bytes, once.
    struct Once(&'static [u8]);

    impl Noise for Once {
        fn read(&mut self) -> Result<Bytes<32>, Status> {
            match core::mem::take(&mut self.0) {
                [] => Err(Status::NothingYet),
                bytes => Ok(Bytes::cut(bytes)),
            }
        }

        fn watch(&mut self, _: Client, _: Signal) -> Result<(), Status> {
            Err(Status::TooManySessions)
        }
    }

    #[test]
    fn bytes_arrive_whole_and_once() {
        let client = NoiseClient(Loopback::new(NoiseServer(Once(b"abcde"))));
        assert_eq!(client.read().expect("bytes").as_slice(), b"abcde");
        assert_eq!(client.read().err(), Some(Error::Status(Status::NothingYet)));
    }
}
