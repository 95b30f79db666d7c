//! The newest events of one session.

use std::{collections::VecDeque, sync::Arc};

use exoclaw_protocol::{Event, RunId, SessionEvent, SessionKey, limits};

use super::Lagged;

/// A reader that is so many events behind at most gets each as it is.
const KEEPS_UP: usize = 32;

/// Text of deltas that are put together for a reader that is further behind.
const TOGETHER_BYTES: usize = 16 * 1024;

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
/// Bounded by [`limits::EVENT_RING`] and [`limits::EVENT_RING_BYTES`]: the oldest leave first. The largest event does not
/// count, so that a single one, however large, drives no reader out who keeps up.
#[derive(Debug)]
pub(crate) struct Ring {
    epoch: u64,
    last: u64,
    events: VecDeque<Arc<Published>>,
    bytes: usize,
    /// Bytes of the largest event that is kept.
    largest: usize,
}

impl Ring {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, last: 0, events: VecDeque::new(), bytes: 0, largest: 0 }
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
        let (epoch, seq) = (self.epoch, self.last);
        let event = Published::new(SessionEvent { session, epoch, seq, first_seq: None, run_id, event });
        self.bytes += event.json.len();
        self.largest = self.largest.max(event.json.len());
        self.events.push_back(Arc::new(event));
        while self.events.len() > limits::EVENT_RING || self.bytes - self.largest > limits::EVENT_RING_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.json.len();
            if oldest.json.len() == self.largest {
                self.largest = self.events.iter().map(|event| event.json.len()).max().unwrap_or(0);
            }
        }
        self.last
    }

    /// Drops all events; numbers go on.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        (self.bytes, self.largest) = (0, 0);
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
        let Some(place) = self.events.len().checked_sub(behind) else { return Ok(None) };
        let Some(next) = self.events.get(place) else { return Ok(None) };
        let together = if behind > KEEPS_UP { self.put_together(place) } else { None };
        Ok(Some(together.unwrap_or_else(|| next.clone())))
    }

    /// The deltas from this place on, as one, if there are several of one kind.
    fn put_together(&self, place: usize) -> Option<Arc<Published>> {
        let first = &self.events[place].event;
        let (mut whole, mut last) = (delta(first)?.to_owned(), first.seq);
        for next in self.events.iter().skip(place + 1) {
            let next = &next.event;
            let same = std::mem::discriminant(&next.event) == std::mem::discriminant(&first.event);
            let Some(text) = delta(next).filter(|_| same && next.run_id == first.run_id) else { break };
            if whole.len() + text.len() > TOGETHER_BYTES {
                break;
            }
            whole.push_str(text);
            last = next.seq;
        }
        if last == first.seq {
            return None;
        }
        let event = match &first.event {
            Event::Thinking { .. } => Event::Thinking { text: whole },
            _ => Event::Delta { text: whole },
        };
        let first_seq = Some(first.seq);
        Some(Arc::new(Published::new(SessionEvent { seq: last, first_seq, event, ..first.clone() })))
    }
}

/// What the event added to the answer or the thinking.
fn delta(event: &SessionEvent) -> Option<&str> {
    match &event.event {
        Event::Delta { text } | Event::Thinking { text } => Some(text),
        _ => None,
    }
}
