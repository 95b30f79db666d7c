//! The trait that every backend implements.

use std::fmt;

use exoclaw_protocol::{AgentId, IdempotencyKey, JobId, PluginName, RunId, RunOptions, SessionKey, Spent, TokenName};
use futures::future::BoxFuture;

use crate::{AppendError, Conversation, Entry, Found, KvError, ReadError, Record, RunOutcome, Search};

/// Durable state: journals of sessions, and what plugins keep.
///
/// A future does nothing before it is first polled. A write is durable when its future resolves, and only then. A future
/// that is dropped halfway may or may not have taken effect. No method blocks the calling thread on the disk.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Appends records to a session's journal, all or none, in order.
    ///
    /// # Errors
    /// [`AppendError::DuplicateKey`] when an accepted message carries a key that the session has seen and not forgotten,
    /// [`AppendError::Quarantined`] when the session is quarantined. After [`AppendError::Failed`] alone it is unknown whether the records were kept; any other error leaves the journal as it was.
    fn append(
        &self,
        session: &SessionKey,
        at_ms: u64,
        records: Vec<Record>,
    ) -> BoxFuture<'static, Result<Appended, AppendError>>;

    /// Entries with `seq > after`, oldest first, up to the page's bounds.
    fn read(&self, session: &SessionKey, after: u64, page: Page) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>>;

    /// The newest entries up to the page's bounds, oldest first; with `before`, only those with `seq < before`.
    fn tail(
        &self,
        session: &SessionKey,
        before: Option<u64>,
        page: Page,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>>;

    /// The sessions that a filter takes, the one that was appended to last at the front.
    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'static, Result<Vec<SessionSummary>, ReadError>>;

    /// One session, if it has any record.
    fn session(&self, session: &SessionKey) -> BoxFuture<'static, Result<Option<SessionSummary>, ReadError>>;

    /// Where words are in the sessions' present conversations: in messages, answers and summaries, in upper or lower case and
    /// with or without diacritics.
    ///
    /// # Errors
    /// [`ReadError::TooLong`] when it takes too long.
    fn search(&self, search: Search) -> BoxFuture<'static, Result<Found, ReadError>>;

    /// How many sessions there are.
    fn session_count(&self) -> BoxFuture<'static, Result<u64, ReadError>>;

    /// Runs that were accepted and have not ended, in the order of acceptance; none of quarantined sessions.
    fn open_runs(&self) -> BoxFuture<'static, Result<Vec<OpenRun>, ReadError>>;

    /// Answers that a channel is to deliver: of each session the first one that waits, at most `limit`; none of quarantined
    /// sessions.
    fn deliveries(&self, channel: &str, limit: u32) -> BoxFuture<'static, Result<Vec<Delivery>, ReadError>>;

    /// How many answers wait for a channel to deliver them; those of quarantined sessions count.
    fn delivery_count(&self, channel: &str) -> BoxFuture<'static, Result<u64, ReadError>>;

    /// What was accepted under a key, unless it is forgotten.
    fn find_key(
        &self,
        session: &SessionKey,
        key: &IdempotencyKey,
    ) -> BoxFuture<'static, Result<Option<KeyedRun>, ReadError>>;

    /// One run, if it was accepted; of one that was imported beside its original, the original.
    fn find_run(&self, run_id: &RunId) -> BoxFuture<'static, Result<Option<RunSummary>, ReadError>>;

    /// What model steps used and cost since a day, counted from 1970-01-01 in UTC: of all sessions, deleted ones included, or of one. One item per
    /// day, agent and credential, in this order.
    fn spending(
        &self,
        session: Option<&SessionKey>,
        since_day: u64,
    ) -> BoxFuture<'static, Result<Vec<Spending>, ReadError>>;

    /// Forgets the keys of runs that have ended and were accepted before `before_ms`, at most `limit` of them; the runs stay.
    /// A key that is forgotten can be used again. Says how many there were: when it is `limit`, there may be more.
    fn forget_keys(&self, before_ms: u64, limit: u32) -> BoxFuture<'static, Result<u32, AppendError>>;

    /// Takes a damaged session out of use, for the reason given: nothing is appended to it and its runs are not open any
    /// more, while it is listed and read as before. The first reason counts; an unknown session is left alone.
    fn quarantine(&self, session: &SessionKey, reason: &str) -> BoxFuture<'static, Result<(), AppendError>>;

    /// Deletes a session with its journal, its runs and all that is known of it; says whether it was there. What it spent
    /// stays in the sums over all sessions. A later append under its key begins a new session.
    fn delete(&self, session: &SessionKey) -> BoxFuture<'static, Result<bool, AppendError>>;

    /// Reads a plugin's value.
    fn kv_get(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<Option<Vec<u8>>, KvError>>;

    /// Writes a plugin's value. Keys and values together stay within `quota` bytes per scope.
    fn kv_set(&self, scope: &KvScope, key: &str, value: Vec<u8>, quota: u64)
    -> BoxFuture<'static, Result<(), KvError>>;

    /// Removes a plugin's value, if it is there.
    fn kv_delete(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<(), KvError>>;

    /// A plugin's keys that start with `prefix`, in byte order.
    fn kv_keys(&self, scope: &KvScope, prefix: &str, limit: u32) -> BoxFuture<'static, Result<Vec<String>, KvError>>;

    /// The scheduler's jobs by id. A damaged one hides no other.
    fn jobs(&self) -> BoxFuture<'static, Result<Vec<StoredJob>, ReadError>>;

    /// Keeps the text of a job in place of its earlier one; removes the job where there is none.
    fn set_job(&self, id: &JobId, text: Option<String>) -> BoxFuture<'static, Result<(), AppendError>>;

    /// Why no write is taken at present, if so.
    fn read_only(&self) -> Option<String>;

    /// Waits for writes that are under way and releases the files. Whatever is asked later is refused.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// Where appended records stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
}

/// Bounds of what is read at once. At least one entry comes back where there is one, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many entries.
    pub entries: u32,
    /// At most so many bytes of stored records.
    pub bytes: u64,
}

/// One session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// The session.
    pub session: SessionKey,
    /// Time of its first record.
    pub created_ms: u64,
    /// Time of its last record.
    pub updated_ms: u64,
    /// Number of its last record.
    pub last_seq: u64,
    /// Messages that were accepted.
    pub messages: u64,
    /// Why it is quarantined, if it is.
    pub quarantined: Option<String>,
    /// What its records say about the conversation that goes on in it.
    pub conversation: Conversation,
    /// What its model steps used and cost, in all.
    pub spent: Spent,
}

