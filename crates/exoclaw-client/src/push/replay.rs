//! What listeners that come late are told: the latest snapshot of each session, and the events since.

use std::{collections::VecDeque, sync::Arc};

use exoclaw_protocol::{SessionEvent, SessionKey, SessionSubscribeResult, limits};

use super::Push;

/// Events that are kept after a snapshot. When there are more, both are dropped, and who comes late has to read the session.
const EVENTS: usize = 512;

/// The sessions that were used last, the latest at the end: as many as can be watched. When full, the first is forgotten.
#[derive(Debug, Default)]
pub(super) struct Replay(VecDeque<Latest>);

#[derive(Debug)]
struct Latest {
    session: SessionKey,
    /// What it looked like, and what happened since; `None` when that was too much.
    kept: Option<(Arc<SessionSubscribeResult>, Vec<Arc<SessionEvent>>)>,
}

impl Replay {
    pub(super) fn snapshot(&mut self, snapshot: Arc<SessionSubscribeResult>) {
        self.forget(&snapshot.session);
        if self.0.len() >= limits::SUBSCRIPTIONS {
            self.0.pop_front();
        }
        self.0.push_back(Latest { session: snapshot.session.clone(), kept: Some((snapshot, Vec::new())) });
    }

    pub(super) fn event(&mut self, event: &Arc<SessionEvent>) {
        let Some(at) = self.position(&event.session) else { return };
        if let Some(mut latest) = self.0.remove(at) {
            match &mut latest.kept {
                Some((_, since)) if since.len() < EVENTS => since.push(Arc::clone(event)),
                kept => *kept = None,
            }
            self.0.push_back(latest);
        }
    }

    pub(super) fn forget(&mut self, session: &SessionKey) {
        if let Some(at) = self.position(session) {
            self.0.remove(at);
        }
    }

    /// Tells all of it to one listener.
    pub(super) fn each(&self, mut tell: impl FnMut(Push)) {
        if self.0.iter().any(|latest| latest.kept.is_none()) {
            tell(Push::Lagged);
        }
        for (snapshot, since) in self.0.iter().filter_map(|latest| latest.kept.as_ref()) {
            tell(Push::Snapshot(Arc::clone(snapshot)));
            since.iter().for_each(|event| tell(Push::Event(Arc::clone(event))));
        }
    }

    /// Events come mostly to the one that was used last.
    fn position(&self, session: &SessionKey) -> Option<usize> {
        self.0.iter().rposition(|latest| latest.session == *session)
    }
}
