//! The newest events of one session.

use std::{collections::VecDeque, sync::Arc};

use exoclaw_protocol::{Event, RunId, SessionEvent, SessionKey, limits};

use super::Lagged;

/// An event with its JSON, written once for everyone who reads it.
#[derive(Debug, PartialEq)]
pub struct Published {
    event: SessionEvent,
    json: Arc<str>,
}

impl Published {
    fn new(event: SessionEvent) -> Self {
        #[expect(clippy::expect_used, reason = "all maps in an event have text keys, so writing it can't fail")]
        let json = serde_json::to_string(&event).expect("an event as JSON");
        Self { event, json: json.into() }
    }

    /// The event.
    pub fn event(&self) -> &SessionEvent {
        &self.event
    }

    /// The event as JSON, an object.
    pub fn json(&self) -> &Arc<str> {
        &self.json
    }
}

/// The newest events under one epoch, numbered from 1 without gaps.
///
/// Bounded by [`limits::EVENT_RING`] and [`limits::EVENT_RING_BYTES`]: the oldest leave first, the newest stays in any
/// case, so that a single large event still reaches those who keep up.
#[derive(Debug)]
pub(crate) struct Ring {
    epoch: u64,
    last: u64,
    events: VecDeque<Arc<Published>>,
    bytes: usize,
}

impl Ring {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, last: 0, events: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Number of the newest event, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Bytes of JSON that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, session: &SessionKey, run_id: &RunId, event: Event) -> u64 {
        self.last += 1;
        let (session, run_id) = (session.clone(), run_id.clone());
        let event = Published::new(SessionEvent { session, epoch: self.epoch, seq: self.last, run_id, event });
        self.bytes += event.json.len();
        self.events.push_back(Arc::new(event));
        while self.events.len() > 1 && (self.events.len() > limits::EVENT_RING || self.bytes > limits::EVENT_RING_BYTES)
        {
            let oldest = self.events.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.json.len());
        }
        self.last
    }

    /// Every event after `seq` is still here (or has yet to come).
    pub(crate) fn covers(&self, seq: u64) -> bool {
        seq <= self.last && self.last - seq <= self.events.len() as u64
    }

    /// The event after `seq`; `None` where it has yet to come.
    pub(crate) fn after(&self, seq: u64) -> Result<Option<Arc<Published>>, Lagged> {
        if !self.covers(seq) {
            return Err(Lagged { oldest: self.last - self.events.len() as u64 + 1 });
        }
        let behind = usize::try_from(self.last - seq).unwrap_or(usize::MAX);
        Ok((behind > 0).then(|| self.events[self.events.len() - behind].clone()))
    }
}
