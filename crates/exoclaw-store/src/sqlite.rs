//! The default: one SQLite file, one thread that writes, two that read, and one that searches.

mod conversation;
mod delete;
mod deliveries;
mod file;
mod fold;
mod health;
mod jobs;
mod journal;
mod kv;
mod reader;
mod schema;
pub(crate) mod search;
mod spending;
pub mod upkeep;
mod writer;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use exoclaw_protocol::{IdempotencyKey, JobId, RunId, SessionKey};
use futures::future::{BoxFuture, FutureExt};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use self::{file::Ownership, health::Health, journal::failed, reader::Reads, search::Patience, writer::Queue};
use crate::{
    AppendError, Appended, Delivery, Entry, Found, KeyedRun, KvError, KvScope, OpenRun, Page, ReadError, Record,
    RunSummary, Search, SessionFilter, SessionSummary, Spending, Store, StoredJob, encoded,
};

/// Threads that read.
const READERS: usize = 2;

/// Page cache of the writer in KiB: some hundred busy sessions. The system caches the file as well.
const WRITER_CACHE_KIB: i32 = 8192;

/// Page cache of one reader in KiB.
const READER_CACHE_KIB: i32 = 512;

/// Prepared statements kept by a connection: all that this crate has.
const STATEMENTS: usize = 62;

/// What the write-ahead log is cut down to when it starts over, in bytes: above its usual length, for a file that keeps its
/// length is quicker to write and to sync.
const LOG_BYTES: i64 = 32 * 1024 * 1024;

/// How long another program, such as the `sqlite3` shell, may hold the database before a write is refused as busy.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Where and how a [`SqliteStore`] keeps its data.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The database. Its directory is made if it is not there; SQLite's log and index and a lock file lie beside it.
    pub path: PathBuf,
    /// Largest size of the database in bytes, the log not counted. Beyond it, writing fails as on a full disk.
    pub max_bytes: Option<u64>,
}

impl SqliteConfig {
    /// A database without a bound of its own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: None }
    }
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store {path} is in use by another process: stop that one, or choose another home")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "the store {path} has format {found}, this version knows up to {known}: use the version that wrote it, or a newer one"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format that is known here.
        known: i32,
    },
    /// An older version wrote it, and it was to be read as it is.
    #[error("the store {path} has format {found}, not {current}: the daemon brings it up to date when it starts")]
    Older {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The format that is wanted.
        current: i32,
    },
    /// The file is something else.
    #[error("{path} is no store of exoclaw: move it away, or choose another home")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error("open the database {path}")]
    Database {
        /// The database.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: crate::Cause,
    },
    /// The system gave no thread.
    #[error("start a thread of the store")]
    Thread(#[source] io::Error),
}

impl OpenError {
    fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }

    fn database(path: &Path, error: rusqlite::Error) -> Self {
        Self::Database { path: path.to_owned(), source: error.into() }
    }
}

/// A store in one SQLite file. Cheap to clone.
///
/// Close it before dropping it in async code: dropping the last clone waits for the writes that are under way.
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    path: PathBuf,
    writes: Queue,
    reads: Reads,
    /// Apart from other reads, which no search keeps waiting.
    searches: Reads,
    patience: Patience,
    health: Arc<Health>,
    /// Taken by whoever closes.
    threads: Mutex<Option<Threads>>,
    closed: watch::Sender<bool>,
}

struct Threads {
    readers: Vec<JoinHandle<()>>,
    writer: JoinHandle<()>,
    ownership: Ownership,
}

impl SqliteStore {
    /// Opens the database, or makes it. Blocks on the disk: at start-up, or on a thread for that.
    ///
    /// # Errors
    /// When another process has it open, it is of a newer format or no store at all, or the disk refuses.
    pub fn open(config: &SqliteConfig) -> Result<Self, OpenError> {
        let path = &config.path;
        let ownership = file::claim(path)?;
        let connection = open_writer(config)?;
        let health = Arc::new(Health::default());
        let (writes, writer) =
            writer::channel(connection, &health).map_err(|error| OpenError::database(path, error))?;
        let (reads, jobs) = reader::channel();

        // The threads end by themselves when an early return drops the queues.
        let mut readers = Vec::with_capacity(READERS);
        for number in 1..=READERS {
            let connection = open_reader(path).map_err(|error| OpenError::database(path, error))?;
            let jobs = jobs.clone();
            readers.push(start(format!("store-reader-{number}"), move || jobs.run(&connection))?);
        }
        let (searches, jobs) = reader::channel();
        let mut connection = open_reader(path).map_err(|error| OpenError::database(path, error))?;
        search::prepare(&connection).map_err(|error| OpenError::database(path, error))?;
        let patience = Patience::of(&mut connection).map_err(|error| OpenError::database(path, error))?;
        readers.push(start("store-search".to_owned(), move || jobs.run(&connection))?);
        let writer = start("store-writer".to_owned(), move || writer.run())?;

        let threads = Mutex::new(Some(Threads { readers, writer, ownership }));
        let closed = watch::Sender::new(false);
        Ok(Self(Arc::new(Shared { path: path.clone(), writes, reads, searches, patience, health, threads, closed })))
    }

