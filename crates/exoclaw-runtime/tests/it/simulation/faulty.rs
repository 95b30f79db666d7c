//! A store that fails, or dies with its process, at chosen ones of all calls that are ever made to it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use exoclaw_protocol::{IdempotencyKey, JobId, RunId, SessionKey};
use exoclaw_store::{
    AppendError, Appended, Delivery, Entry, Found, KeyedRun, KvError, KvScope, MemoryStore, OpenRun, Page, ReadError,
    Record, RunSummary, Search, SessionFilter, SessionSummary, Spending, Store, StoredJob,
};
use futures::{FutureExt, future::BoxFuture};
use tokio_util::sync::CancellationToken;

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// It is refused.
    Fail,
    /// It takes place, and whoever asked for it is told that it failed.
    FailAfter,
    /// The process dies before it takes place.
    Die,
    /// It takes place, and the process dies before anybody hears of it.
    DieAfter,
}

impl Strike {
    pub(super) const ALL: [Self; 4] = [Self::Fail, Self::FailAfter, Self::Die, Self::DieAfter];
}

/// When to strike, over all processes, and what took place.
pub(super) struct Faults {
    strikes: Vec<(u64, Strike)>,
    calls: AtomicU64,
    /// Something could not be read.
    unread: AtomicBool,
    /// How often plugins wrote each of their values.
    effects: Mutex<HashMap<String, u32>>,
}

impl Faults {
    /// Strikes at calls of these numbers, counted from 0.
    pub(super) fn new(strikes: Vec<(u64, Strike)>) -> Self {
        Self { strikes, calls: AtomicU64::new(0), unread: AtomicBool::new(false), effects: Mutex::default() }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Whether anything could not be read, though nobody died of it.
    pub(super) fn unread(&self) -> bool {
        self.unread.load(SeqCst)
    }

    pub(super) fn effects(&self) -> HashMap<String, u32> {
        self.effects.lock().unwrap().clone()
    }

    fn next(&self) -> Option<Strike> {
        let call = self.calls.fetch_add(1, SeqCst);
        self.strikes.iter().find(|(at, _)| *at == call).map(|(_, strike)| *strike)
    }
}

/// The store of one process. After a write that failed it takes no more, as the real one.
pub(super) struct FaultyStore {
    inner: Arc<MemoryStore>,
    faults: Arc<Faults>,
    dead: CancellationToken,
    read_only: Arc<AtomicBool>,
}

const NO_SPACE: &str = "no space left on device";

impl FaultyStore {
    pub(super) fn new(inner: Arc<MemoryStore>, faults: Arc<Faults>) -> Self {
        Self { inner, faults, dead: CancellationToken::new(), read_only: Arc::default() }
    }

    /// Cancelled when the process is dead.
    pub(super) fn dead(&self) -> CancellationToken {
        self.dead.clone()
    }

    fn strike<T: Send + 'static, E: Send + 'static>(
        &self,
        work: BoxFuture<'static, Result<T, E>>,
        failed: impl FnOnce() -> E + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>> {
        let (faults, dead) = (self.faults.clone(), self.dead.clone());
        async move {
            let strike = faults.next();
            if !matches!(strike, Some(Strike::Fail | Strike::Die)) {
                let done = work.await;
                if strike.is_none() {
                    return done;
                }
            }
            if matches!(strike, Some(Strike::Die | Strike::DieAfter)) {
                dead.cancel();
                std::future::pending::<()>().await;
            }
            Err(failed())
        }
        .boxed()
    }

    fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        work: BoxFuture<'static, Result<T, E>>,
        failed: impl FnOnce() -> E + Send + 'static,
        refused: impl FnOnce() -> E + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>> {
        let (ours, theirs) = (self.read_only.clone(), self.read_only.clone());
        let struck = self.strike(work, move || {
            ours.store(true, SeqCst);
            failed()
        });
        async move { if theirs.load(SeqCst) { Err(refused()) } else { struck.await } }.boxed()
    }

    fn append_to<T: Send + 'static>(
        &self,
        work: BoxFuture<'static, Result<T, AppendError>>,
    ) -> BoxFuture<'static, Result<T, AppendError>> {
        let refused = || AppendError::ReadOnly { reason: NO_SPACE.to_owned() };
        self.write(work, || AppendError::Failed(NO_SPACE.into()), refused)
    }

