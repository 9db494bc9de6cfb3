//! Lists of physical address ranges: what is RAM, what of it is free, what nobody may have.

use abi::layout::PAGE;

/// Most ranges of a list.
pub const MAX: usize = 96;

/// A range of physical addresses, `start` to `end - 1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
}

impl Range {
    /// From start and length; `None` when it wraps around.
    pub fn new(start: u64, bytes: u64) -> Option<Self> {
        Some(Self { start, end: start.checked_add(bytes)? })
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.end - self.start
    }

    /// Whether they share a byte.
    pub const fn overlaps(self, other: Range) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The whole pages that contain it.
    pub const fn outer_pages(self) -> Self {
        Self { start: self.start & !(PAGE - 1), end: self.end.saturating_add(PAGE - 1) & !(PAGE - 1) }
    }

    /// The whole pages inside; may be empty.
    pub const fn inner_pages(self) -> Self {
        let start = self.start.saturating_add(PAGE - 1) & !(PAGE - 1);
        let end = self.end & !(PAGE - 1);
        Self { start, end: if end > start { end } else { start } }
    }
}

/// More ranges than a list holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

/// Sorted ranges that do not overlap.
#[derive(Clone, Debug)]
pub struct Regions {
    list: [Range; MAX],
    len: usize,
}

impl Regions {
    /// An empty list.
    pub const fn new() -> Self {
        Self { list: [Range { start: 0, end: 0 }; MAX], len: 0 }
    }

    /// The ranges in order.
    pub fn as_slice(&self) -> &[Range] {
        &self.list[..self.len]
    }

    fn insert_at(&mut self, index: usize, range: Range) -> Result<(), TooMany> {
        if self.len == MAX {
            return Err(TooMany);
        }
        self.list.copy_within(index..self.len, index + 1);
        self.list[index] = range;
        self.len += 1;
        Ok(())
    }

    fn remove_at(&mut self, index: usize) {
        self.list.copy_within(index + 1..self.len, index);
        self.len -= 1;
    }

    /// Adds a range, merging it with what it touches.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn add(&mut self, mut range: Range) -> Result<(), TooMany> {
        if range.start >= range.end {
            return Ok(());
        }
        let mut index = 0;
        while index < self.len {
            let have = self.list[index];
            if have.start <= range.end && range.start <= have.end {
                range = Range { start: have.start.min(range.start), end: have.end.max(range.end) };
                self.remove_at(index);
            } else {
                index += 1;
            }
        }
        let place = self.as_slice().partition_point(|have| have.start < range.start);
        self.insert_at(place, range)
    }

    /// Takes a range away.
    ///
    /// # Errors
    /// [`TooMany`]: a range would have to be split.
    pub fn subtract(&mut self, range: Range) -> Result<(), TooMany> {
        if range.start >= range.end {
            return Ok(());
        }
        let mut index = 0;
        while index < self.len {
            let have = self.list[index];
            if !have.overlaps(range) {
                index += 1;
                continue;
            }
            let (left, right) =
                (Range { start: have.start, end: range.start }, Range { start: range.end, end: have.end });
            match (left.start < left.end, right.start < right.end) {
                (true, true) => {
                    self.list[index] = left;
                    self.insert_at(index + 1, right)?;
                    index += 2;
                }
                (true, false) => {
                    self.list[index] = left;
                    index += 1;
                }
                (false, true) => {
                    self.list[index] = right;
                    index += 1;
                }
                (false, false) => self.remove_at(index),
            }
        }
        Ok(())
    }

    /// Whether any range shares a byte with this one.
    pub fn overlaps(&self, range: Range) -> bool {
        self.as_slice().iter().any(|have| have.overlaps(range))
    }

    /// Cuts every range down to whole pages and drops what becomes empty.
    pub fn trim_to_pages(&mut self) {
        let mut index = 0;
        while index < self.len {
            let inner = self.list[index].inner_pages();
            if inner.start < inner.end {
                self.list[index] = inner;
                index += 1;
            } else {
                self.remove_at(index);
            }
        }
    }

    /// Takes `bytes` from the start of the first range that has them at this alignment.
    pub fn take(&mut self, bytes: u64, align: u64) -> Option<u64> {
        let start = self.as_slice().iter().find_map(|have| {
            let start = have.start.checked_next_multiple_of(align)?;
            (start.checked_add(bytes)? <= have.end).then_some(start)
        })?;
        self.subtract(Range { start, end: start + bytes }).ok()?;
        Some(start)
    }

    /// Bytes of all ranges.
    pub fn bytes(&self) -> u64 {
        self.as_slice().iter().map(|range| range.bytes()).sum()
    }
}

impl Default for Regions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(list: &Regions) -> Vec<bool> {
        (0..256u64).map(|at| list.overlaps(Range { start: at, end: at + 1 })).collect()
    }

    #[test]
    fn random_adds_and_subtracts_agree_with_a_bitmap() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for _ in 0..500 {
            let (mut list, mut bits) = (Regions::new(), vec![false; 256]);
            for _ in 0..60 {
                let start = random() % 250;
                let range = Range { start, end: (start + random() % 40).min(256) };
                let add = random() % 2 == 0;
                if add { list.add(range) } else { list.subtract(range) }.unwrap();
                bits[range.start as usize..range.end as usize].fill(add);
                assert_eq!(model(&list), bits);
                assert!(list.as_slice().windows(2).all(|pair| pair[0].end < pair[1].start + 1));
                assert!(list.as_slice().iter().all(|range| range.start < range.end));
            }
        }
    }

    #[test]
    fn take_aligns_and_runs_out() {
        let mut list = Regions::new();
        list.add(Range { start: 0x1800, end: 0x5000 }).unwrap();
        assert_eq!(list.take(0x1000, 0x1000), Some(0x2000));
        assert_eq!(list.take(0x4000, 0x1000), None);
        assert_eq!(list.bytes(), 0x800 + 0x2000);
    }

    #[test]
    fn ranges_at_the_end_of_the_address_space() {
        assert_eq!(Range::new(u64::MAX, 2), None);
        let top = Range { start: u64::MAX - 5, end: u64::MAX };
        assert_eq!(top.inner_pages().bytes(), 0);
        let mut list = Regions::new();
        list.add(top).unwrap();
        list.trim_to_pages();
        assert!(list.as_slice().is_empty());
    }
}
