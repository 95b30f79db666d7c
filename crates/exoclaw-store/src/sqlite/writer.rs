//! The one thread that writes: everything that waits goes into one transaction, and one sync pays for all of it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use futures::channel::oneshot;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, hooks::Wal};

use super::{
    LOCK_PATIENCE,
    health::{Health, Refusal},
};

/// Changes that may wait for the writer. A full queue refuses the next one as busy: it can be sent again, whereas a longer
/// queue would only hide that the disk is too slow.
const QUEUE_CHANGES: usize = 4096;

/// Bytes of records that may wait for the writer, so that few large ones can't fill memory either. Refuses as busy.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Changes of one transaction: bounds how long the first of them waits for the others.
const BATCH_CHANGES: usize = 512;

/// Bytes of one transaction, for the same reason; a single larger change still gets its own.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Time between two looks whether a full disk has room again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Room that must be found before a full disk counts as usable again.
const PROBE_BYTES: u32 = 64 * 1024;

/// Pages of write-ahead log after which a checkpoint copies them into the database: 16 MiB. The longer the log, the more often
/// a page that changes again and again is written once.
const CHECKPOINT_PAGES: u32 = 4096;

/// Pages of log beyond which a checkpoint waits for readers instead of passing them by: bounds the log under steady reading.
const LOG_PAGES: u32 = 16 * 1024;

/// How long such a checkpoint waits, and writes with it. A backup reads for longer: then the log grows until it is done, and
/// the next attempt comes after as many pages again.
const READER_PATIENCE: Duration = Duration::from_millis(100);

/// Something to be written, with whoever waits for it.
trait Change: Send {
    /// Makes the change and says whether to keep it. An error ends the whole transaction.
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<bool>;

    /// Tells how it ended, after the transaction.
    fn answer(self: Box<Self>, committed: &Result<(), Refusal>);
}

struct Pending<W, T, E> {
    work: W,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Change for Pending<W, T, E>
where
    W: FnMut(&Connection) -> rusqlite::Result<Result<T, E>> + Send,
    T: Send,
    E: From<Refusal> + Send,
{
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let result = match (self.work)(connection) {
            Err(error) if concerns_one(&error) => Err(Refusal::Failed(Arc::new(error)).into()),
            other => other?,
        };
        Ok(self.result.insert(result).is_ok())
    }

    fn answer(self: Box<Self>, committed: &Result<(), Refusal>) {
        // A verdict such as "duplicate" may rest on a neighbour in the transaction, so none outlives a failed commit.
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Refusal::Closed.into()),
            (Err(refusal), _) => Err(refusal.clone().into()),
        };
        // Whoever asked may have left.
        drop(self.reply.send(result));
    }
}

/// The error lies in what one change found or brought, not in the disk: the others in the transaction are not touched.
fn concerns_one(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch),
        None => true,
    }
}

struct Queued {
    change: Box<dyn Change>,
    bytes: usize,
}

/// Where changes are handed in.
pub(super) struct Queue {
    /// `None` once closed.
    sender: Mutex<Option<SyncSender<Queued>>>,
    /// Bytes handed in and not yet answered; written by both ends.
    waiting: Arc<AtomicUsize>,
    health: Arc<Health>,
}

/// The thread's side.
pub(super) struct Writer {
    connection: Connection,
    receiver: Receiver<Queued>,
    waiting: Arc<AtomicUsize>,
    health: Arc<Health>,
    /// Pages in the log after the last commit; written by SQLite's hook.
    log_pages: Arc<AtomicU32>,
    /// Pages in the log at which the next checkpoint is due.
    checkpoint_at: u32,
}

