//! A store with faults on demand.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use exoclaw_protocol::{IdempotencyKey, JobId, RunId, SessionKey};
use exoclaw_store::{
    AppendError, Appended, Delivery, Entry, Found, KeyedRun, KvError, KvScope, OpenRun, Page, ReadError, Record,
    RunSummary, Search, SessionFilter, SessionSummary, Spending, Store, StoredJob,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Semaphore;

/// What happens to an append.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It fails as on a full disk, and changes nothing.
    Fail,
    /// It panics.
    Panic,
    /// It waits for a permit before it is written.
    Hold(Arc<Semaphore>),
    /// It is written at once, but its writer hears of that only with a permit.
    HoldAfter(Arc<Semaphore>),
    /// It is never written, as when the process dies there; gives a permit when it was asked for.
    Die(Arc<Semaphore>),
    /// It takes a while, and its writer hears of it after another while: others go on so often meanwhile.
    Dawdle(u32, u32),
}

type Rule = Box<dyn Fn(&Record) -> Option<Fault> + Send + Sync>;

/// Passes everything on to a real store, but for appends that a rule picks out.
pub(crate) struct TestStore {
    inner: Arc<dyn Store>,
    rule: Mutex<Option<Rule>>,
    damaged: Mutex<Option<SessionKey>>,
    closing: Mutex<Option<Arc<Semaphore>>>,
    reading: Mutex<Option<[Arc<Semaphore>; 2]>>,
    keeping: Mutex<Option<Arc<Semaphore>>>,
    tailing: Mutex<Option<[Arc<Semaphore>; 2]>>,
    /// Why it takes no writes; whoever holds it says when.
    pub(crate) refusing: Arc<Mutex<Option<String>>>,
}

impl TestStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            rule: Mutex::default(),
            damaged: Mutex::default(),
            closing: Mutex::default(),
            reading: Mutex::default(),
            keeping: Mutex::default(),
            tailing: Mutex::default(),
            refusing: Arc::default(),
        }
    }

    pub(crate) fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    pub(crate) fn on_append(&self, rule: impl Fn(&Record) -> Option<Fault> + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Some(Box::new(rule));
    }

    /// The first record of this session can't be read any more.
    pub(crate) fn damage(&self, session: &SessionKey) {
        *self.damaged.lock().unwrap() = Some(session.clone());
    }

    /// Instead of being closed, it gives a permit and waits for ever: what is in it can still be read.
    pub(crate) fn on_close(&self, reached: Arc<Semaphore>) {
        *self.closing.lock().unwrap() = Some(reached);
    }

    /// Reading a plugin's value gives the first gate a permit and waits for one of the second.
    pub(crate) fn on_kv_get(&self, gates: [Arc<Semaphore>; 2]) {
        *self.reading.lock().unwrap() = Some(gates);
    }

    /// Reading the end of a journal gives the first gate a permit and waits for one of the second.
    pub(crate) fn on_tail(&self, gates: [Arc<Semaphore>; 2]) {
        *self.tailing.lock().unwrap() = Some(gates);
    }

    /// Jobs are never kept, as when the process dies there; gives a permit when that was asked for.
    pub(crate) fn on_set_job(&self, reached: Arc<Semaphore>) {
        *self.keeping.lock().unwrap() = Some(reached);
    }

    fn check(&self, session: &SessionKey) -> Result<(), ReadError> {
        if self.damaged.lock().unwrap().as_ref() != Some(session) {
            return Ok(());
        }
        let problem = "its checksum does not match".to_owned();
        Err(ReadError::Damaged { session: session.to_string(), seq: 1, problem })
    }

    pub(crate) fn heal(&self) {
        *self.rule.lock().unwrap() = None;
        *self.tailing.lock().unwrap() = None;
    }
}

impl fmt::Debug for TestStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestStore")
    }
}

