//! A stream of bytes between a driver and a test.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::task::{Context, Poll, Waker};

use crate::bytes::{Bytes, Want};

/// Two ends of a stream that holds so many bytes in each direction.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::bytes::Bytes;
/// use kit::fake;
///
/// let (mut mine, mut theirs) = fake::wire(2);
/// assert_eq!(mine.send(b"abc"), Ok(2));
/// let mut out = [0; 8];
/// assert_eq!(theirs.receive(&mut out), Ok(Some(2)));
/// assert_eq!(theirs.receive(&mut out), Ok(None));
/// drop(mine);
/// assert_eq!(theirs.receive(&mut out), Ok(Some(0)));
/// ```
pub fn wire(bytes: usize) -> (Wire, Wire) {
    let way = || Rc::new(RefCell::new(Way { queue: VecDeque::new(), room: bytes, closed: false, wakers: Vec::new() }));
    let (there, back) = (way(), way());
    (Wire { sends: there.clone(), receives: back.clone() }, Wire { sends: back, receives: there })
}

/// One end of a [`wire`]. Dropping it ends the stream for the other.
#[derive(Debug)]
pub struct Wire {
    sends: Rc<RefCell<Way>>,
    receives: Rc<RefCell<Way>>,
}

/// One direction.
#[derive(Debug)]
struct Way {
    queue: VecDeque<u8>,
    room: usize,
    closed: bool,
    wakers: Vec<Waker>,
}

/// A wait that would never end: on the host nobody else goes on meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck;

impl core::fmt::Display for Stuck {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("this would wait for ever: the other end of the wire does nothing meanwhile")
    }
}

impl core::error::Error for Stuck {}

impl Way {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Wire {
    fn is(&self, want: Want) -> bool {
        let (sends, receives) = (self.sends.borrow(), self.receives.borrow());
        match want {
            Want::Input => !receives.queue.is_empty() || receives.closed,
            Want::Room => sends.queue.len() < sends.room,
            Want::Sent => sends.queue.is_empty(),
        }
    }
}

impl Bytes for Wire {
    type Error = Stuck;

    fn receive(&mut self, out: &mut [u8]) -> Result<Option<usize>, Stuck> {
        let mut way = self.receives.borrow_mut();
        let count = out.len().min(way.queue.len());
        out.iter_mut().zip(way.queue.drain(..count)).for_each(|(place, byte)| *place = byte);
        way.wake();
        Ok((count > 0 || way.closed).then_some(count))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Stuck> {
        let mut way = self.sends.borrow_mut();
        let count = bytes.len().min(way.room - way.queue.len());
        way.queue.extend(&bytes[..count]);
        way.wake();
        Ok(count)
    }

    fn poll(&mut self, want: Want, context: &mut Context<'_>) -> Poll<Result<(), Stuck>> {
        if self.is(want) {
            return Poll::Ready(Ok(()));
        }
        let way = if want == Want::Input { &self.receives } else { &self.sends };
        way.borrow_mut().wakers.push(context.waker().clone());
        Poll::Pending
    }

    fn wait(&mut self, want: Want) -> Result<(), Stuck> {
        if self.is(want) { Ok(()) } else { Err(Stuck) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut way = self.sends.borrow_mut();
        way.closed = true;
        way.wake();
    }
}
