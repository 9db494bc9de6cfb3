//! Bytes that wait.

use alloc::{boxed::Box, vec};

/// Up to so many bytes, first in, first out.
#[derive(Debug)]
pub struct Ring {
    bytes: Box<[u8]>,
    first: usize,
    count: usize,
}

impl Ring {
    /// Room for `capacity` bytes, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity.max(1)].into_boxed_slice(), first: 0, count: 0 }
    }

    /// Bytes that wait.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none wait.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a byte; `false` when there is no room.
    pub fn push(&mut self, byte: u8) -> bool {
        let fits = self.count < self.bytes.len();
        if fits {
            let place = (self.first + self.count) % self.bytes.len();
            self.bytes[place] = byte;
            self.count += 1;
        }
        fits
    }

    /// Takes the first byte.
    pub fn pop(&mut self) -> Option<u8> {
        (self.count > 0).then(|| {
            let byte = self.bytes[self.first];
            self.first = (self.first + 1) % self.bytes.len();
            self.count -= 1;
            byte
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out_around_the_end() {
        let mut ring = Ring::new(4);
        for round in 0..10u8 {
            assert!((0..4).all(|byte| ring.push(round + byte)));
            assert!(!ring.push(99));
            assert!((0..4).all(|byte| ring.pop() == Some(round + byte)));
            assert!(ring.pop().is_none() && ring.is_empty());
            ring.push(0);
            ring.pop();
        }
    }
}
