//! The one thread that writes a trail.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Decision, Entry, Now, Record, Unrecorded, file::Trail, sums::Sums};

/// Records that wait for the thread. When full, further ones that guard something are refused, and others only counted.
const WAITING: usize = 1_024;

/// Time between two attempts to write while the disk refuses.
const RETRY: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<(), Unrecorded>>;

/// What the handles and the thread share.
pub(super) struct Shared {
    now: Now,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Record, Option<Reply>)>,
    sums: Sums,
    /// The last attempt to write failed.
    failing: bool,
    closing: bool,
    /// The thread is gone.
    dead: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(now: Now) -> Self {
        Self { now, state: Mutex::default(), wake: Condvar::new() }
    }

    pub(super) fn note(&self, entry: Entry) {
        let ms = (self.now)();
        let mut state = self.lock();
        // No room: counted, as if it had been noted before.
        let entry = if state.waiting.len() < WAITING { entry } else { entry.nameless() };
        if let Some(entry) = state.sums.note(entry, ms, Instant::now()) {
            state.waiting.push((Record::new(entry.clone(), ms, None), None));
            drop(state);
            log(&entry, 1);
            self.wake.notify_one();
        }
    }

    pub(super) fn guard(&self, entry: Entry) -> Result<oneshot::Receiver<Result<(), Unrecorded>>, Unrecorded> {
        let ms = (self.now)();
        let (reply, receiver) = oneshot::channel();
        let mut state = self.lock();
        if state.dead || state.closing {
            return Err(Unrecorded::Closed);
        }
        if state.waiting.len() >= WAITING {
            return Err(if state.failing { Unrecorded::Failed } else { Unrecorded::Busy });
        }
        state.waiting.push((Record::new(entry.clone(), ms, None), Some(reply)));
        drop(state);
        log(&entry, 1);
        self.wake.notify_one();
        Ok(receiver)
    }

    pub(super) fn is_failing(&self) -> bool {
        let state = self.lock();
        state.failing || state.dead
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for something to write: records, the sums of a window that ended, or the end. `None`: that was all.
    fn next(&self) -> Option<Vec<(Record, Option<Reply>)>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closing || state.sums.ends().is_some_and(|end| end <= now) {
                for (entry, ms, more) in state.sums.end() {
                    log(&entry, more);
                    state.waiting.push((Record::new(entry, ms, Some(more)), None));
                }
            }
            if !state.waiting.is_empty() {
                return Some(std::mem::take(&mut state.waiting));
            }
            if state.closing {
                return None;
            }
            let wait = state.sums.ends().map_or(Duration::MAX, |end| end - now);
            state = self.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whom the disk refused is told; what nobody waits for is tried again, after a while.
    fn put_back(&self, batch: Vec<(Record, Option<Reply>)>) {
        let mut kept = Vec::new();
        for (record, reply) in batch {
            match reply {
                // Whoever asked may have left.
                Some(reply) => drop(reply.send(Err(Unrecorded::Failed))),
                None => kept.push((record, None)),
            }
        }
        let mut state = self.lock();
        state.failing = true;
        kept.append(&mut state.waiting);
        state.waiting = kept;
        if !state.closing {
            let until = Instant::now() + RETRY;
            while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !state.closing) {
                state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                // They must not wait for a disk that refuses.
                for (_, reply) in &mut state.waiting {
                    reply.take().map(|reply| reply.send(Err(Unrecorded::Failed)));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until the trail is closed.
pub(super) fn run(shared: &Shared, mut trail: Trail) {
    let work = AssertUnwindSafe(|| work(shared, &mut trail));
    if catch_unwind(work).is_err() {
        tracing::error!("the audit trail's thread panicked: nothing is recorded any more");
    }
    let mut state = shared.lock();
    state.dead = true;
    // Their senders go, and so they learn that the trail is closed.
    state.waiting.clear();
}

fn work(shared: &Shared, trail: &mut Trail) {
    while let Some(mut batch) = shared.next() {
        let mut records: Vec<Record> = batch.iter().map(|(record, _)| record.clone()).collect();
        let written = trail.write(&mut records, (shared.now)());
        if let Err(error) = written {
            let is_news = !std::mem::replace(&mut shared.lock().failing, true);
            if is_news {
                tracing::error!(error = %chain(&error), "the audit trail can't be written");
            }
            let closing = shared.lock().closing;
            shared.put_back(batch);
            if closing {
                return;
            }
            continue;
        }
        if std::mem::take(&mut shared.lock().failing) {
            tracing::info!("the audit trail can be written again");
        }
        for (_, reply) in batch.drain(..) {
            reply.map(|reply| reply.send(Ok(())));
        }
    }
}

/// Tells the operator's log, too.
pub(super) fn log(entry: &Entry, times: u64) {
    let Entry { what, action, decision, who, from, object, reason, sha256 } = entry;
    macro_rules! tell {
        ($level:ident) => {
            tracing::event!(
                target: "exoclaw::audit", tracing::Level::$level, %what, action, %decision,
                who, from, object, reason, sha256, times, "audit"
            )
        };
    }
    match decision {
        Decision::Allowed => tell!(DEBUG),
        Decision::Asked => tell!(INFO),
        Decision::Refused | Decision::Stopped | Decision::Failed => tell!(WARN),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
