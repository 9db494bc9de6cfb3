//! Memory that is handed to one client at a time.

#[cfg(target_os = "none")]
use abi::Badge;
use abi::Rights;
#[cfg(target_os = "none")]
use rt::TABLE;
use rt::{Cap, Frame, SharedBuffer};

use crate::error::{Cause, Error};

/// Most bytes that are cleared with one copy.
const CHUNK: usize = 4096;

/// Memory of the driver that a client reads and writes until it is taken back. The client gets a copy of a copy: taking it back
/// unmaps it from the client at once, and the driver keeps its own.
#[derive(Debug)]
pub struct Handout {
    copy: Cap<Frame>,
}

impl Handout {
    /// Of this memory.
    ///
    /// # Errors
    /// No slot left; the Frame cannot be copied.
    pub fn new(own: Cap<Frame>) -> Result<Self, Error> {
        let copy = copy(own, Rights::READ | Rights::WRITE).map_err(|cause| Error::new("memory for a client", cause))?;
        Ok(Self { copy })
    }

    /// What is handed out.
    pub const fn frame(&self) -> Cap<Frame> {
        self.copy
    }

    /// Takes it away from whom it was handed to, and clears it: `memory` is the driver's own mapping of it.
    pub fn take_back(&mut self, memory: &SharedBuffer) {
        self.revoke();
        clear(memory);
    }

    #[cfg(target_os = "none")]
    fn revoke(&mut self) {
        if let Err(error) = TABLE.revoke(self.copy.slot()) {
            log::error!("memory that was handed out cannot be taken back: {error}");
        }
    }

    #[cfg(not(target_os = "none"))]
    fn revoke(&mut self) {
        self.copy = rt::fake_frames::renew(self.copy);
    }
}

impl Drop for Handout {
    fn drop(&mut self) {
        self.revoke();
        ipc::discard(self.copy);
    }
}

fn clear(memory: &SharedBuffer) {
    static ZEROS: [u8; CHUNK] = [0; CHUNK];
    for offset in (0..memory.len()).step_by(CHUNK) {
        // Every chunk lies inside.
        let _ = memory.write(offset, &ZEROS[..CHUNK.min(memory.len() - offset)]);
    }
}

#[cfg(target_os = "none")]
fn copy(own: Cap<Frame>, rights: Rights) -> Result<Cap<Frame>, Cause> {
    let slot = rt::alloc_slot()?;
    TABLE.copy(slot, TABLE, own.slot(), rights, Badge(0)).inspect_err(|_| rt::free_slot(slot))?;
    Ok(Cap::from_slot(slot))
}

#[cfg(not(target_os = "none"))]
fn copy(own: Cap<Frame>, _: Rights) -> Result<Cap<Frame>, Cause> {
    Ok(rt::fake_frames::copy(own)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_is_gone_and_clear() {
        let own = SharedBuffer::fake(3 * 4096);
        let mut handout = Handout::new(own.frame()).expect("a copy");
        let theirs = SharedBuffer::map(handout.frame(), 3).expect("the same memory");
        theirs.write(8000, b"secret").expect("inside");
        handout.take_back(&own);
        assert!(!theirs.is_mapped() && own.is_mapped());
        assert!(SharedBuffer::map(theirs.frame(), 3).is_err());
        let others = SharedBuffer::map(handout.frame(), 3).expect("it can be handed out again");
        let mut seen = [1; 6];
        others.read(8000, &mut seen).expect("inside");
        assert_eq!((seen, others.is_mapped()), ([0; 6], true));
        drop(handout);
        assert!(!others.is_mapped() && own.is_mapped());
    }
}