pub(super) fn channel(mut connection: Connection, health: &Arc<Health>) -> rusqlite::Result<(Queue, Writer)> {
    let log_pages = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&log_pages);
    connection.wal_hook(Some(move |_: &mut Wal, pages| {
        counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    let (sender, receiver) = sync_channel(QUEUE_CHANGES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let queue = Queue { sender: Mutex::new(Some(sender)), waiting: Arc::clone(&waiting), health: Arc::clone(health) };
    let checkpoint_at = CHECKPOINT_PAGES;
    let writer = Writer { connection, receiver, waiting, health: Arc::clone(health), log_pages, checkpoint_at };
    Ok((queue, writer))
}

impl Queue {
    /// Hands a change in and waits until it is durable or refused. `bytes` is roughly what it writes.
    pub(super) async fn write<T, E>(
        &self,
        bytes: usize,
        work: impl FnMut(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Refusal> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.submit(Queued { change: Box::new(Pending { work, result: None, reply }), bytes })?;
        // The reply is lost only when the writer dies.
        answer.await.unwrap_or_else(|_| Err(self.health.check().err().unwrap_or(Refusal::Closed).into()))
    }

    fn submit(&self, queued: Queued) -> Result<(), Refusal> {
        self.health.check()?;
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(Refusal::Closed)?;
        let bytes = queued.bytes;
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let fits = before == 0 || before + bytes <= QUEUE_BYTES;
        let sent = if fits { sender.try_send(queued).map_err(refusal) } else { Err(Refusal::Busy) };
        if sent.is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        sent
    }

    /// Takes no more changes; the thread ends when it has written what waits.
    pub(super) fn close(&self) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

fn refusal(error: TrySendError<Queued>) -> Refusal {
    match error {
        TrySendError::Full(_) => Refusal::Busy,
        TrySendError::Disconnected(_) => Refusal::Closed,
    }
}

/// Says so when the thread dies of a panic.
struct Obituary(Arc<Health>);

impl Drop for Obituary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer thread panicked".into());
        }
    }
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _obituary = Obituary(Arc::clone(&self.health));
        while let Some(first) = self.next() {
            let (mut batch, bytes) = self.gather(first);
            let committed = self.commit(&mut batch);
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            for change in batch {
                change.answer(&committed);
            }
            if committed.is_ok() {
                self.checkpoint_if_due();
            }
        }
        self.tidy();
    }

    /// Waits for a change; looks for room from time to time while the disk is full.
    fn next(&mut self) -> Option<Queued> {
        while self.health.is_full() {
            match self.receiver.recv_timeout(PROBE_INTERVAL) {
                Ok(queued) => return Some(queued),
                Err(RecvTimeoutError::Timeout) => self.probe(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.receiver.recv().ok()
    }

    /// All that waits, up to the bounds of a transaction.
    fn gather(&self, first: Queued) -> (Vec<Box<dyn Change>>, usize) {
        let (mut batch, mut bytes) = (vec![first.change], first.bytes);
        while batch.len() < BATCH_CHANGES && bytes < BATCH_BYTES {
            let Ok(next) = self.receiver.try_recv() else { break };
            batch.push(next.change);
            bytes += next.bytes;
        }
        (batch, bytes)
    }

    fn commit(&mut self, batch: &mut [Box<dyn Change>]) -> Result<(), Refusal> {
        self.health.check()?;
        write_all(&mut self.connection, batch).map_err(|error| self.health.conclude(error))
    }

    fn probe(&mut self) {
        match probe(&self.connection) {
            Ok(()) => self.health.recover(),
            Err(error) => drop(self.health.conclude(error)),
        }
    }

    /// Done here rather than by SQLite within a commit: nobody waits for it, and a failed sync is not overlooked.
    fn checkpoint_if_due(&mut self) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages < self.checkpoint_at {
            // The log has started over.
            if pages < CHECKPOINT_PAGES {
                self.checkpoint_at = CHECKPOINT_PAGES;
            }
            return;
        }
        self.checkpoint_at = pages.saturating_add(CHECKPOINT_PAGES);
        if let Err(error) = checkpoint(&self.connection, pages) {
            drop(self.health.conclude(error));
        }
    }

    /// Leaves an empty log behind. What stays in it is as durable there, only slower to open.
    fn tidy(&self) {
        if self.health.check().is_ok()
            && let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            tracing::warn!(%error, "the log of the store is left for the next start");
        }
    }
}

/// First without savepoints, which cost as much as a small append. Where a change is refused, all is undone and done again
/// with them, so that what the refused one began to write goes and its neighbours stay.
fn write_all(connection: &mut Connection, batch: &mut [Box<dyn Change>]) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for change in batch.iter_mut() {
        if !change.apply(&transaction)? {
            transaction.rollback()?;
            return write_each(connection, batch);
        }
    }
    transaction.commit()
}

fn write_each(connection: &mut Connection, batch: &mut [Box<dyn Change>]) -> rusqlite::Result<()> {
    let mut transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for change in batch {
        let savepoint = transaction.savepoint()?;
        if change.apply(&savepoint)? {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
    }
    transaction.commit()
}

fn checkpoint(connection: &Connection, pages: u32) -> rusqlite::Result<()> {
    if pages < LOG_PAGES {
        return connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
    connection.busy_timeout(READER_PATIENCE)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(LOCK_PATIENCE)?;
    done
}

/// Writes and removes something large enough, each durably.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO probe (id, filler) VALUES (1, zeroblob(?1))", [PROBE_BYTES])?;
    connection.execute("DELETE FROM probe", [])?;
    Ok(())
}
