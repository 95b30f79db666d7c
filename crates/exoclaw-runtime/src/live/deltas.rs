//! Deltas that come too quickly are put together.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use exoclaw_agent::TurnEvent;
use tokio::time::Instant;

/// Holds back what comes within an interval after the last delta that was told.
#[derive(Debug)]
pub(crate) struct Deltas {
    /// Without one, each delta is told as it comes.
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A single delta, grown by those after it: as large as a step can be.
    held: Option<TurnEvent>,
    told: Option<Instant>,
}

impl Deltas {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::default() }
    }

    /// Takes an event; gives those that are to be told now.
    pub(crate) fn take(&self, event: TurnEvent) -> Vec<TurnEvent> {
        let is_delta = matches!(event, TurnEvent::Text(_) | TurnEvent::Thinking(_));
        if !is_delta || self.interval.is_zero() {
            return self.flush().into_iter().chain([event]).collect();
        }
        let mut state = self.lock();
        match (&mut state.held, event) {
            (Some(TurnEvent::Text(held)), TurnEvent::Text(more))
            | (Some(TurnEvent::Thinking(held)), TurnEvent::Thinking(more)) => held.push_str(&more),
            (None, event) => {
                let is_due = state.told.is_none_or(|told| told.elapsed() >= self.interval);
                if is_due {
                    state.told = Some(Instant::now());
                    return vec![event];
                }
                state.held = Some(event);
            }
            (Some(_), event) => return state.held.replace(event).into_iter().collect(),
        }
        Vec::new()
    }

    /// When what is held back is to be told.
    pub(crate) fn due(&self) -> Option<Instant> {
        let state = self.lock();
        state.held.as_ref().and(state.told).map(|told| told + self.interval)
    }

    /// What is held back.
    pub(crate) fn flush(&self) -> Option<TurnEvent> {
        let mut state = self.lock();
        let held = state.held.take();
        if held.is_some() {
            state.told = Some(Instant::now());
        }
        held
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
