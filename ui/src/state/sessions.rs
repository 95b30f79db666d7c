//! The list of sessions, and what this browser notes of them: which are pinned, and how far each was read.

use std::collections::{BTreeMap, BTreeSet};

use exoclaw_protocol::{SessionInfo, SessionKey, limits};
use serde_json::{Value, json};

/// Sessions of which it is noted how far they were read; those that changed last stay.
const NOTED: usize = limits::SESSION_LIST as usize;

/// Sessions that can be pinned; a further one is not.
const PINS: usize = 100;

/// The sessions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sessions {
    /// The most recently used first.
    pub(crate) list: Vec<SessionInfo>,
    /// They were listed.
    pub(crate) known: bool,
    pins: BTreeSet<SessionKey>,
    seen: Seen,
}

/// How far each session was read.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    /// What is older counts as read: this browser came later. In milliseconds since 1970 on the daemon's clock.
    since: Option<u64>,
    at: BTreeMap<SessionKey, u64>,
}

impl Sessions {
    /// Takes a new list. The session that somebody looks at is read.
    pub(crate) fn listed(&mut self, list: Vec<SessionInfo>, looked_at: Option<&SessionKey>) {
        let newest = list.iter().map(|session| session.updated_ms).max();
        self.seen.since = self.seen.since.or(newest).or(Some(0));
        self.list = list;
        self.known = true;
        if let Some(session) = looked_at {
            self.read(session);
        }
    }

    /// Somebody looks at a session; says whether that is news.
    pub(crate) fn read(&mut self, session: &SessionKey) -> bool {
        let Some(info) = self.list.iter().find(|info| info.session == *session) else { return false };
        if self.seen.at.insert(session.clone(), info.updated_ms) == Some(info.updated_ms) {
            return false;
        }
        while self.seen.at.len() > NOTED {
            let oldest = self.seen.at.iter().min_by_key(|(_, at)| **at).map(|(session, _)| session.clone());
            if let Some(oldest) = oldest {
                self.seen.at.remove(&oldest);
            }
        }
        true
    }

    /// Something happened in it that nobody saw here.
    pub(crate) fn is_unread(&self, info: &SessionInfo) -> bool {
        let since = self.seen.since.unwrap_or(u64::MAX);
        info.updated_ms > self.seen.at.get(&info.session).copied().unwrap_or(since).max(since)
    }

    /// How many are unread.
    pub(crate) fn unread(&self) -> usize {
        self.list.iter().filter(|info| self.is_unread(info)).count()
    }

    /// It stays at the top.
    pub(crate) fn is_pinned(&self, session: &SessionKey) -> bool {
        self.pins.contains(session)
    }

    /// Pins it, or takes the pin away.
    pub(crate) fn pin(&mut self, session: SessionKey) {
        if !self.pins.remove(&session) && self.pins.len() < PINS {
            self.pins.insert(session);
        }
    }

    /// The session is gone.
    pub(crate) fn forget(&mut self, session: &SessionKey) {
        self.list.retain(|info| info.session != *session);
        self.pins.remove(session);
        self.seen.at.remove(session);
    }

    /// What the browser is to keep of it.
    pub(crate) fn notes(&self) -> String {
        json!({ "pins": self.pins, "since": self.seen.since, "seen": self.seen.at }).to_string()
    }

    /// Takes what the browser kept. What can't be read is as if it had never been.
    pub(crate) fn remember(&mut self, notes: &str) {
        let Ok(mut notes) = serde_json::from_str::<Value>(notes) else { return };
        let mut take = |name: &str| notes[name].take();
        self.pins = serde_json::from_value(take("pins")).unwrap_or_default();
        self.seen.at = serde_json::from_value(take("seen")).unwrap_or_default();
        self.seen.since = take("since").as_u64();
    }
}
