//! {{protocol}}: a value that a server keeps. Say here what the protocol is for.

/// A value that a server keeps. This text begins the protocol's page in the documents.
#[ipc::protocol(name = "{{protocol}}", version = 1)]
pub trait {{Trait}} {
    /// The value.
    #[method(1)]
    fn get(&mut self) -> Result<u64, Status>;

    /// Another value in its place.
    #[method(2)]
    fn set(&mut self, value: u64) -> Result<(), Status>;
}

ipc::statuses! {
    /// The server does not take this value.
    OutOfRange = 1, "the value is out of range";
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::{Error, Loopback};

    /// Keeps even numbers.
    struct Even(u64);

    impl {{Trait}} for Even {
        fn get(&mut self) -> Result<u64, Status> {
            Ok(self.0)
        }

        fn set(&mut self, value: u64) -> Result<(), Status> {
            if !value.is_multiple_of(2) {
                return Err(Status::OutOfRange);
            }
            self.0 = value;
            Ok(())
        }
    }

    #[test]
    fn a_client_gets_what_it_set() {
        let client = {{Trait}}Client(Loopback::new({{Trait}}Server(Even(0))));
        assert_eq!(client.set(8), Ok(()));
        assert_eq!(client.get(), Ok(8));
        assert_eq!(client.set(9), Err(Error::Status(Status::OutOfRange)));
    }
}
