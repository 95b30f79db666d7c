//! How storing can fail.

use exoclaw_protocol::{IdempotencyKey, RunId};

/// What lies beneath: the backend's own error, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A journal could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The session has accepted a message under this key before.
    #[error("the key {0} was used before in this session")]
    DuplicateKey(IdempotencyKey),
    /// The session has accepted this run before.
    #[error("the run {0} was accepted before in this session")]
    DuplicateRun(RunId),
    /// The session's journal is damaged; it can be read as far as it is sound.
    #[error("the session is quarantined: {reason}")]
    Quarantined {
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to append.
    #[error("no record to append")]
    Empty,
    /// A record is larger than any backend takes.
    #[error("a record of {bytes} bytes; at most {max} are kept")]
    TooLarge {
        /// Its bytes as JSON.
        bytes: usize,
        /// Bytes that are allowed.
        max: usize,
    },
    /// The store takes no writes.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// Since what.
        reason: String,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// Too many writes are waiting, or another program holds the database; try again later.
    #[error("too many writes are waiting for the disk")]
    Busy,
    /// Writing failed; nothing of it counts as durable.
    #[error("append to the journal")]
    Failed(#[source] Cause),
}

/// Something could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// A record is not what was written.
    #[error("record {seq} of session {session} is damaged: {problem}")]
    Damaged {
        /// The session, as stored.
        session: String,
        /// The record's number.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// What is looked for is nearly everywhere, so that looking on would keep others waiting.
    #[error("the words are in too much of what was said: add others, or look in fewer sessions")]
    TooLong,
    /// Reading failed.
    #[error("read from the store")]
    Failed(#[source] Cause),
}

/// A plugin's value could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The quota would be exceeded.
    #[error("the key-value quota of {quota} bytes is used up")]
    OverQuota {
        /// Bytes that are allowed.
        quota: u64,
    },
    /// The store takes no writes.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// Since what.
        reason: String,
    },
    /// The store is closed, busy, or failed.
    #[error("use the key-value store")]
    Failed(#[source] Cause),
}

impl From<ReadError> for KvError {
    fn from(error: ReadError) -> Self {
        Self::Failed(error.into())
    }
}
