//! What the model is told, without reading the whole journal again for each turn.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{Message, RunId, SessionKey};
use exoclaw_store::{Entry, Page, ReadError, Store};
use lru::LruCache;

use super::{conversation, load::read_summary, summary_told};

/// Stored bytes that are kept over all sessions. When there are more, the sessions that were quiet for longest are
/// forgotten; their next turn reads the store.
const KEPT_BYTES: u64 = 8 * 1024 * 1024;

/// The newest part of the journals of sessions that had a turn of late.
#[derive(Debug)]
pub(crate) struct Recent {
    store: Arc<dyn Store>,
    /// How much of a session's journal the model is told.
    page: Page,
    kept: Mutex<Kept>,
}

/// The part of a journal that is the conversation of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Number of the first record of the conversation.
    pub(crate) first: u64,
    /// Number of the record that stands for what left it; 0 where none does.
    pub(crate) summary: u64,
    /// Number of the record of the run's message.
    pub(crate) accepted: u64,
    /// Number of the last record that counts, which is there.
    pub(crate) through: u64,
}

#[derive(Debug)]
struct Kept {
    tails: LruCache<SessionKey, Tail>,
    bytes: u64,
}

/// The end of one journal, as much of it as the model is told.
#[derive(Debug, Default)]
struct Tail {
    /// With the size of each as it is stored.
    entries: VecDeque<(Entry, u64)>,
    bytes: u64,
}

impl Recent {
    pub(crate) fn new(store: Arc<dyn Store>, page: Page) -> Self {
        Self { store, page, kept: Mutex::new(Kept { tails: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The conversation that a run continues, with its own message last.
    pub(crate) async fn conversation(
        &self,
        session: &SessionKey,
        run_id: &RunId,
        Span { first, summary, accepted, through }: Span,
    ) -> Result<Vec<Message>, ReadError> {
        let mut tail = self.take(session).filter(|tail| tail.last() <= through).unwrap_or_default();
        loop {
            let last = tail.last();
            let newer = match last {
                _ if last == through => break,
                0 => self.store.tail(session, Some(through + 1), self.page).await?,
                _ => self.store.read(session, last, self.page).await?,
            };
            tail.extend(newer.into_iter().take_while(|entry| entry.seq <= through), self.page);
            // Whatever became of the rest, it is not there.
            if tail.last() == last {
                break;
            }
        }
        let own = match tail.entries.front() {
            Some((oldest, _)) if oldest.seq <= accepted => Vec::new(),
            _ => self.store.read(session, accepted - 1, Page { entries: 1, ..self.page }).await?,
        };
        let part = tail.entries.iter().map(|(entry, _)| entry).filter(|entry| entry.seq >= first);
        let mut told = conversation(own.iter().chain(part), run_id);
        told.splice(0..0, read_summary(&*self.store, session, summary).await?.map(summary_told));
        self.keep(session, tail);
        Ok(told)
    }

    /// Keeps nothing of a session any more.
    pub(crate) fn forget(&self, session: &SessionKey) {
        drop(self.take(session));
    }

    /// Takes it away: while one turn is at it, there is none for another.
    fn take(&self, session: &SessionKey) -> Option<Tail> {
        let mut kept = self.lock();
        let tail = kept.tails.pop(session)?;
        kept.bytes -= tail.bytes;
        Some(tail)
    }

    fn keep(&self, session: &SessionKey, tail: Tail) {
        let mut kept = self.lock();
        kept.bytes += tail.bytes;
        if let Some(other) = kept.tails.put(session.clone(), tail) {
            kept.bytes -= other.bytes;
        }
        while kept.bytes > KEPT_BYTES
            && let Some((_, quiet)) = kept.tails.pop_lru()
        {
            kept.bytes -= quiet.bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    /// Number of the last entry; 0 when there is none.
    fn last(&self) -> u64 {
        self.entries.back().map_or(0, |(entry, _)| entry.seq)
    }

    fn extend(&mut self, newer: impl Iterator<Item = Entry>, page: Page) {
        for entry in newer {
            let bytes = serde_json::to_vec(&entry.record).map_or(0, |json| json.len() as u64);
            self.bytes += bytes;
            self.entries.push_back((entry, bytes));
        }
        while (self.bytes > page.bytes || self.entries.len() > page.entries as usize) && self.entries.len() > 1 {
            self.bytes -= self.entries.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }
}

#[cfg(test)]
mod tests;