    /// Runs `work` on the writer's thread, durably.
    fn write<T, E>(
        &self,
        bytes: usize,
        work: impl FnMut(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<health::Refusal> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        async move { shared.writes.write(bytes, work).await }.boxed()
    }

    /// Runs `work` on a reader's thread.
    fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ReadError>> {
        let shared = Arc::clone(&self.0);
        async move { shared.reads.read(work).await }.boxed()
    }
}

fn start(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new().name(name).spawn(work).map_err(OpenError::Thread)
}

fn open_writer(config: &SqliteConfig) -> Result<Connection, OpenError> {
    let path = &config.path;
    let database = |error| OpenError::database(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(database)?;
    connection.busy_timeout(LOCK_PATIENCE).map_err(database)?;
    // The index moves words from page to page as it grows: what is deleted is to be gone from those that it left, too.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())).map_err(database)?;
    schema::prepare(&mut connection, path)?;
    set_up_writer(&connection, config.max_bytes).map_err(database)?;
    Ok(connection)
}

fn set_up_writer(connection: &Connection, max_bytes: Option<u64>) -> rusqlite::Result<()> {
    // A commit is durable when it returns: the log is synced each time (`specs/store-format.md`).
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // Rows are written together with those they belong to, by this code alone.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    if let Some(max_bytes) = max_bytes {
        let page_bytes: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (max_bytes / page_bytes.max(1)).clamp(1, i64::from(u32::MAX - 1).cast_unsigned());
        connection.pragma_update_and_check(None, "max_page_count", pages.cast_signed(), |_| Ok(()))?;
    }
    Ok(())
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_PATIENCE)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

impl Shared {
    /// Takes nothing more. The threads end when they have done what waits.
    fn refuse_all(&self) {
        self.reads.close();
        self.searches.close();
        self.writes.close();
    }

    /// Waits for the threads to end, then lets others have the file.
    fn shut_down(&self, threads: Threads) {
        let Threads { readers, writer, ownership } = threads;
        for thread in readers.into_iter().chain([writer]) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
        drop(ownership);
        self.closed.send_replace(true);
    }

    fn take_threads(&self) -> Option<Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.refuse_all();
        if let Some(threads) = self.take_threads() {
            self.shut_down(threads);
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn append(
        &self,
        session: &SessionKey,
        at_ms: u64,
        records: Vec<Record>,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let (store, session) = (self.clone(), session.clone());
        async move {
            let records = encoded::encode(records)?;
            let bytes = records.iter().map(|record| record.json.len()).sum();
            store.write(bytes, move |connection| journal::append(connection, &session, at_ms, &records)).await
        }
        .boxed()
    }

    fn read(&self, session: &SessionKey, after: u64, page: Page) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let session = session.clone();
        self.query(move |connection| journal::read(connection, &session, after, page))
    }

    fn tail(
        &self,
        session: &SessionKey,
        before: Option<u64>,
        page: Page,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let session = session.clone();
        self.query(move |connection| journal::tail(connection, &session, before, page))
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'static, Result<Vec<SessionSummary>, ReadError>> {
        self.query(move |connection| journal::sessions(connection, &filter).map_err(failed))
    }

    fn session(&self, session: &SessionKey) -> BoxFuture<'static, Result<Option<SessionSummary>, ReadError>> {
        let session = session.clone();
        self.query(move |connection| journal::session(connection, &session).map_err(failed))
    }

