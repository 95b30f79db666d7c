//! One session in memory: what waits, what runs, and what was told.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{
    Approval, CallId, ErrorCode, Event, IdempotencyKey, Message, RpcError, RunId, RunSnapshot, SendFailure, SendStatus,
    SessionKey, TokenName,
};
use exoclaw_store::{ReadError, Store};
use tokio::sync::{OnceCell, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{hub::Ring, live::Origin, load::Place};

/// A session that somebody runs or watches, or that one may come back to.
#[derive(Debug)]
pub(crate) struct Session {
    key: SessionKey,
    /// Number of the journal's last record before this process wrote any.
    base: OnceCell<u64>,
    state: Mutex<State>,
    /// Number of the newest event, for readers that wait.
    newest: watch::Sender<u64>,
}

/// What changes; never locked across an await.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ring: Ring,
    /// Messages on their way to the disk, in the order in which they came. With `queue`, at most `SESSION_QUEUE`: the
    /// sender of a further one is told `busy`.
    pub(crate) intake: VecDeque<Intake>,
    /// Somebody empties `intake`.
    pub(crate) accepting: bool,
    /// Durable messages that wait for their run.
    pub(crate) queue: VecDeque<Queued>,
    /// Somebody empties `queue`.
    pub(crate) working: bool,
    pub(crate) current: Option<Current>,
    /// Number of the last accepted message's record whose event was published.
    accepted_through: u64,
}

/// A message that is not durable yet.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) run_id: RunId,
    pub(crate) message: Message,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) digest: String,
    /// The credential that sent it, if that is known.
    pub(crate) by: Option<TokenName>,
    pub(crate) place: Place,
    pub(crate) reply: oneshot::Sender<Result<Answer, RpcError>>,
}

/// What a sender is told.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) run_id: RunId,
    pub(crate) status: SendStatus,
    pub(crate) failure: Option<SendFailure>,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

/// A run that waits for its turn.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) run_id: RunId,
    pub(crate) origin: Origin,
    /// The last event before those of this run.
    pub(crate) start: u64,
    pub(crate) place: Place,
}

/// The run under way.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) run_id: RunId,
    pub(crate) start: u64,
    /// What the model has said in its present step.
    pub(crate) text: String,
    /// Its calls that wait to be allowed.
    pub(crate) approvals: Vec<Approval>,
    pub(crate) told: Told,
    pub(crate) abort: CancellationToken,
    /// True when it ended by being aborted; closed when it ended.
    pub(crate) aborted: watch::Receiver<bool>,
}

/// How much of a run's journal was told in events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Model steps.
    pub(crate) steps: u32,
    /// Finished tool calls of the last of them.
    pub(crate) finished: HashSet<CallId>,
}

/// What the session's journal holds, as far as events have told it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    /// Number of the last record that an earlier process wrote: no event tells of what is not after it.
    pub(crate) base: u64,
    pub(crate) accepted_through: u64,
    /// Runs that have not ended.
    pub(crate) open: HashMap<RunId, Told>,
    /// The run under way.
    pub(crate) running: Option<RunSnapshot>,
}

impl Session {
    pub(crate) fn new(key: SessionKey, epoch: u64) -> Self {
        let state = State {
            ring: Ring::new(epoch),
            intake: VecDeque::new(),
            accepting: false,
            queue: VecDeque::new(),
            working: false,
            current: None,
            accepted_through: 0,
        };
        Self { key, base: OnceCell::new(), state: Mutex::new(state), newest: watch::Sender::new(0) }
    }

    pub(crate) fn key(&self) -> &SessionKey {
        &self.key
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves at worst a run without its event, which its guard then sends.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Reads, once and before the first write, how far the journal had come.
    pub(crate) async fn base(&self, store: &dyn Store) -> Result<u64, ReadError> {
        let read = || async { Ok(store.session(&self.key).await?.map_or(0, |session| session.last_seq)) };
        self.base.get_or_try_init(read).await.copied()
    }

    /// Numbers an event and wakes everyone who waits for it.
    pub(crate) fn publish(&self, state: &mut State, run_id: &RunId, event: Event) -> u64 {
        let seq = state.ring.push(&self.key, run_id, event);
        self.newest.send_replace(seq);
        seq
    }

    /// Takes a durable message into the queue; gives the last event before it.
    pub(crate) fn accept(&self, state: &mut State, intake: Intake, accepted: u64) -> Answer {
        let Intake { run_id, message, by, place, .. } = intake;
        state.accepted_through = accepted;
        let start = state.ring.last();
        self.publish(state, &run_id, Event::Accepted { message });
        let origin = Origin { accepted, recovered: false, by };
        state.queue.push_back(Queued { run_id: run_id.clone(), origin, start, place });
        let status = SendStatus::Started;
        Answer { run_id, status, failure: None, epoch: state.ring.epoch(), seq: start }
    }

    /// The run under way goes on from where an earlier process left it.
    pub(crate) fn take_up(&self, run_id: &RunId, told: Told) {
        let mut state = self.lock();
        if let Some(current) = state.current.as_mut().filter(|current| current.run_id == *run_id) {
            current.told = told;
        }
    }

    /// What a client that starts afresh may be shown. `base` as [`Session::base`] gave it.
    pub(crate) fn view(&self, base: u64) -> View {
        let state = self.lock();
        let queued = state.queue.iter().map(|queued| (queued.run_id.clone(), Told::default()));
        let current = state.current.as_ref();
        View {
            epoch: state.ring.epoch(),
            seq: state.ring.last(),
            base,
            accepted_through: state.accepted_through,
            open: queued.chain(current.map(|current| (current.run_id.clone(), current.told.clone()))).collect(),
            running: current.map(|current| RunSnapshot {
                run_id: current.run_id.clone(),
                text: current.text.clone(),
                approvals: current.approvals.clone(),
            }),
        }
    }
}

impl State {
    /// The queue takes one more message.
    pub(crate) fn has_room(&self) -> bool {
        self.intake.len() + self.queue.len() < exoclaw_protocol::limits::SESSION_QUEUE
    }

    /// A run is under way or waiting.
    pub(crate) fn is_active(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty()
    }

    /// The run is under way or waiting.
    pub(crate) fn has(&self, run_id: &RunId) -> bool {
        let mut current = self.current.iter().map(|current| &current.run_id);
        current.any(|id| id == run_id) || self.queue.iter().any(|queued| queued.run_id == *run_id)
    }

    /// The last event before those of a run that has not ended, if they are all still kept.
    pub(crate) fn start_of(&self, run_id: &RunId) -> Option<u64> {
        let current = self.current.as_ref().map(|current| (&current.run_id, current.start));
        let queued = self.queue.iter().map(|queued| (&queued.run_id, queued.start));
        let (_, start) = current.into_iter().chain(queued).find(|(id, _)| *id == run_id)?;
        self.ring.covers(start).then_some(start)
    }
}

/// The error of a send that came too late.
pub(crate) fn shutting_down() -> RpcError {
    RpcError::new(ErrorCode::ShuttingDown, "the daemon is stopping: send again when it is back")
}
