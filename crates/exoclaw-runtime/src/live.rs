//! A run that has left the queue and owes its session one terminal event.

use std::mem;

use exoclaw_agent::TurnEvent;
use exoclaw_protocol::{ErrorCode, Event, QueueMode, RunId, RunOptions, TokenName};
use tokio::sync::watch;

mod deltas;
mod stop;

pub(crate) use deltas::Deltas;
pub(crate) use stop::Stop;

use crate::{
    load::Place,
    session::{Current, Queued, Session, Told},
    sessions::Lease,
    tools::display_name,
};

/// Where a run comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Number of the record of its message.
    pub(crate) accepted: u64,
    /// An earlier process accepted it, and may have begun it.
    pub(crate) recovered: bool,
    /// The credential that sent its message, if that is known.
    pub(crate) by: Option<TokenName>,
    /// How its message is to be treated.
    pub(crate) options: RunOptions,
}

/// Tells the session of a run. Dropped without [`finish`](Self::finish), it says that the run failed.
#[derive(Debug)]
pub(crate) struct LiveRun {
    pub(crate) run_id: RunId,
    pub(crate) origin: Origin,
    pub(crate) stop: Stop,
    aborted: watch::Sender<bool>,
    finished: bool,
    place: Option<Place>,
    /// What the turn says, before it is told.
    pub(crate) deltas: Deltas,
    lease: Lease,
}

/// What comes next in a session.
#[derive(Debug)]
pub(crate) struct Next {
    /// Runs whose place a newer message takes.
    pub(crate) superseded: Vec<LiveRun>,
    /// Runs whose messages the next one answers too.
    pub(crate) joined: Vec<LiveRun>,
    /// The next one.
    pub(crate) live: LiveRun,
}

impl LiveRun {
    fn new(lease: Lease, queued: Queued) -> Self {
        let Queued { run_id, origin, place, .. } = queued;
        let (stop, aborted) = (Stop::default(), watch::Sender::new(false));
        let deltas = Deltas::new(lease.delta_interval());
        Self { run_id, origin, stop, aborted, finished: false, place: Some(place), deltas, lease }
    }

    /// The next run of the session becomes its current one. Without a next one, nobody works on the queue any more.
    pub(crate) fn next(lease: &Lease) -> Option<Next> {
        let owned = lease.clone();
        let mut state = lease.session().lock();
        let is_interrupt = |queued: &Queued| queued.origin.options.queue == QueueMode::Interrupt;
        let superseded = state.queue.iter().rposition(is_interrupt).unwrap_or(0);
        let superseded: Vec<_> = state.queue.drain(..superseded).collect();
        let is_collected = |queued: &&Queued| queued.is_new && queued.origin.options.queue == QueueMode::Collect;
        let together = state.queue.iter().take_while(is_collected).count();
        let joined: Vec<_> = state.queue.drain(..together.saturating_sub(1)).collect();
        let Some(queued) = state.queue.pop_front() else {
            state.working = false;
            drop(state);
            return None;
        };
        let start = queued.start;
        let live = Self::new(owned, queued);
        state.current = Some(Current {
            run_id: live.run_id.clone(),
            start,
            text: String::new(),
            approvals: Vec::new(),
            told: Told::default(),
            stop: live.stop.clone(),
            aborted: live.aborted.subscribe(),
        });
        drop(state);
        let lives = |queued: Vec<Queued>| queued.into_iter().map(|queued| Self::new(lease.clone(), queued)).collect();
        Some(Next { superseded: lives(superseded), joined: lives(joined), live })
    }

    /// Takes waiting runs out of the queue: all of them, or the one that is named.
    pub(crate) fn withdraw(lease: &Lease, run_id: Option<&RunId>) -> Vec<Self> {
        let mut withdrawn = Vec::new();
        {
            let mut state = lease.session().lock();
            for queued in mem::take(&mut state.queue) {
                if run_id.is_none_or(|id| *id == queued.run_id) {
                    withdrawn.push(queued);
                } else {
                    state.queue.push_back(queued);
                }
            }
        }
        withdrawn.into_iter().map(|queued| Self::new(lease.clone(), queued)).collect()
    }

