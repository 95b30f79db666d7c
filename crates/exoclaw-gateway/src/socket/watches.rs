//! The sessions that one socket follows.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use exoclaw_protocol::{Event, SessionKey, limits};
use exoclaw_runtime::{Lagged, Published, Subscription};
use futures::{
    StreamExt,
    future::{AbortHandle, Abortable, BoxFuture},
    stream::FuturesUnordered,
};

use super::{dialect::Dialect, outbox::Outbox};

/// Events that one session may write in one go, so that a busy one leaves room for the others.
const BATCH: usize = 64;

/// Where events are told, and how.
pub(super) struct Told<'a, D> {
    pub(super) dialect: &'a mut D,
    pub(super) outbox: &'a mut Outbox,
}

/// An event that was waited for, with the place to go on from.
pub(super) struct Arrival {
    watch: u64,
    subscription: Subscription,
    event: Result<Arc<Published>, Lagged>,
}

#[derive(Debug)]
struct Watch {
    /// Differs from that of an earlier watch of the same session.
    id: u64,
    stop: AbortHandle,
    /// When it last had an event, on a clock that counts events.
    used: u64,
    /// A run is under way, or about to be, as far as is known here.
    active: bool,
}

/// The sessions that one socket follows, each a place in the session's ring: nothing is queued here.
///
/// At most [`limits::SUBSCRIPTIONS`]. When full, the one that was quiet for the longest time is dropped, and the client
/// told so.
#[derive(Default)]
pub(super) struct Watches {
    by_session: HashMap<SessionKey, Watch>,
    waiting: FuturesUnordered<Abortable<BoxFuture<'static, Arrival>>>,
    /// Runs whose sender, on this socket, may not know of them yet: they go on when no text below the number is left.
    held: Vec<(u64, Arrival)>,
    /// Numbers of the texts under way that send messages.
    sending: BTreeSet<u64>,
    next_send: u64,
    uses: u64,
    ids: u64,
}

impl Watches {
    /// A text that sends messages is on its way to the runtime. Until [`Watches::sent`], no run begins on this socket
    /// that might be one of its own: the answer comes before the events.
    pub(super) fn sending(&mut self) -> u64 {
        self.next_send += 1;
        self.sending.insert(self.next_send);
        self.next_send
    }

    /// The answer to such a text was written.
    pub(super) fn sent(&mut self, number: u64, told: &mut Told<'_, impl Dialect>) -> Result<(), Lagged> {
        self.sending.remove(&number);
        let oldest = self.sending.first().copied().unwrap_or(u64::MAX);
        let (free, held) = std::mem::take(&mut self.held).into_iter().partition(|(until, _)| *until < oldest);
        self.held = held;
        let free: Vec<(u64, Arrival)> = free;
        free.into_iter().try_for_each(|(_, arrival)| self.write(arrival, true, told))
    }

    /// Follows a session. A place that the client did not name itself does not move one that it has.
    pub(super) fn follow(&mut self, subscription: Subscription, exact: bool, told: &mut Told<'_, impl Dialect>) {
        let session = subscription.session().clone();
        self.uses += 1;
        if let Some(watch) = self.by_session.get_mut(&session) {
            if !exact {
                watch.used = self.uses;
                return;
            }
            watch.stop.abort();
        }
        self.ids += 1;
        let stop = self.wait(self.ids, subscription);
        let watch = Watch { id: self.ids, stop, used: self.uses, active: true };
        self.by_session.insert(session, watch);
        if self.by_session.len() > limits::SUBSCRIPTIONS {
            self.drop_quietest(told);
        }
    }

    /// The next event of any session; waits for ever where none is followed. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Arrival {
        loop {
            match self.waiting.next().await {
                Some(Ok(arrival)) => return arrival,
                // A watch that was stopped.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Writes an event, and those after it that are there already.
    ///
    /// # Errors
    /// When events were lost because the client reads too slowly.
    pub(super) fn arrived(&mut self, arrival: Arrival, told: &mut Told<'_, impl Dialect>) -> Result<(), Lagged> {
        self.write(arrival, false, told)
    }

    fn write(&mut self, arrival: Arrival, mut free: bool, told: &mut Told<'_, impl Dialect>) -> Result<(), Lagged> {
        let Arrival { watch: id, mut subscription, event } = arrival;
        let Some(watch) = self.by_session.get_mut(subscription.session()) else { return Ok(()) };
        if watch.id != id {
            return Ok(());
        }
        let mut next = event?;
        for written in 1.. {
            let event = &next.event().event;
            let begins = matches!(event, Event::Accepted { .. });
            if begins && !free && !self.sending.is_empty() {
                let held = Arrival { watch: id, subscription, event: Ok(next) };
                self.held.push((self.next_send, held));
                return Ok(());
            }
            free = false;
            self.uses += 1;
            watch.used = self.uses;
            watch.active = !event.is_terminal();
            told.dialect.event(&next, told.outbox);
            if written == BATCH || !told.outbox.has_room() {
                break;
            }
            match subscription.try_next()? {
                Some(event) => next = event,
                None => break,
            }
        }
        let session = subscription.session().clone();
        let stop = self.wait(id, subscription);
        if let Some(watch) = self.by_session.get_mut(&session) {
            watch.stop = stop;
        }
        Ok(())
    }

    fn wait(&mut self, watch: u64, mut subscription: Subscription) -> AbortHandle {
        let (stop, registration) = AbortHandle::new_pair();
        let next = async move {
            let event = subscription.next().await;
            Arrival { watch, subscription, event }
        };
        self.waiting.push(Abortable::new(Box::pin(next), registration));
        stop
    }

    fn drop_quietest(&mut self, told: &mut Told<'_, impl Dialect>) {
        let quiet = |(_, watch): &(&SessionKey, &Watch)| (watch.active, watch.used);
        let Some(session) = self.by_session.iter().min_by_key(quiet).map(|(session, _)| session.clone()) else {
            return;
        };
        if let Some(watch) = self.by_session.remove(&session) {
            watch.stop.abort();
        }
        self.held.retain(|(_, arrival)| *arrival.subscription.session() != session);
        told.dialect.dropped(&session, told.outbox);
    }
}
