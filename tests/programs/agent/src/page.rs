//! An agent's message page, as this program sees it.

use core::mem::offset_of;

use abi::{MessagePage, PAGE_WORDS, REG_WORDS};
use rt::SharedBuffer;

use crate::agents::Agent;
use crate::fail::{Check, Fail};
use crate::world::World;

/// An agent's message page, mapped here until the test ends.
pub struct Page(SharedBuffer);

impl World {
    /// The message page of an agent.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn page_of(&mut self, agent: Agent) -> Check<Page> {
        let copy = self.copy(agent.page, abi::Rights::READ | abi::Rights::WRITE, 0)?;
        Ok(Page(self.map(copy, 1)?))
    }
}

fn outside<T>(result: Result<T, rt::OutOfBuffer>) -> Check<T> {
    result.map_err(|_| Fail::from("outside of the message page"))
}

impl Page {
    /// Message word `index`, from 8 on.
    ///
    /// # Errors
    /// There is no such word.
    pub fn word(&self, index: usize) -> Check<u64> {
        let mut bytes = [0; 8];
        outside(self.0.read(offset_of!(MessagePage, words) + 8 * (index - REG_WORDS), &mut bytes))?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Sets all words of the page, each to what a function says.
    ///
    /// # Errors
    /// There are fewer words.
    pub fn fill(&self, word: impl Fn(usize) -> u64) -> Check {
        (REG_WORDS..REG_WORDS + PAGE_WORDS).try_for_each(|index| {
            let place = offset_of!(MessagePage, words) + 8 * (index - REG_WORDS);
            outside(self.0.write(place, &word(index).to_le_bytes()))
        })
    }

    /// Which slots the next message's capabilities are in.
    ///
    /// # Errors
    /// There are more than four.
    pub fn send(&self, slots: &[u32]) -> Check {
        slots.iter().enumerate().try_for_each(|(index, &slot)| outside(self.0.store_u32(4 * index, slot)))
    }

    /// Where the next capabilities arrive.
    ///
    /// # Errors
    /// None: the place exists.
    pub fn window(&self, base: u32, count: u32) -> Check {
        outside(self.0.store_u32(offset_of!(MessagePage, window_base), base))?;
        outside(self.0.store_u32(offset_of!(MessagePage, window_count), count))
    }
}
