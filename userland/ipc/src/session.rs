//! One session for each client component; a new instance of the component replaces the old one's.

use rt::Badge;

/// Sessions of up to `N` clients.
#[derive(Debug)]
pub struct Sessions<T, const N: usize>([Option<Entry<T>>; N]);

#[derive(Debug)]
struct Entry<T> {
    component: u32,
    epoch: u16,
    session: T,
}

/// All sessions are taken by other components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSession;

impl<T, const N: usize> Sessions<T, N> {
    /// No sessions.
    pub const fn new() -> Self {
        Self([const { None }; N])
    }

    /// The session of this client, in this instance of it.
    pub fn get(&mut self, badge: Badge) -> Option<&mut T> {
        let place = self.place(badge)?;
        self.0[place].as_mut().filter(|entry| entry.epoch == badge.epoch()).map(|entry| &mut entry.session)
    }

    /// Ends what session the component had, and returns it: of this instance or of one that is gone.
    pub fn close(&mut self, badge: Badge) -> Option<T> {
        let place = self.place(badge)?;
        self.0[place].take().map(|entry| entry.session)
    }

    /// Begins a session for a client that has none: `close` first. `make` is given the session's number, below `N`.
    ///
    /// # Errors
    /// `NoSession` as `E`, and those of `make`.
    pub fn open<E: From<NoSession>>(
        &mut self,
        badge: Badge,
        make: impl FnOnce(usize) -> Result<T, E>,
    ) -> Result<&mut T, E> {
        let free = self.0.iter().position(Option::is_none);
        let place = self.place(badge).or(free).ok_or(NoSession)?;
        let entry = Entry { component: badge.component(), epoch: badge.epoch(), session: make(place)? };
        Ok(&mut self.0[place].insert(entry).session)
    }

    /// All sessions.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten().map(|entry| &mut entry.session)
    }

    /// Ends the sessions of which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        for place in &mut self.0 {
            place.take_if(|entry| !keep(&mut entry.session));
        }
    }

    fn place(&self, badge: Badge) -> Option<usize> {
        self.0.iter().position(|entry| entry.as_ref().is_some_and(|entry| entry.component == badge.component()))
    }
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
