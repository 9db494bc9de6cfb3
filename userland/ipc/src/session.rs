//! One session for each client component; a new instance of the component replaces the old one's.

use alloc::vec::Vec;

use rt::Badge;

/// Sessions of up to `N` clients.
#[derive(Debug)]
pub struct Sessions<T, const N: usize>(Vec<Entry<T>>);

#[derive(Debug)]
struct Entry<T> {
    component: u32,
    epoch: u16,
    /// Below `N`, and no other session's.
    place: usize,
    session: T,
}

/// All sessions are taken by other components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSession;

impl<T, const N: usize> Sessions<T, N> {
    /// No sessions.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The session of this client, in this instance of it.
    #[inline]
    pub fn get(&mut self, badge: Badge) -> Option<&mut T> {
        let is = |entry: &&mut Entry<T>| entry.component == badge.component() && entry.epoch == badge.epoch();
        self.0.iter_mut().find(is).map(|entry| &mut entry.session)
    }

    /// Ends what session the component had, and returns it: of this instance or of one that is gone. What a former instance left
    /// to others does not end the session of its successor.
    pub fn close(&mut self, badge: Badge) -> Option<T> {
        let is = |entry: &Entry<T>| entry.component == badge.component() && !is_later(entry.epoch, badge.epoch());
        let index = self.0.iter().position(is)?;
        Some(self.0.swap_remove(index).session)
    }

    /// Begins a session for a client that has none: `close` first. `make` is given the session's number, below `N`, which is
    /// no other's.
    ///
    /// # Errors
    /// `NoSession` as `E`, also where a later instance of the client has one; and those of `make`.
    pub fn open<E: From<NoSession>>(
        &mut self,
        badge: Badge,
        make: impl FnOnce(usize) -> Result<T, E>,
    ) -> Result<&mut T, E> {
        if self.0.iter().any(|entry| entry.component == badge.component()) {
            return Err(NoSession.into());
        }
        let free = |place: &usize| self.0.iter().all(|entry| entry.place != *place);
        let place = (0..N).find(free).ok_or(NoSession)?;
        let entry = Entry { component: badge.component(), epoch: badge.epoch(), place, session: make(place)? };
        self.0.push(entry);
        self.0.last_mut().map(|entry| &mut entry.session).ok_or(NoSession.into())
    }

    /// All sessions.
    #[inline]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|entry| &mut entry.session)
    }

    /// Ends the sessions of which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.0.retain_mut(|entry| keep(&mut entry.session));
    }
}

/// Instances are counted round and round.
const fn is_later(epoch: u16, other: u16) -> bool {
    epoch.wrapping_sub(other).cast_signed() > 0
}

impl<T, const N: usize> Default for Sessions<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &mut Sessions<u32, 2>, badge: Badge, value: u32) -> Result<u32, NoSession> {
        sessions.open(badge, |_| Ok::<_, NoSession>(value)).copied()
    }

    #[test]
    fn a_new_instance_replaces_the_old() {
        let mut sessions = Sessions::<u32, 2>::new();
        let (first, second) = (Badge::new(3, 1, 0), Badge::new(3, 2, 0));
        assert_eq!(open(&mut sessions, first, 10), Ok(10));
        assert_eq!(sessions.get(second), None);
        assert_eq!(sessions.close(second), Some(10));
        assert_eq!(open(&mut sessions, second, 11), Ok(11));
        assert_eq!(sessions.get(first), None);
        assert_eq!(sessions.get(second), Some(&mut 11));
    }

    #[test]
    fn what_is_left_of_a_former_instance_does_not_end_its_successors_session() {
        let mut sessions = Sessions::<u32, 2>::new();
        let (former, last, first) = (Badge::new(3, 1, 0), Badge::new(3, u16::MAX, 0), Badge::new(3, 0, 0));
        assert_eq!(open(&mut sessions, last, 10), Ok(10));
        assert_eq!((sessions.close(Badge::new(3, u16::MAX - 1, 0)), sessions.get(last).copied()), (None, Some(10)));
        assert_eq!(open(&mut sessions, Badge::new(3, u16::MAX - 1, 0), 9), Err(NoSession));
        assert_eq!((sessions.close(first), open(&mut sessions, first, 11)), (Some(10), Ok(11)));
        assert_eq!((sessions.close(former), open(&mut sessions, former, 12)), (Some(11), Ok(12)));
    }

    #[test]
    fn other_components_are_not_touched() {
        let mut sessions = Sessions::<u32, 2>::new();
        assert_eq!(open(&mut sessions, Badge::new(1, 1, 0), 1), Ok(1));
        assert_eq!(open(&mut sessions, Badge::new(2, 1, 0), 2), Ok(2));
        assert_eq!(open(&mut sessions, Badge::new(3, 1, 0), 3), Err(NoSession));
        assert_eq!(sessions.close(Badge::new(3, 1, 0)), None);
        assert_eq!(sessions.iter_mut().map(|value| *value).collect::<Vec<_>>(), [1, 2]);
        sessions.retain(|value| *value > 1);
        assert_eq!(open(&mut sessions, Badge::new(3, 1, 0), 3), Ok(3));
    }
}
