//! What is noted again and again is summed: the first time is recorded, and how often more.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::Entry;

/// For so long the same counts as the same again.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Different entries of one window. Further ones are counted without their names, by what they are about.
const DISTINCT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Since when what stands here was noted; `None` while nothing does.
    since: Option<Instant>,
    /// How often each was noted after its first time, and when last.
    seen: HashMap<Entry, Again>,
}

#[derive(Debug, Clone, Copy)]
struct Again {
    /// How many others were noted before it.
    place: usize,
    more: u64,
    last_ms: u64,
}

impl Sums {
    /// Counts an entry; gives what is to be recorded at once.
    pub(super) fn note(&mut self, entry: Entry, ms: u64, now: Instant) -> Option<Entry> {
        self.since.get_or_insert(now);
        // The table of the nameless has an end of its own: there are only so many kinds.
        let entry = if self.seen.len() < DISTINCT || self.seen.contains_key(&entry) { entry } else { entry.nameless() };
        if let Some(again) = self.seen.get_mut(&entry) {
            again.more += 1;
            again.last_ms = ms;
            return None;
        }
        let place = self.seen.len();
        self.seen.insert(entry.clone(), Again { place, more: 0, last_ms: ms });
        Some(entry)
    }

    /// When the window ends.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.since.map(|since| since + WINDOW)
    }

    /// Ends the window; gives what was noted more than once, when last, and how often more.
    pub(super) fn end(&mut self) -> Vec<(Entry, u64, u64)> {
        self.since = None;
        let mut again: Vec<_> = self.seen.drain().filter(|(_, again)| again.more > 0).collect();
        again.sort_by_key(|(_, again)| (again.last_ms, again.place));
        again.into_iter().map(|(entry, Again { more, last_ms, .. })| (entry, last_ms, more)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Decision, What};

    fn entry(object: usize) -> Entry {
        Entry::new(What::Egress, "request", Decision::Refused).object(object)
    }

    #[test]
    fn the_first_is_recorded_and_the_rest_is_counted() {
        let (mut sums, now) = (Sums::default(), Instant::now());
        assert_eq!(sums.note(entry(1), 5, now), Some(entry(1)));
        for ms in 6..10 {
            assert_eq!(sums.note(entry(1), ms, now), None);
        }
        assert_eq!(sums.note(entry(2), 10, now), Some(entry(2)));
        assert_eq!(sums.ends(), Some(now + WINDOW));
        assert_eq!(sums.end(), [(entry(1), 9, 4)]);
        assert_eq!((sums.ends(), sums.end()), (None, vec![]));
        assert_eq!(sums.note(entry(1), 11, now), Some(entry(1)), "a new window");
    }

    #[test]
    fn a_flood_of_names_is_counted_without_them() {
        let (mut sums, now) = (Sums::default(), Instant::now());
        let recorded = (0..100_000).filter_map(|n| sums.note(entry(n), 1, now)).count();
        assert_eq!(recorded, DISTINCT + 1);
        assert_eq!(sums.end(), [(entry(0).nameless(), 1, 100_000 - DISTINCT as u64 - 1)]);
    }
}