    fn keep<T: Send + 'static>(
        &self,
        work: BoxFuture<'static, Result<T, KvError>>,
    ) -> BoxFuture<'static, Result<T, KvError>> {
        let refused = || KvError::ReadOnly { reason: NO_SPACE.to_owned() };
        self.write(work, || KvError::Failed(NO_SPACE.into()), refused)
    }

    fn look<T: Send + 'static>(
        &self,
        work: BoxFuture<'static, Result<T, ReadError>>,
    ) -> BoxFuture<'static, Result<T, ReadError>> {
        let faults = self.faults.clone();
        self.strike(work, move || {
            faults.unread.store(true, SeqCst);
            ReadError::Failed("input/output error".into())
        })
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

impl Store for FaultyStore {
    fn append(
        &self,
        session: &SessionKey,
        at_ms: u64,
        records: Vec<Record>,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        self.append_to(self.inner.append(session, at_ms, records))
    }

    fn read(&self, session: &SessionKey, after: u64, page: Page) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        self.look(self.inner.read(session, after, page))
    }

    fn tail(
        &self,
        session: &SessionKey,
        before: Option<u64>,
        page: Page,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        self.look(self.inner.tail(session, before, page))
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'static, Result<Vec<SessionSummary>, ReadError>> {
        self.look(self.inner.sessions(filter))
    }

    fn session(&self, session: &SessionKey) -> BoxFuture<'static, Result<Option<SessionSummary>, ReadError>> {
        self.look(self.inner.session(session))
    }

    fn search(&self, search: Search) -> BoxFuture<'static, Result<Found, ReadError>> {
        self.look(self.inner.search(search))
    }

    fn session_count(&self) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.look(self.inner.session_count())
    }

    fn open_runs(&self) -> BoxFuture<'static, Result<Vec<OpenRun>, ReadError>> {
        self.look(self.inner.open_runs())
    }

    fn deliveries(&self, channel: &str, limit: u32) -> BoxFuture<'static, Result<Vec<Delivery>, ReadError>> {
        self.look(self.inner.deliveries(channel, limit))
    }

    fn delivery_count(&self, channel: &str) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.look(self.inner.delivery_count(channel))
    }

    fn find_key(
        &self,
        session: &SessionKey,
        key: &IdempotencyKey,
    ) -> BoxFuture<'static, Result<Option<KeyedRun>, ReadError>> {
        self.look(self.inner.find_key(session, key))
    }

    fn find_run(&self, run_id: &RunId) -> BoxFuture<'static, Result<Option<RunSummary>, ReadError>> {
        self.look(self.inner.find_run(run_id))
    }

    fn spending(
        &self,
        session: Option<&SessionKey>,
        since_day: u64,
    ) -> BoxFuture<'static, Result<Vec<Spending>, ReadError>> {
        self.look(self.inner.spending(session, since_day))
    }

    fn forget_keys(&self, before_ms: u64, limit: u32) -> BoxFuture<'static, Result<u32, AppendError>> {
        self.append_to(self.inner.forget_keys(before_ms, limit))
    }

    fn quarantine(&self, session: &SessionKey, reason: &str) -> BoxFuture<'static, Result<(), AppendError>> {
        self.append_to(self.inner.quarantine(session, reason))
    }

    fn delete(&self, session: &SessionKey) -> BoxFuture<'static, Result<bool, AppendError>> {
        self.append_to(self.inner.delete(session))
    }

    fn kv_get(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<Option<Vec<u8>>, KvError>> {
        self.strike(self.inner.kv_get(scope, key), || KvError::Failed("input/output error".into()))
    }

    fn kv_set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        quota: u64,
    ) -> BoxFuture<'static, Result<(), KvError>> {
        let (faults, noted) = (self.faults.clone(), key.to_owned());
        let set = self.inner.kv_set(scope, key, value, quota);
        let set = set.inspect(move |_| *faults.effects.lock().unwrap().entry(noted).or_default() += 1);
        self.keep(set.boxed())
    }

    fn kv_delete(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<(), KvError>> {
        self.keep(self.inner.kv_delete(scope, key))
    }

    fn kv_keys(&self, scope: &KvScope, prefix: &str, limit: u32) -> BoxFuture<'static, Result<Vec<String>, KvError>> {
        self.strike(self.inner.kv_keys(scope, prefix, limit), || KvError::Failed("input/output error".into()))
    }

    fn jobs(&self) -> BoxFuture<'static, Result<Vec<StoredJob>, ReadError>> {
        self.look(self.inner.jobs())
    }

    fn set_job(&self, id: &JobId, text: Option<String>) -> BoxFuture<'static, Result<(), AppendError>> {
        self.append_to(self.inner.set_job(id, text))
    }

    fn read_only(&self) -> Option<String> {
        self.read_only.load(SeqCst).then(|| NO_SPACE.to_owned())
    }

    /// What is in memory would be gone.
    fn close(&self) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