    /// Takes those out of the queue that are at its front and wait for the model's next step.
    pub(crate) fn steering(lease: &Lease) -> Vec<Self> {
        let steering: Vec<_> = {
            let mut state = lease.session().lock();
            let is_steering = |queued: &&Queued| queued.origin.options.queue == QueueMode::Steer;
            let together = state.queue.iter().take_while(is_steering).count();
            state.queue.drain(..together).collect()
        };
        steering.into_iter().map(|queued| Self::new(lease.clone(), queued)).collect()
    }

    pub(crate) fn session(&self) -> &Session {
        self.lease.session()
    }

    /// Keeps the session in memory for somebody else.
    pub(crate) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// What the model has said in its present step.
    pub(crate) fn text(&self) -> String {
        let state = self.session().lock();
        let current = state.current.as_ref().filter(|current| current.run_id == self.run_id);
        current.map(|current| current.text.clone()).unwrap_or_default()
    }

    /// Publishes what the turn says.
    pub(crate) fn tell(&self, event: TurnEvent) {
        let mut state = self.session().lock();
        if let Some(current) = state.current.as_mut().filter(|current| current.run_id == self.run_id) {
            match &event {
                TurnEvent::Text(text) => current.text.push_str(text),
                TurnEvent::StepEnded { .. } => {
                    current.text.clear();
                    current.told = Told { steps: current.told.steps + 1, ..Told::default() };
                }
                TurnEvent::ApprovalRequested { approval } => current.approvals.push(approval.clone()),
                TurnEvent::ApprovalResolved { id, .. } => current.approvals.retain(|approval| approval.id != *id),
                TurnEvent::ToolFinished { call_id, .. } => {
                    current.told.finished.insert(call_id.clone());
                }
                _ => {}
            }
        }
        self.session().publish(&mut state, &self.run_id, event_of(event));
    }

    /// Publishes what was held back.
    pub(crate) fn flush(&self) {
        if let Some(held) = self.deltas.flush() {
            self.tell(held);
        }
    }

    /// Publishes the terminal event; the session's next run may start.
    pub(crate) fn finish(mut self, event: Event) {
        self.publish_last(event);
    }

    /// Leaves the run to the next process: its session hears of no end.
    pub(crate) fn suspend(mut self) {
        self.finished = true;
    }

    fn publish_last(&mut self, event: Event) {
        self.finished = true;
        self.place = None;
        let aborted = matches!(event, Event::Aborted { .. });
        {
            let mut state = self.session().lock();
            state.current.take_if(|current| current.run_id == self.run_id);
            self.session().publish(&mut state, &self.run_id, event);
        }
        self.aborted.send_replace(aborted);
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        if !self.finished {
            tracing::error!(run = %self.run_id, "run was dropped before it ended");
            let message = "the run failed by a fault of the daemon: the log says more".to_owned();
            self.publish_last(Event::Error { code: ErrorCode::Internal, message, retryable: false });
        }
    }
}

fn event_of(event: TurnEvent) -> Event {
    match event {
        TurnEvent::Text(text) => Event::Delta { text },
        TurnEvent::Thinking(text) => Event::Thinking { text },
        TurnEvent::StepEnded { usage } => Event::Usage { usage },
        TurnEvent::ApprovalRequested { approval } => Event::ApprovalRequested { approval },
        TurnEvent::ApprovalResolved { id, decision, by } => Event::ApprovalResolved { id, decision, by },
        TurnEvent::ToolStarted { call, effect } => {
            Event::ToolStarted { call_id: call.id, tool: display_name(&call.name), input: call.input, effect }
        }
        TurnEvent::ToolProgress { call_id, progress } => {
            Event::ToolProgress { call_id, fraction: progress.fraction, message: progress.message }
        }
        TurnEvent::ToolFinished { call_id, name, output, metering } => {
            Event::ToolFinished { call_id, tool: display_name(&name), output, metering }
        }
    }
}
