//! What comes without being asked for, and the bounded queue in which one listener gets it.

mod replay;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
};

use exoclaw_protocol::{RpcError, SessionEvent, SessionKey, SessionSubscribeResult};
use futures::{Stream, StreamExt};

use self::replay::Replay;
use crate::State;

/// What comes without being asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Push {
    /// An event of a watched session. Within an epoch each comes once, in order; where this client was behind, deltas may
    /// come put together ([`SessionEvent::first_seq`]).
    Event(Arc<SessionEvent>),
    /// The connection changed.
    State(State),
    /// Events of a session were missed; comes before the event or the snapshot that revealed it.
    SeqGap {
        /// The session.
        session: SessionKey,
        /// The last event that was seen: epoch and number.
        seen: (u64, u64),
        /// The next one that will be seen: epoch and number.
        next: (u64, u64),
    },
    /// What a session looks like: it could not be resumed after a reconnect, or somebody else asked, and events were missed by
    /// it; then it comes after its `SeqGap`. Who subscribes late gets the latest of each session, and the events since.
    Snapshot(Arc<SessionSubscribeResult>),
    /// A session is not watched any more.
    Lost {
        /// The session.
        session: SessionKey,
        /// Why.
        error: RpcError,
    },
    /// Pushes were dropped here: this listener was too slow, or came so late that more happened than is kept. Reading the
    /// session again helps.
    Lagged,
}

/// How many pushes wait for one listener. When full, all that wait are replaced by one [`Push::Lagged`].
pub const PUSHES: usize = 4_096;

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Push>,
    waker: Option<Waker>,
    /// Of the states only the latest is of interest, and nothing else.
    states_only: bool,
    ended: bool,
}

impl Queue {
    fn push(&mut self, push: &Push) {
        if self.states_only {
            if matches!(push, Push::State(_)) {
                self.waiting.clear();
                self.waiting.push_back(push.clone());
            }
            return;
        }
        if self.waiting.len() >= PUSHES {
            self.waiting.clear();
            self.waiting.push_back(Push::Lagged);
        }
        self.waiting.push_back(push.clone());
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pushes of a client, for one listener. Ends when the client is closed.
#[derive(Debug)]
pub struct Pushes(Arc<Mutex<Queue>>);

impl Stream for Pushes {
    type Item = Push;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Push>> {
        let mut queue = lock(&self.0);
        match queue.waiting.pop_front() {
            Some(push) => Poll::Ready(Some(push)),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// How the connection is: the present state, then each change. Who looks away for a while gets the latest only. Ends when the
/// client is closed, after its last state.
#[derive(Debug)]
pub struct States(Pushes);

impl States {
    /// Waits for a state that fits; `None` when the client is closed and none did.
    pub async fn wait_for(&mut self, wanted: impl Fn(&State) -> bool) -> Option<State> {
        loop {
            let state = self.next().await?;
            if wanted(&state) {
                return Some(state);
            }
        }
    }
}

impl Stream for States {
    type Item = State;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<State>> {
        loop {
            match ready!(self.0.poll_next_unpin(cx)) {
                Some(Push::State(state)) => return Poll::Ready(Some(state)),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// All listeners of a client, and what those who come later are told. A listener that is dropped is forgotten with the next
/// push.
#[derive(Debug)]
pub(crate) struct Listeners {
    queues: Vec<Weak<Mutex<Queue>>>,
    pub(crate) state: State,
    replay: Replay,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Self { queues: Vec::new(), state: State::Connecting, replay: Replay::default() }
    }

    pub(crate) fn add(&mut self) -> Pushes {
        self.add_queue(false)
    }

    pub(crate) fn add_states(&mut self) -> States {
        States(self.add_queue(true))
    }

    fn add_queue(&mut self, states_only: bool) -> Pushes {
        let ended = matches!(self.state, State::Closed { .. });
        let mut queue = Queue { states_only, ended, ..Queue::default() };
        queue.push(&Push::State(self.state.clone()));
        if !ended {
            self.replay.each(|push| queue.push(&push));
        }
        let queue = Arc::new(Mutex::new(queue));
        self.queues.retain(|queue| queue.strong_count() > 0);
        self.queues.push(Arc::downgrade(&queue));
        Pushes(queue)
    }

    pub(crate) fn keep(&mut self, snapshot: Arc<SessionSubscribeResult>) {
        self.replay.snapshot(snapshot);
    }

    /// Tells all. The streams end with a state that says that the client is closed.
    pub(crate) fn push(&mut self, push: &Push) {
        match push {
            Push::State(state) => self.state.clone_from(state),
            Push::Event(event) => self.replay.event(event),
            Push::Snapshot(snapshot) => self.replay.snapshot(Arc::clone(snapshot)),
            Push::Lost { session, .. } => self.replay.forget(session),
            Push::SeqGap { .. } | Push::Lagged => {}
        }
        let ended = matches!(self.state, State::Closed { .. });
        self.queues.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let waker = {
                let mut queue = lock(&queue);
                // What has ended stays so, also where the client is given another endpoint.
                if queue.ended {
                    return false;
                }
                queue.push(push);
                queue.ended = ended;
                queue.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
            true
        });
    }
}

#[cfg(test)]
mod tests;
