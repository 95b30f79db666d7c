//! One session in memory: what waits, what runs, and what was told.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{
    Approval, Block, CallId, ErrorCode, Event, IdempotencyKey, Message, QueueMode, RpcError, RunId, RunOptions,
    RunSnapshot, SendFailure, SendStatus, SessionKey, SessionSettings, TokenName,
};
use exoclaw_store::{ReadError, Store};
use futures::future::BoxFuture;
use tokio::sync::{OnceCell, oneshot, watch};

use crate::{
    hub::{Change, Changes, Ring},
    live::{Origin, Stop},
    load::Place,
};

/// Changes of one session that wait: they are few, and made by people.
const CHANGES: usize = 8;

/// A session that somebody runs or watches, or that one may come back to.
#[derive(Debug)]
pub(crate) struct Session {
    key: SessionKey,
    /// Set once it is known what an earlier process left.
    known: OnceCell<()>,
    state: Mutex<State>,
    /// Number of the newest event, for readers that wait.
    newest: watch::Sender<u64>,
    /// Where those who follow all sessions are told.
    changes: Changes,
}

/// What changes; never locked across an await.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ring: Ring,
    /// What is to be written next, in the order in which it came. With `queue`, at most `SESSION_QUEUE` messages and
    /// `CHANGES` changes: who brings a further one is told `busy`.
    pub(crate) intake: VecDeque<Intake>,
    /// Somebody empties `intake`.
    pub(crate) accepting: bool,
    /// Durable messages that wait for their run.
    pub(crate) queue: VecDeque<Queued>,
    /// Somebody empties `queue`.
    pub(crate) working: bool,
    pub(crate) current: Option<Current>,
    /// Number of the last record that an earlier process wrote; none is left of a session that was deleted.
    base: u64,
    /// Number of the first record of the conversation.
    pub(crate) first_seq: u64,
    /// Number of the record that stands for what left the conversation; 0 where none does.
    pub(crate) summary_seq: u64,
    /// Stops whoever has what is to leave it summarized.
    pub(crate) summarizing: Option<Stop>,
    pub(crate) settings: SessionSettings,
    /// Number of the last accepted message's record whose event was published.
    accepted_through: u64,
}

/// Something that is to be written.
pub(crate) enum Intake {
    Message(Box<Sent>),
    /// A change of the session, while no message is accepted.
    Change(BoxFuture<'static, ()>),
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(sent) => sent.fmt(f),
            Self::Change(_) => f.write_str("Change"),
        }
    }
}

/// A message that is not durable yet.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) run_id: RunId,
    pub(crate) message: Message,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) digest: String,
    /// The credential that sent it, if that is known.
    pub(crate) by: Option<TokenName>,
    /// Where it came from.
    pub(crate) from: Option<exoclaw_protocol::Origin>,
    /// What the channel that brought it needs to deliver the answer.
    pub(crate) to: Option<String>,
    /// What becomes of it while a run is under way; without, what the session says.
    pub(crate) queue: Option<QueueMode>,
    pub(crate) timeout_ms: Option<u64>,
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
    /// No process has begun it.
    pub(crate) is_new: bool,
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
    pub(crate) stop: Stop,
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
    /// Number of the first record of the conversation.
    pub(crate) first_seq: u64,
    /// Number of the record that stands for what left it; 0 where none does.
    pub(crate) summary_seq: u64,
    pub(crate) accepted_through: u64,
    /// Runs that have not ended.
    pub(crate) open: HashMap<RunId, Told>,
    /// The run under way.
    pub(crate) running: Option<RunSnapshot>,
}

impl Session {
    pub(crate) fn new(key: SessionKey, epoch: u64, changes: Changes) -> Self {
        let state = State {
            ring: Ring::new(epoch),
            intake: VecDeque::new(),
            accepting: false,
            queue: VecDeque::new(),
            working: false,
            current: None,
            base: 0,
            first_seq: 0,
            summary_seq: 0,
            summarizing: None,
            settings: SessionSettings::default(),
            accepted_through: 0,
        };
        Self { key, known: OnceCell::new(), state: Mutex::new(state), newest: watch::Sender::new(0), changes }
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

    /// Reads, once and before the first write, how far the journal had come and what was set.
    pub(crate) async fn know(&self, store: &dyn Store) -> Result<(), ReadError> {
        let read = || async {
            let Some(summary) = store.session(&self.key).await? else { return Ok(()) };
            let mut state = self.lock();
            state.base = summary.last_seq;
            state.first_seq = summary.conversation.first_seq;
            state.summary_seq = summary.conversation.summary_seq;
            state.settings = summary.conversation.settings;
            Ok(())
        };
        self.known.get_or_try_init(read).await.copied()
    }

    /// Nothing is left of it: it is as one that was never used.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.ring.clear();
        (state.base, state.first_seq, state.summary_seq, state.accepted_through) = (0, 0, 0, 0);
        state.settings = SessionSettings::default();
    }

    /// Numbers an event and wakes everyone who waits for it.
    pub(crate) fn publish(&self, state: &mut State, run_id: &RunId, event: Event) -> u64 {
        let change = match &event {
            Event::Accepted { .. } => Some(Change::Sent),
            Event::Noted { .. } => Some(Change::Noted),
            event => event.is_terminal().then(|| Change::Ended(run_id.clone())),
        };
        let seq = state.ring.push(&self.key, run_id, event);
        self.newest.send_replace(seq);
        if let Some(change) = change {
            self.changed(change);
        }
        seq
    }

    /// Tells those who follow all sessions.
    pub(crate) fn changed(&self, change: Change) {
        self.changes.tell(&self.key, change);
    }

    /// Takes a durable message into the queue; gives the last event before it.
    pub(crate) fn accept(&self, state: &mut State, sent: Sent, options: RunOptions, accepted: u64) -> Answer {
        let Sent { run_id, message, by, place, .. } = sent;
        state.accepted_through = accepted;
        let start = state.ring.last();
        // Whoever watches may ask for images and files; they do not all get each of them.
        let content = message.content.into_iter().map(Block::without_attachment).collect();
        self.publish(state, &run_id, Event::Accepted { message: Message { content, ..message } });
        let origin = Origin { accepted, recovered: false, by, options };
        state.queue.push_back(Queued { run_id: run_id.clone(), origin, start, is_new: true, place });
        let status = SendStatus::Started;
        Answer { run_id, status, failure: None, epoch: state.ring.epoch(), seq: start }
    }

    /// Tells of a durable note.
    pub(crate) fn note(&self, run_id: &RunId, message: Message, appended: u64) {
        let mut state = self.lock();
        state.accepted_through = appended;
        self.publish(&mut state, run_id, Event::Noted { message });
    }

    /// The run under way goes on from where an earlier process left it.
    pub(crate) fn take_up(&self, run_id: &RunId, told: Told) {
        let mut state = self.lock();
        if let Some(current) = state.current.as_mut().filter(|current| current.run_id == *run_id) {
            current.told = told;
        }
    }

    /// What a client that starts afresh may be shown, once the session is [known](Self::know).
    pub(crate) fn view(&self) -> View {
        let state = self.lock();
        let queued = state.queue.iter().map(|queued| (queued.run_id.clone(), Told::default()));
        let current = state.current.as_ref();
        View {
            epoch: state.ring.epoch(),
            seq: state.ring.last(),
            base: state.base,
            first_seq: state.first_seq,
            summary_seq: state.summary_seq,
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

    /// The session takes one more change.
    pub(crate) fn has_room_for_change(&self) -> bool {
        self.intake.iter().filter(|intake| matches!(intake, Intake::Change(_))).count() < CHANGES
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
