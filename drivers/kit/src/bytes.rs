//! Streams of bytes: a serial line, a console, a connection.
//!
//! [`Bytes`] is Tutti's side: a client of such a protocol implements it. `Io`, with the feature `embedded-io`, makes of it
//! `Read` and `Write` of `embedded-io` and `embedded-io-async`.

use core::error::Error;
use core::task::{Context, Poll};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Bytes, or the end of them.
    Input,
    /// Room for bytes.
    Room,
    /// Everything that was sent has gone out.
    Sent,
}

/// A stream of bytes in each direction.
pub trait Bytes {
    /// Why it could not.
    type Error: Error;

    /// Takes what has arrived, at most as many bytes as `out` has, and says how many. `None`: nothing has, yet; `Some(0)`:
    /// nothing will any more. Never waits.
    ///
    /// # Errors
    /// The other side is gone.
    fn receive(&mut self, out: &mut [u8]) -> Result<Option<usize>, Self::Error>;

    /// Sends as many of these bytes as there is room for, and says how many. Never waits.
    ///
    /// # Errors
    /// The other side is gone.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Self::Error>;

    /// Whether it is so; if not, the task is woken when it may be.
    ///
    /// # Errors
    /// The other side is gone.
    fn poll(&mut self, want: Want, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Waits until it is so, and does nothing else.
    ///
    /// # Errors
    /// The other side is gone.
    fn wait(&mut self, want: Want) -> Result<(), Self::Error>;
}

/// A stream for `embedded-io` 0.7, which waits, and `embedded-io-async` 0.7, where a task does.
///
/// ```
/// # use tutti_kit as kit;
/// use embedded_io::{Read, Write};
/// use kit::{bytes::Io, fake};
///
/// let (mine, theirs) = fake::wire(64);
/// Io(mine).write_all(b"ATI").unwrap();
/// let mut heard = [0; 3];
/// Io(theirs).read_exact(&mut heard).unwrap();
/// assert_eq!(&heard, b"ATI");
/// ```
#[cfg(feature = "embedded-io")]
#[derive(Clone, Debug)]
pub struct Io<B>(
    /// The stream.
    pub B,
);

#[cfg(feature = "embedded-io")]
mod io {
    use core::error::Error;
    use core::future::poll_fn;

    use embedded_io::{ErrorKind, ErrorType};

    use super::{Bytes, Io, Want};
    use crate::Failed;

    impl<E: Error> embedded_io::Error for Failed<E> {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    impl<B: Bytes> ErrorType for Io<B> {
        type Error = Failed<B::Error>;
    }

    impl<B: Bytes> embedded_io::Read for Io<B> {
        fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
            if out.is_empty() {
                return Ok(0);
            }
            loop {
                if let Some(count) = self.0.receive(out)? {
                    return Ok(count);
                }
                self.0.wait(Want::Input)?;
            }
        }
    }

    impl<B: Bytes> embedded_io::Write for Io<B> {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            loop {
                let count = self.0.send(bytes)?;
                if count > 0 || bytes.is_empty() {
                    return Ok(count);
                }
                self.0.wait(Want::Room)?;
            }
        }

        fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.wait(Want::Sent)?)
        }
    }

    impl<B: Bytes> embedded_io_async::Read for Io<B> {
        async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
            if out.is_empty() {
                return Ok(0);
            }
            loop {
                if let Some(count) = self.0.receive(out)? {
                    return Ok(count);
                }
                poll_fn(|context| self.0.poll(Want::Input, context)).await?;
            }
        }
    }

    impl<B: Bytes> embedded_io_async::Write for Io<B> {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            loop {
                let count = self.0.send(bytes)?;
                if count > 0 || bytes.is_empty() {
                    return Ok(count);
                }
                poll_fn(|context| self.0.poll(Want::Room, context)).await?;
            }
        }

        async fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(poll_fn(|context| self.0.poll(Want::Sent, context)).await?)
        }
    }
}

#[cfg(all(test, feature = "embedded-io"))]
mod tests {
    use super::*;
    use crate::{Failed, fake};
    use futures::executor::block_on;
    use futures::future::join;
    use std::io::BufRead;

    #[test]
    fn lines_are_read_through_the_standard_library() {
        use embedded_io::Write;
        let (mine, theirs) = fake::wire(64);
        Io(mine).write_all("erste\nGrüße aus Köln\n".as_bytes()).unwrap();
        let reader = std::io::BufReader::new(embedded_io_adapters::std::ToStd::new(Io(theirs)));
        let lines: Vec<_> = reader.lines().map(Result::unwrap).collect();
        assert_eq!(lines, ["erste", "Grüße aus Köln"]);
    }

    #[test]
    fn what_would_wait_for_ever_is_an_error_of_the_fake() {
        use embedded_io::{Read, Write};
        let (mine, theirs) = fake::wire(4);
        let (mut mine, mut theirs) = (Io(mine), Io(theirs));
        assert_eq!(mine.read(&mut [0; 4]), Err(Failed(fake::Stuck)));
        assert_eq!(mine.read(&mut []), Ok(0));
        assert_eq!((mine.write(&[1; 9]), mine.write(&[1])), (Ok(4), Err(Failed(fake::Stuck))));
        assert_eq!(mine.flush(), Err(Failed(fake::Stuck)));
        assert_eq!((theirs.read(&mut [0; 9]), mine.flush()), (Ok(4), Ok(())));
        drop(mine);
        assert_eq!(theirs.read(&mut [0; 9]), Ok(0), "the end");
    }

    #[test]
    fn tasks_wait_for_each_other() {
        use embedded_io_async::{Read, Write};
        let (mine, theirs) = fake::wire(16);
        let (mut mine, mut theirs) = (Io(mine), Io(theirs));
        let text: Vec<u8> = (0..1000u32).map(|index| index as u8).collect();
        let sends = async {
            mine.write_all(&text).await.unwrap();
            mine.flush().await.unwrap();
            drop(mine);
        };
        let hears = async {
            let (mut heard, mut part) = (Vec::<u8>::new(), [0; 7]);
            loop {
                match theirs.read(&mut part).await.unwrap() {
                    0 => return heard,
                    count => heard.extend(&part[..count]),
                }
            }
        };
        assert!(block_on(join(sends, hears)).1 == text);
    }

    /// A broker that takes a connection (MQTT 5, 3.1 and 3.2), and what the client told it first.
    async fn broker(wire: fake::Wire) -> Vec<u8> {
        use embedded_io_async::{Read, Write};
        let mut wire = Io(wire);
        let mut header = [0; 2];
        wire.read_exact(&mut header).await.unwrap();
        let mut rest = vec![0; header[1].into()];
        wire.read_exact(&mut rest).await.unwrap();
        // CONNACK: two bytes and no properties.
        wire.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        [&header[..], &rest].concat()
    }

    #[test]
    fn an_mqtt_client_connects() {
        use rust_mqtt::buffer::AllocBuffer;
        use rust_mqtt::client::{Client, options::ConnectOptions};
        use rust_mqtt::types::MqttString;
        let (mine, theirs) = fake::wire(8);
        let mut buffer = AllocBuffer;
        let mut client = Client::<'_, '_, _, _, 1, 1, 1, 1, 16, 0, 1>::new(&mut buffer);
        let options = ConnectOptions::new().clean_start();
        let connects = client.connect(Io(mine), &options, Some(MqttString::try_from("tutti").unwrap()));
        let (connected, heard) = block_on(join(connects, broker(theirs)));
        connected.expect("the broker agrees");
        assert!(heard.starts_with(&[0x10]) && heard.ends_with(b"tutti"), "{heard:x?}");
    }
}
