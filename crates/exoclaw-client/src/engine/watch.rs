//! The sessions that are watched, and the last event that was seen of each.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use exoclaw_protocol::{
    ErrorCode, RpcError, SessionEvent, SessionKey, SessionRef, SessionSubscribeParams, SessionSubscribeResult, limits,
};

use crate::Push;

#[derive(Debug)]
struct Watch {
    epoch: u64,
    seq: u64,
    /// When it was last of use, on a clock that counts uses.
    used: u64,
    /// The request that resumes it, while that is under way.
    resuming: Option<u64>,
}

/// The sessions that are watched: as many as the daemon lets one socket watch. When full, the one that was of no use for
/// the longest time is forgotten; it is the one that the daemon forgets, too.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_session: HashMap<SessionKey, Watch>,
    uses: u64,
    resumes: u64,
}

impl Watches {
    /// A message was sent: events after `seq` follow. Those of a session that is watched already just go on.
    pub(super) fn sent(&mut self, session: SessionKey, epoch: u64, seq: u64) {
        if let Some(watch) = self.by_session.get_mut(&session) {
            self.uses += 1;
            watch.used = self.uses;
        } else {
            self.subscribed(session, epoch, seq);
        }
    }

    /// Somebody subscribed to a session, which all who listen share. Where they missed events by it they are told, and get the
    /// snapshot; otherwise it is to be kept for those who come later.
    pub(super) fn asked(
        &mut self,
        result: SessionSubscribeResult,
        mut push: impl FnMut(Push),
    ) -> Option<Arc<SessionSubscribeResult>> {
        let (session, epoch, seq) = (result.session.clone(), result.epoch, result.seq);
        let seen = self.by_session.get(&session).map(|watch| (watch.epoch, watch.seq));
        self.subscribed(session.clone(), epoch, seq);
        let result = result.snapshot.is_some().then(|| Arc::new(result))?;
        match seen {
            Some(seen) if seen.0 != epoch || seen.1 < seq => {
                push(Push::SeqGap { session, seen, next: (epoch, seq + 1) });
                push(Push::Snapshot(result));
                None
            }
            Some(_) | None => Some(result),
        }
    }

    /// The session was subscribed to: events after `seq` follow, also those that were seen before.
    pub(super) fn subscribed(&mut self, session: SessionKey, epoch: u64, seq: u64) {
        self.uses += 1;
        let watch = Watch { epoch, seq, used: self.uses, resuming: None };
        self.by_session.insert(session, watch);
        if self.by_session.len() > limits::SUBSCRIPTIONS {
            let oldest = self.by_session.iter().min_by_key(|(_, watch)| watch.used).map(|(session, _)| session.clone());
            if let Some(oldest) = oldest {
                self.by_session.remove(&oldest);
            }
        }
    }

    /// The requests that resume all sessions on a new connection, with their ids.
    pub(super) fn resume(&mut self) -> Vec<(u64, SessionSubscribeParams)> {
        let resume = |(session, watch): (&SessionKey, &mut Watch)| {
            let id = self.resumes * 2 + 1;
            self.resumes += 1;
            watch.resuming = Some(id);
            let session = SessionRef::Key(session.clone());
            (id, SessionSubscribeParams { session, epoch: Some(watch.epoch), seq: Some(watch.seq) })
        };
        self.by_session.iter_mut().map(resume).collect()
    }

    /// The session that a request resumed.
    pub(super) fn resumed(&self, id: u64) -> Option<SessionKey> {
        let mut watches = self.by_session.iter();
        watches.find(|(_, watch)| watch.resuming == Some(id)).map(|(session, _)| session.clone())
    }

    pub(super) fn resume_outcome(
        &mut self,
        session: SessionKey,
        outcome: Result<SessionSubscribeResult, RpcError>,
        mut push: impl FnMut(Push),
    ) {
        let Some(watch) = self.by_session.get_mut(&session) else { return };
        watch.resuming = None;
        match outcome {
            Ok(result) if result.recovered => {}
            Ok(result) => {
                let next = (result.epoch, result.seq + 1);
                push(Push::SeqGap { session, seen: (watch.epoch, watch.seq), next });
                (watch.epoch, watch.seq) = (result.epoch, result.seq);
                push(Push::Snapshot(Arc::new(result)));
            }
            Err(error) => {
                self.by_session.remove(&session);
                push(Push::Lost { session, error });
            }
        }
    }

    /// The daemon watches a session no longer for this socket.
    pub(super) fn lost(&mut self, session: SessionKey, mut push: impl FnMut(Push)) {
        if self.by_session.remove(&session).is_some() {
            let why = "the daemon stopped sending its events, because this connection watches too many sessions";
            push(Push::Lost { session, error: RpcError::new(ErrorCode::Busy, why) });
        }
    }

    pub(super) fn event(&mut self, event: SessionEvent, mut push: impl FnMut(Push)) {
        self.uses += 1;
        match self.by_session.entry(event.session.clone()) {
            Entry::Vacant(_) => self.subscribed(event.session.clone(), event.epoch, event.seq),
            Entry::Occupied(mut watch) => {
                let watch = watch.get_mut();
                watch.used = self.uses;
                let seen = (watch.epoch, watch.seq);
                if event.epoch == watch.epoch && event.seq <= watch.seq {
                    return;
                }
                (watch.epoch, watch.seq) = (event.epoch, event.seq);
                if (event.epoch, event.follows()) != seen {
                    let next = (event.epoch, event.follows() + 1);
                    push(Push::SeqGap { session: event.session.clone(), seen, next });
                }
            }
        }
        push(Push::Event(Arc::new(event)));
    }
}
