//! A network of two, for tests.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

use crate::frames::Frames;
use ipc::net::LONGEST;

/// Two ends of a cable that holds so many frames in each direction.
///
/// ```
/// use tutti_net::{Frames, cable};
///
/// let (mut mine, theirs) = cable(1);
/// mine.send(b"one");
/// assert!(!mine.has_room());
/// mine.send(b"two, which is lost");
/// assert_eq!(theirs.arrived(), [b"one"]);
/// ```
pub fn cable(frames: usize) -> (Cable, Cable) {
    let (there, back) = (Way::default(), Way::default());
    let end = |sends: &Way, receives: &Way| Cable { sends: sends.clone(), receives: receives.clone(), room: frames };
    (end(&there, &back), end(&back, &there))
}

/// One direction.
type Way = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a [`cable`].
#[derive(Clone, Debug)]
pub struct Cable {
    sends: Way,
    receives: Way,
    room: usize,
}

impl Cable {
    /// Takes all frames that have arrived here.
    pub fn arrived(&self) -> Vec<Vec<u8>> {
        self.receives.take().into()
    }
}

impl Frames for Cable {
    fn longest(&self) -> usize {
        LONGEST
    }

    fn receive(&mut self, out: &mut [u8]) -> Option<usize> {
        let frame = self.receives.borrow_mut().pop_front()?;
        out.get_mut(..frame.len())?.copy_from_slice(&frame);
        Some(frame.len())
    }

    fn has_room(&mut self) -> bool {
        self.sends.borrow().len() < self.room
    }

    fn send(&mut self, frame: &[u8]) {
        if self.has_room() && frame.len() <= LONGEST {
            self.sends.borrow_mut().push_back(frame.to_vec());
        }
    }
}
