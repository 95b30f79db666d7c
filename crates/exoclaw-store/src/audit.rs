//! The audit trail: who did or was refused what, in records that can't be changed unnoticed.
//!
//! Each record holds a hash over itself and the record before it, so that edits, deletions, reorderings and insertions
//! show. The newest hash is kept in another directory as well, so that a cut-off end shows, too. `specs/audit.md` is the
//! format. A record names people, places and things, and digests of them; it never holds what was said.
//!
//! [`Audit::note`] never waits; [`Audit::guard`] resolves when the record is durable, and comes before the effect that the
//! record is about. One thread writes, everything that waits with one sync. What is noted again and again is summed, so
//! that nobody who is refused can fill the disk.

mod entry;
mod file;
mod line;
mod read;
mod sums;
mod text;
mod verify;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use crate::CredentialError;

pub use self::{
    entry::{Decision, Entry, What},
    line::Record,
    read::{Records, newest, records},
    verify::{Problem, Verdict, verify},
};
use self::{file::Trail, writer::Shared};

/// Tells the time of day in milliseconds since 1970.
pub type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Where a trail lies, and how much of it is kept.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// The directory of the records.
    pub records: PathBuf,
    /// The directory of the newest hash: another one, best one that fewer can write to.
    pub head: PathBuf,
    /// Bytes of one file, after which the next is begun.
    pub file_bytes: u64,
    /// Files that are kept; the oldest goes when one more is begun.
    pub files: usize,
}

impl AuditConfig {
    /// The two directories, and room for about a million records.
    pub fn new(records: impl Into<PathBuf>, head: impl Into<PathBuf>) -> Self {
        Self { records: records.into(), head: head.into(), file_bytes: 4 * 1024 * 1024, files: 64 }
    }
}

/// A trail that can't be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrailError {
    /// Another process writes it.
    #[error("the audit trail in {path} is in use by another process, such as the daemon")]
    InUse {
        /// Its directory.
        path: PathBuf,
    },
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] CredentialError),
    /// The system gives us no thread.
    #[error("start the thread that writes the audit trail")]
    Thread(#[source] std::io::Error),
}

/// A record that is not durable: what it guards must not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unrecorded {
    /// Too many records wait.
    #[error("too much waits to be recorded in the audit trail: try again later")]
    Busy,
    /// The disk refuses.
    #[error("the audit trail can't be written; the log says why")]
    Failed,
    /// The trail is closed.
    #[error("the audit trail is closed")]
    Closed,
}

/// A trail that is written. Clones are handles of one trail.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<Owner>>);

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// A trail that keeps nothing: for tests, and for embedding without a home. Entries still reach the log.
    pub fn discard() -> Self {
        Self(None)
    }

    /// Opens a trail, for this process alone. One that was tampered with goes on in a new file, with a record of it.
    ///
    /// # Errors
    /// When another process writes it, others can read or write its directories, or the disk refuses.
    pub fn open(config: AuditConfig, now: Now) -> Result<Self, TrailError> {
        let trail = Trail::open(config, now())?;
        let shared = Arc::new(Shared::new(now));
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("exoclaw-audit".to_owned());
        let thread = thread.spawn(move || writer::run(&of_thread, trail)).map_err(TrailError::Thread)?;
        Ok(Self(Some(Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) }))))
    }

    /// Notes something that happened, soon. The same again within a minute is only counted.
    pub fn note(&self, entry: Entry) {
        match &self.0 {
            Some(owner) => owner.shared.note(entry),
            None => writer::log(&entry, 1),
        }
    }

    /// Makes a record durable before the effect that it is about.
    ///
    /// # Errors
    /// When it is not durable; the effect must not follow.
    pub async fn guard(&self, entry: Entry) -> Result<(), Unrecorded> {
        match &self.0 {
            Some(owner) => owner.shared.guard(entry)?.await.unwrap_or(Err(Unrecorded::Closed)),
            None => {
                writer::log(&entry, 1);
                Ok(())
            }
        }
    }

    /// [`guard`](Self::guard) for threads that may wait; panics on an async one.
    ///
    /// # Errors
    /// As [`guard`](Self::guard).
    pub fn guard_blocking(&self, entry: Entry) -> Result<(), Unrecorded> {
        match &self.0 {
            Some(owner) => owner.shared.guard(entry)?.blocking_recv().unwrap_or(Err(Unrecorded::Closed)),
            None => {
                writer::log(&entry, 1);
                Ok(())
            }
        }
    }

    /// Whether the last attempt to write failed.
    pub fn is_failing(&self) -> bool {
        self.0.as_ref().is_some_and(|owner| owner.shared.is_failing())
    }

    /// Writes what was noted and ends the thread. Blocks on the disk. What comes later is lost.
    pub fn close(&self) {
        if let Some(owner) = &self.0 {
            owner.close();
        }
    }
}

impl Owner {
    fn close(&self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic of it was logged there.
        thread.map(JoinHandle::join);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}
