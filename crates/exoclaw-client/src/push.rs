//! What comes without being asked for, and the bounded queue in which one listener gets it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use exoclaw_protocol::{RpcError, SessionEvent, SessionKey, SessionSubscribeResult};
use futures::Stream;

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
    Gap {
        /// The session.
        session: SessionKey,
        /// The last event that was seen: epoch and number.
        seen: (u64, u64),
        /// The next one that will be seen: epoch and number.
        next: (u64, u64),
    },
    /// A session could not be resumed after a reconnect: this is what it looks like now. Comes after its `Gap`.
    Snapshot(Arc<SessionSubscribeResult>),
    /// A session is not watched any more.
    Lost {
        /// The session.
        session: SessionKey,
        /// Why.
        error: RpcError,
    },
    /// This listener was too slow: pushes were dropped here.
    Lagged,
}

/// How many pushes wait for one listener. When full, all that wait are replaced by one [`Push::Lagged`].
pub const PUSHES: usize = 4_096;

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Push>,
    waker: Option<Waker>,
    ended: bool,
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

/// All listeners of a client. A listener that is dropped is forgotten with the next push.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    queues: Vec<Weak<Mutex<Queue>>>,
    ended: bool,
}

impl Listeners {
    pub(crate) fn add(&mut self) -> Pushes {
        let queue = Arc::new(Mutex::new(Queue { ended: self.ended, ..Queue::default() }));
        self.queues.retain(|queue| queue.strong_count() > 0);
        self.queues.push(Arc::downgrade(&queue));
        Pushes(queue)
    }

    pub(crate) fn push(&mut self, push: &Push) {
        self.each(|queue| {
            if queue.waiting.len() >= PUSHES {
                queue.waiting.clear();
                queue.waiting.push_back(Push::Lagged);
            }
            queue.waiting.push_back(push.clone());
        });
    }

    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.each(|queue| queue.ended = true);
    }

    fn each(&mut self, change: impl Fn(&mut Queue)) {
        self.queues.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let waker = {
                let mut queue = lock(&queue);
                change(&mut queue);
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
