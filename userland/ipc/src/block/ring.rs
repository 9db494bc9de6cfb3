//! The completion ring, in the first page of the shared buffer: `head` (u32 at byte 0) counts completions, wrapping;
//! completion n lies at 64 + (n % 128) · 8 as {u32 tag, u32 status, 0 fine}. The server writes, the client reads.

use rt::SharedBuffer;

/// Places in the ring: at most so many requests may be under way.
pub const SLOTS: u32 = 128;
/// First byte of the shared buffer that is data.
pub const DATA: usize = 4096;

const HEAD: usize = 0;
const ENTRIES: usize = 64;

/// A request that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The tag of the request.
    pub tag: u32,
    /// 0: done; else the device's reason.
    pub status: u32,
}

/// The ring says what cannot be: the server is broken, or the buffer is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRing;

fn place(count: u32) -> usize {
    ENTRIES + (count % SLOTS) as usize * 8
}

/// The client's side.
#[derive(Debug, Default)]
pub struct RingReader {
    seen: u32,
}

impl RingReader {
    /// Clears the ring; do so right before ATTACH.
    ///
    /// # Errors
    /// `BadRing`: the buffer has no page.
    pub fn reset(buffer: &SharedBuffer) -> Result<Self, BadRing> {
        buffer.store_u32(HEAD, 0).map_err(|_| BadRing)?;
        Ok(Self { seen: 0 })
    }

    /// The next completion; `None`: none yet.
    ///
    /// # Errors
    /// `BadRing`.
    pub fn next(&mut self, buffer: &SharedBuffer) -> Result<Option<Completion>, BadRing> {
        let head = buffer.load_u32(HEAD).map_err(|_| BadRing)?;
        match head.wrapping_sub(self.seen) {
            0 => Ok(None),
            1..=SLOTS => {
                let at = place(self.seen);
                let tag = buffer.load_u32(at).map_err(|_| BadRing)?;
                let status = buffer.load_u32(at + 4).map_err(|_| BadRing)?;
                self.seen = self.seen.wrapping_add(1);
                Ok(Some(Completion { tag, status }))
            }
            _ => Err(BadRing),
        }
    }
}

/// The server's side. It never reads the ring: what a client writes there changes nothing.
#[derive(Debug, Default)]
pub struct RingWriter {
    head: u32,
}

impl RingWriter {
    /// The ring of a new session.
    pub const fn new() -> Self {
        Self { head: 0 }
    }

    /// Adds a completion. Signal the client after it.
    ///
    /// # Errors
    /// `BadRing`: the buffer has no page.
    pub fn push(&mut self, buffer: &SharedBuffer, completion: Completion) -> Result<(), BadRing> {
        let at = place(self.head);
        buffer.store_u32(at, completion.tag).map_err(|_| BadRing)?;
        buffer.store_u32(at + 4, completion.status).map_err(|_| BadRing)?;
        self.head = self.head.wrapping_add(1);
        buffer.store_u32(HEAD, self.head).map_err(|_| BadRing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_arrive_in_order_and_wrap() {
        let buffer = SharedBuffer::fake(4096);
        let (mut reader, mut writer) = (RingReader { seen: u32::MAX - 100 }, RingWriter { head: u32::MAX - 100 });
        for tag in 0..300 {
            let done = Completion { tag, status: tag % 3 };
            writer.push(&buffer, done).unwrap();
            assert_eq!(reader.next(&buffer), Ok(Some(done)));
            assert_eq!(reader.next(&buffer), Ok(None));
        }
    }

    #[test]
    fn a_head_that_lies_is_refused() {
        let buffer = SharedBuffer::fake(4096);
        let mut reader = RingReader::reset(&buffer).unwrap();
        buffer.store_u32(0, 129).unwrap();
        assert_eq!(reader.next(&buffer), Err(BadRing));
        buffer.store_u32(0, u32::MAX).unwrap();
        assert_eq!(reader.next(&buffer), Err(BadRing));
    }
}