/// Which sessions are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// At most so many.
    pub limit: u32,
    /// Of this agent alone.
    pub agent: Option<AgentId>,
    /// With exactly this label.
    pub label: Option<String>,
    /// With this text in key, label or title, in upper or lower case.
    pub text: Option<String>,
    /// Used at or after this time, in milliseconds since 1970.
    pub since_ms: u64,
    /// Only archived ones, or only others.
    pub archived: Option<bool>,
}

impl SessionFilter {
    /// The latest sessions, whichever they are.
    pub fn latest(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The session is wanted.
    pub fn takes(&self, summary: &SessionSummary) -> bool {
        let Conversation { title, settings, .. } = &summary.conversation;
        let has_text = |text: &String| {
            let text = text.to_lowercase();
            let texts = [Some(summary.session.as_str()), settings.label.as_deref(), title.as_deref()];
            texts.into_iter().flatten().any(|within| within.to_lowercase().contains(&text))
        };
        self.agent.as_ref().is_none_or(|agent| agent.as_str() == summary.session.agent())
            && self.label.as_ref().is_none_or(|label| settings.label.as_ref() == Some(label))
            && self.archived.is_none_or(|archived| archived == settings.archived)
            && summary.updated_ms >= self.since_ms
            && self.text.as_ref().is_none_or(has_text)
    }
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its session.
    pub session: SessionKey,
    /// The run.
    pub run_id: RunId,
    /// Number of the record that accepted its message.
    pub accepted_seq: u64,
    /// When its message was accepted, in milliseconds since 1970.
    pub accepted_ms: u64,
    /// How it ended, if it has.
    pub outcome: Option<RunOutcome>,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Its session.
    pub session: SessionKey,
    /// The run.
    pub run_id: RunId,
    /// Number of the record that accepted its message.
    pub accepted_seq: u64,
    /// How often a process took it up again: records of kind [`Record::RunResumed`].
    pub resumed: u32,
    /// The credential that sent its message, if that is known.
    pub by: Option<TokenName>,
    /// How its message is to be treated.
    pub options: RunOptions,
}

/// An answer that a channel is to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its session.
    pub session: SessionKey,
    /// The run that answered.
    pub run_id: RunId,
    /// Number of the record that ended the run; what it said is in the records before.
    pub ended_seq: u64,
    /// What the channel needs to tell it there.
    pub to: String,
}

/// What was accepted under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRun {
    /// The run that answers it.
    pub run_id: RunId,
    /// Digest of the accepted message.
    pub digest: String,
    /// How it ended, if it has.
    pub outcome: Option<RunOutcome>,
}

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What was used and spent in one day, by one agent for one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The day, counted from 1970-01-01 in UTC.
    pub day: u64,
    /// The agent that answered.
    pub agent: AgentId,
    /// The credential that sent the message, if that is known.
    pub credential: Option<TokenName>,
    /// How much.
    pub spent: Spent,
}

/// A job of the scheduler, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJob {
    /// Its name.
    pub id: JobId,
    /// What the scheduler keeps of it; none where that is damaged.
    pub text: Option<String>,
}

/// Whose key-value store: one per plugin and agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KvScope {
    /// The plugin.
    pub plugin: PluginName,
    /// The agent that calls it.
    pub agent: AgentId,
}
