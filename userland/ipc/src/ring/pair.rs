//! Two rings that belong together: requests one way, and for each of them a completion back.

use rt::SharedBuffer;

use super::{Consumer, Descriptor, Lie, Producer, PushError, bytes};

/// Where two rings of `N` places lie in a buffer: part of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Pair<Q, C, const N: usize> {
    requests: usize,
    completions: usize,
    entries: core::marker::PhantomData<fn(Q) -> C>,
}

/// The client's ends.
#[derive(Debug)]
pub struct Asked<Q, C, const N: usize> {
    requests: Producer<Q, N>,
    completions: Consumer<C, N>,
}

/// The server's ends.
#[derive(Debug)]
pub struct Served<Q, C, const N: usize> {
    requests: Consumer<Q, N>,
    completions: Producer<C, N>,
}

impl<Q: Descriptor, C: Descriptor, const N: usize> Pair<Q, C, N> {
    /// Requests from one byte of the buffer on, completions from another on, both before `end`. As a constant it does not
    /// compile where they overlap.
    pub const fn new(requests: usize, completions: usize, end: usize) -> Self {
        assert!(requests + bytes::<Q, N>() <= completions && completions + bytes::<C, N>() <= end);
        Self { requests, completions, entries: core::marker::PhantomData }
    }

    /// The client's ends. Empties the rings of the buffer: right before it is attached.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn client(&self, buffer: &SharedBuffer) -> Result<Asked<Q, C, N>, Lie> {
        let requests = Producer::reset(buffer, self.requests)?;
        Ok(Asked { requests, completions: Consumer::reset(buffer, self.completions)? })
    }

    /// The server's ends, of a new session.
    pub const fn server(&self) -> Served<Q, C, N> {
        Served { requests: Consumer::new(self.requests), completions: Producer::new(self.completions) }
    }
}

impl<Q: Descriptor, C: Descriptor, const N: usize> Asked<Q, C, N> {
    /// Puts a request in. The server does not know of it until it is told.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn ask(&mut self, buffer: &SharedBuffer, request: &Q) -> Result<(), PushError> {
        self.requests.push(buffer, request)
    }

    /// The next completion; `None`: none yet.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn completion(&mut self, buffer: &SharedBuffer) -> Result<Option<C>, Lie> {
        self.completions.pop(buffer)
    }
}

impl<Q: Descriptor, C: Descriptor, const N: usize> Served<Q, C, N> {
    /// How many requests wait.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn waiting(&mut self, buffer: &SharedBuffer) -> Result<usize, Lie> {
        self.requests.waiting(buffer)
    }

    /// The next request, if its completion will have a place beside those of the requests `under_way`.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn next(&mut self, buffer: &SharedBuffer, under_way: usize) -> Result<Option<Q>, Lie> {
        if self.completions.room(buffer)? <= under_way {
            return Ok(None);
        }
        self.requests.pop(buffer)
    }

    /// Puts a completion in. Signal the client after the last of several.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn complete(&mut self, buffer: &SharedBuffer, completion: &C) -> Result<(), PushError> {
        self.completions.push(buffer, completion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RINGS: Pair<[u32; 3], [u32; 2], 8> = Pair::new(0, 256, 512);

    #[test]
    fn a_request_waits_until_its_completion_has_a_place() {
        let buffer = SharedBuffer::fake(4096);
        let (mut client, mut server) = (RINGS.client(&buffer).expect("a page"), RINGS.server());
        for number in 0..8 {
            client.ask(&buffer, &[number; 3]).expect("room");
            assert_eq!(server.next(&buffer, 0), Ok(Some([number; 3])));
            server.complete(&buffer, &[number; 2]).expect("room");
        }
        client.ask(&buffer, &[8; 3]).expect("room");
        assert_eq!(server.next(&buffer, 0), Ok(None));
        assert_eq!(client.completion(&buffer), Ok(Some([0; 2])));
        assert_eq!(server.next(&buffer, 1), Ok(None), "another has the place");
        assert_eq!(server.next(&buffer, 0), Ok(Some([8; 3])));
    }
}