async fn yield_times(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

impl Store for TestStore {
    fn append(
        &self,
        session: &SessionKey,
        at_ms: u64,
        records: Vec<Record>,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let fault = {
            let rule = self.rule.lock().unwrap();
            rule.as_ref().and_then(|rule| records.iter().find_map(rule))
        };
        let (inner, session) = (self.inner.clone(), session.clone());
        async move {
            match fault {
                Some(Fault::Fail) => return Err(AppendError::Failed("no space left on device".into())),
                Some(Fault::Panic) => panic!("the store panics as it was told to"),
                Some(Fault::HoldAfter(gate)) => {
                    let appended = inner.append(&session, at_ms, records).await;
                    gate.acquire().await.unwrap().forget();
                    return appended;
                }
                Some(Fault::Dawdle(before, after)) => {
                    yield_times(before).await;
                    let appended = inner.append(&session, at_ms, records).await;
                    yield_times(after).await;
                    return appended;
                }
                Some(Fault::Die(reached)) => {
                    reached.add_permits(1);
                    std::future::pending::<()>().await;
                }
                Some(Fault::Hold(gate)) => gate.acquire().await.unwrap().forget(),
                None => {}
            }
            inner.append(&session, at_ms, records).await
        }
        .boxed()
    }

    fn read(&self, session: &SessionKey, after: u64, page: Page) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        match self.check(session) {
            Ok(()) => self.inner.read(session, after, page),
            Err(damaged) => std::future::ready(Err(damaged)).boxed(),
        }
    }

    fn tail(
        &self,
        session: &SessionKey,
        before: Option<u64>,
        page: Page,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        match self.check(session) {
            Ok(()) => {
                let (inner, gates) = (self.inner.clone(), self.tailing.lock().unwrap().clone());
                let session = session.clone();
                async move {
                    if let Some([reached, gate]) = gates {
                        reached.add_permits(1);
                        gate.acquire().await.unwrap().forget();
                    }
                    inner.tail(&session, before, page).await
                }
                .boxed()
            }
            Err(damaged) => std::future::ready(Err(damaged)).boxed(),
        }
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'static, Result<Vec<SessionSummary>, ReadError>> {
        self.inner.sessions(filter)
    }

    fn session(&self, session: &SessionKey) -> BoxFuture<'static, Result<Option<SessionSummary>, ReadError>> {
        self.inner.session(session)
    }

    fn search(&self, search: Search) -> BoxFuture<'static, Result<Found, ReadError>> {
        self.inner.search(search)
    }

    fn session_count(&self) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.inner.session_count()
    }

    fn open_runs(&self) -> BoxFuture<'static, Result<Vec<OpenRun>, ReadError>> {
        self.inner.open_runs()
    }

    fn deliveries(&self, channel: &str, limit: u32) -> BoxFuture<'static, Result<Vec<Delivery>, ReadError>> {
        self.inner.deliveries(channel, limit)
    }

    fn delivery_count(&self, channel: &str) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.inner.delivery_count(channel)
    }

    fn find_key(
        &self,
        session: &SessionKey,
        key: &IdempotencyKey,
    ) -> BoxFuture<'static, Result<Option<KeyedRun>, ReadError>> {
        self.inner.find_key(session, key)
    }

    fn find_run(&self, run_id: &RunId) -> BoxFuture<'static, Result<Option<RunSummary>, ReadError>> {
        self.inner.find_run(run_id)
    }

    fn spending(
        &self,
        session: Option<&SessionKey>,
        since_day: u64,
    ) -> BoxFuture<'static, Result<Vec<Spending>, ReadError>> {
        self.inner.spending(session, since_day)
    }

    fn forget_keys(&self, before_ms: u64, limit: u32) -> BoxFuture<'static, Result<u32, AppendError>> {
        self.inner.forget_keys(before_ms, limit)
    }

    fn quarantine(&self, session: &SessionKey, reason: &str) -> BoxFuture<'static, Result<(), AppendError>> {
        self.inner.quarantine(session, reason)
    }

    fn delete(&self, session: &SessionKey) -> BoxFuture<'static, Result<bool, AppendError>> {
        self.inner.delete(session)
    }

    fn kv_get(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<Option<Vec<u8>>, KvError>> {
        let (read, gates) = (self.inner.kv_get(scope, key), self.reading.lock().unwrap().clone());
        async move {
            if let Some([reached, gate]) = gates {
                reached.add_permits(1);
                gate.acquire().await.unwrap().forget();
            }
            read.await
        }
        .boxed()
    }

    fn kv_set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        quota: u64,
    ) -> BoxFuture<'static, Result<(), KvError>> {
        self.inner.kv_set(scope, key, value, quota)
    }

    fn kv_delete(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<(), KvError>> {
        self.inner.kv_delete(scope, key)
    }

    fn kv_keys(&self, scope: &KvScope, prefix: &str, limit: u32) -> BoxFuture<'static, Result<Vec<String>, KvError>> {
        self.inner.kv_keys(scope, prefix, limit)
    }

    fn jobs(&self) -> BoxFuture<'static, Result<Vec<StoredJob>, ReadError>> {
        self.inner.jobs()
    }

    fn set_job(&self, id: &JobId, text: Option<String>) -> BoxFuture<'static, Result<(), AppendError>> {
        if let Some(reached) = self.keeping.lock().unwrap().clone() {
            reached.add_permits(1);
            return std::future::pending().boxed();
        }
        self.inner.set_job(id, text)
    }

    fn read_only(&self) -> Option<String> {
        self.refusing.lock().unwrap().clone().or_else(|| self.inner.read_only())
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        if let Some(reached) = self.closing.lock().unwrap().clone() {
            reached.add_permits(1);
            return std::future::pending().boxed();
        }
        self.inner.close()
    }
}