    fn search(&self, search: Search) -> BoxFuture<'static, Result<Found, ReadError>> {
        let shared = Arc::clone(&self.0);
        let own = Arc::clone(&shared);
        let find = move |connection: &Connection| {
            own.patience.renew();
            search::find(connection, &search)
        };
        async move { shared.searches.read(find).await }.boxed()
    }

    fn session_count(&self) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.query(|connection| journal::session_count(connection).map_err(failed))
    }

    fn open_runs(&self) -> BoxFuture<'static, Result<Vec<OpenRun>, ReadError>> {
        self.query(|connection| journal::open_runs(connection).map_err(failed))
    }

    fn deliveries(&self, channel: &str, limit: u32) -> BoxFuture<'static, Result<Vec<Delivery>, ReadError>> {
        let channel = channel.to_owned();
        self.query(move |connection| deliveries::due(connection, &channel, limit).map_err(failed))
    }

    fn delivery_count(&self, channel: &str) -> BoxFuture<'static, Result<u64, ReadError>> {
        let channel = channel.to_owned();
        self.query(move |connection| deliveries::count(connection, &channel).map_err(failed))
    }

    fn find_key(
        &self,
        session: &SessionKey,
        key: &IdempotencyKey,
    ) -> BoxFuture<'static, Result<Option<KeyedRun>, ReadError>> {
        let (session, key) = (session.clone(), key.clone());
        self.query(move |connection| journal::find_key(connection, &session, &key))
    }

    fn find_run(&self, run_id: &RunId) -> BoxFuture<'static, Result<Option<RunSummary>, ReadError>> {
        let run_id = run_id.clone();
        self.query(move |connection| journal::find_run(connection, &run_id))
    }

    fn spending(
        &self,
        session: Option<&SessionKey>,
        since_day: u64,
    ) -> BoxFuture<'static, Result<Vec<Spending>, ReadError>> {
        let session = session.cloned();
        self.query(move |connection| spending::read(connection, session.as_ref(), since_day).map_err(failed))
    }

    fn forget_keys(&self, before_ms: u64, limit: u32) -> BoxFuture<'static, Result<u32, AppendError>> {
        self.write(0, move |connection| journal::forget_keys(connection, before_ms, limit).map(Ok))
    }

    fn quarantine(&self, session: &SessionKey, reason: &str) -> BoxFuture<'static, Result<(), AppendError>> {
        let (session, reason) = (session.clone(), reason.to_owned());
        self.write(reason.len(), move |connection| journal::quarantine(connection, &session, &reason).map(Ok))
    }

    fn delete(&self, session: &SessionKey) -> BoxFuture<'static, Result<bool, AppendError>> {
        let session = session.clone();
        self.write(0, move |connection| delete::delete(connection, &session).map(Ok))
    }

    fn kv_get(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<Option<Vec<u8>>, KvError>> {
        let (scope, key) = (scope.clone(), key.to_owned());
        let read = self.query(move |connection| kv::get(connection, &scope, &key));
        read.map(|result| result.map_err(KvError::from)).boxed()
    }

    fn kv_set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        quota: u64,
    ) -> BoxFuture<'static, Result<(), KvError>> {
        if let Err(refused) = encoded::check_value(&value) {
            return std::future::ready(Err(refused)).boxed();
        }
        let (scope, key) = (scope.clone(), key.to_owned());
        let bytes = key.len() + value.len();
        self.write(bytes, move |connection| kv::set(connection, &scope, &key, &value, quota))
    }

    fn kv_delete(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<(), KvError>> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.write(key.len(), move |connection| kv::delete(connection, &scope, &key))
    }

    fn kv_keys(&self, scope: &KvScope, prefix: &str, limit: u32) -> BoxFuture<'static, Result<Vec<String>, KvError>> {
        let (scope, prefix) = (scope.clone(), prefix.to_owned());
        let read = self.query(move |connection| kv::keys(connection, &scope, &prefix, limit).map_err(failed));
        read.map(|result| result.map_err(KvError::from)).boxed()
    }

    fn jobs(&self) -> BoxFuture<'static, Result<Vec<StoredJob>, ReadError>> {
        self.query(|connection| jobs::list(connection).map_err(failed))
    }

    fn set_job(&self, id: &JobId, text: Option<String>) -> BoxFuture<'static, Result<(), AppendError>> {
        let bytes = text.as_ref().map_or(0, String::len);
        if let Err(refused) = encoded::check_size(bytes) {
            return std::future::ready(Err(refused)).boxed();
        }
        let id = id.clone();
        self.write(bytes, move |connection| jobs::set(connection, &id, text.as_deref()).map(Ok))
    }

    fn read_only(&self) -> Option<String> {
        if self.0.writes.is_closed() { Some("the store is closed".to_owned()) } else { self.0.health.problem() }
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.0);
        async move {
            shared.refuse_all();
            if let Some(threads) = shared.take_threads() {
                let closing = Arc::clone(&shared);
                // A thread of its own, which ends with those it waits for, so that no async thread waits.
                if let Err(error) = start("store-close".to_owned(), move || closing.shut_down(threads)) {
                    tracing::error!(%error, "the threads of the store end by themselves");
                    shared.closed.send_replace(true);
                }
            }
            // The sender lives in `shared`, so this ends only when it is true.
            drop(shared.closed.subscribe().wait_for(|closed| *closed).await);
        }
        .boxed()
    }
}
