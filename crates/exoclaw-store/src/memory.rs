//! The reference: everything in memory, nothing durable.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{IdempotencyKey, JobId, RunId, RunOptions, SessionKey, Spent, TokenName};
use futures::future::{BoxFuture, FutureExt};

use crate::{
    AppendError, Appended, Conversation, Delivery, Entry, Found, KeyedRun, KvError, KvScope, OpenRun, Page, ReadError,
    Record, RunOutcome, RunSummary, Search, SessionFilter, SessionSummary, Spending, Store, StoredJob, encoded,
    spending::SpendingSums, sqlite::search::find_among, store::DAY_MS,
};

/// A store that forgets all when it is dropped and grows with what it holds: for tests, and for embedding without a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Records and runs ever appended: orders sessions and runs among each other.
    clock: u64,
    sessions: BTreeMap<SessionKey, Session>,
    values: BTreeMap<KvScope, BTreeMap<String, Vec<u8>>>,
    jobs: BTreeMap<JobId, String>,
    /// What deleted sessions had spent: by agent, day and credential.
    spent_before: BTreeMap<(String, u64, Option<TokenName>), Spent>,
}

#[derive(Debug, Default)]
struct Session {
    created_ms: u64,
    updated_ms: u64,
    touched: u64,
    messages: u64,
    quarantined: Option<String>,
    /// The record of number `n` is at `n - 1`.
    records: Vec<Stored>,
    runs: Vec<Run>,
    /// By day and credential.
    spent: BTreeMap<(u64, Option<TokenName>), Spent>,
    conversation: Conversation,
    /// In the order of their messages.
    deliveries: Vec<Due>,
}

/// An answer that a channel is to deliver, once there is one.
#[derive(Debug)]
struct Due {
    run_id: RunId,
    channel: String,
    to: String,
    ended_seq: Option<u64>,
}

#[derive(Debug)]
struct Stored {
    /// Orders the records of all sessions.
    order: u64,
    at_ms: u64,
    json: String,
}

#[derive(Debug)]
struct Run {
    run_id: RunId,
    order: u64,
    accepted_seq: u64,
    accepted_ms: u64,
    resumed: u32,
    digest: String,
    key: Option<IdempotencyKey>,
    by: Option<TokenName>,
    outcome: Option<RunOutcome>,
    options: RunOptions,
}

/// Everything.
const ALL: Page = Page { entries: u32::MAX, bytes: u64::MAX };

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` on the state when the future is polled.
    fn with<T, E>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, E> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<Closed> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        async move {
            let mut state = lock(&state);
            if state.closed { Err(Closed.into()) } else { work(&mut state) }
        }
        .boxed()
    }
}

/// Every change of the state is complete before the lock goes, so that a panic elsewhere leaves it sound.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Closed;

impl From<Closed> for AppendError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<Closed> for ReadError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<Closed> for KvError {
    fn from(_: Closed) -> Self {
        Self::Failed(ReadError::Closed.into())
    }
}

impl State {
    fn append(&mut self, key: SessionKey, at_ms: u64, records: Vec<Record>) -> Result<Appended, AppendError> {
        let records = encoded::encode(records)?;
        if let Some(reason) = self.sessions.get(&key).and_then(|session| session.quarantined.clone()) {
            return Err(AppendError::Quarantined { reason });
        }
        let known: &[Run] = self.sessions.get(&key).map_or(&[], |session| &session.runs);
        refuse_repeated(known, records.iter().map(|encoded| &encoded.record))?;

        let session = self.sessions.entry(key).or_insert_with(|| Session { created_ms: at_ms, ..Session::default() });
        let first = session.last_seq() + 1;
        for encoded in records {
            self.clock += 1;
            session.records.push(Stored { order: self.clock, at_ms, json: encoded.json });
            session.fold(encoded.record, at_ms, self.clock);
        }
        session.updated_ms = at_ms;
        session.touched = self.clock;
        Ok(Appended { first, last: session.last_seq() })
    }
}

fn refuse_repeated<'a>(known: &[Run], records: impl Iterator<Item = &'a Record>) -> Result<(), AppendError> {
    let mut runs: Vec<&RunId> = known.iter().map(|run| &run.run_id).collect();
    let mut keys: Vec<&IdempotencyKey> = known.iter().filter_map(|run| run.key.as_ref()).collect();
    for record in records {
        let Record::Accepted { run_id, key, .. } = record else { continue };
        if let Some(key) = key {
            if keys.contains(&key) {
                return Err(AppendError::DuplicateKey(key.clone()));
            }
            keys.push(key);
        }
        if runs.contains(&run_id) {
            return Err(AppendError::DuplicateRun(run_id.clone()));
        }
        runs.push(run_id);
    }
    Ok(())
}

impl Session {
    fn last_seq(&self) -> u64 {
        self.records.len() as u64
    }

    fn fold(&mut self, record: Record, at_ms: u64, order: u64) {
        let seq = self.last_seq();
        self.conversation.fold(seq, &record);
        match record {
            Record::Accepted { run_id, key, digest, by, options, origin, to, .. } => {
                self.messages += 1;
                if let (Some(origin), Some(to)) = (origin, to) {
                    let (run_id, channel) = (run_id.clone(), origin.channel);
                    self.deliveries.push(Due { run_id, channel, to, ended_seq: None });
                }
                let (accepted_seq, accepted_ms, resumed, outcome) = (seq, at_ms, 0, None);
                let run = Run { run_id, order, accepted_seq, accepted_ms, resumed, digest, key, by, outcome, options };
                self.runs.push(run);
            }
            Record::RunResumed { run_id } => {
                if let Some(run) = self.open_run(&run_id) {
                    run.resumed += 1;
                }
            }
            Record::RunEnded { run_id, outcome } => {
                if let Some(run) = self.open_run(&run_id) {
                    run.outcome = Some(outcome.clone());
                    self.answered(&run_id, outcome, seq);
                }
            }
            Record::Step { run_id, usage, cost, .. } => {
                let run = self.runs.iter().find(|run| run.run_id == run_id);
                let of = (at_ms / DAY_MS, run.and_then(|run| run.by.clone()));
                *self.spent.entry(of).or_default() += Spent { steps: 1, usage, cost: cost.unwrap_or_default() };
            }
            Record::Summarized { usage, cost, by, .. } => {
                *self.spent.entry((at_ms / DAY_MS, by)).or_default() +=
                    Spent { steps: 1, usage, cost: cost.unwrap_or_default() };
            }
            Record::Delivered { run_id, .. } => {
                self.deliveries.retain(|due| due.run_id != run_id || due.ended_seq.is_none());
            }
            Record::Set { .. }
            | Record::Reset {}
            | Record::Compacted { .. }
            | Record::Noted { .. }
            | Record::RunStarted { .. }
            | Record::RunSuspended { .. }
            | Record::ApprovalRequested { .. }
            | Record::ApprovalResolved { .. }
            | Record::Intent { .. }
            | Record::ToolResult { .. } => {}
        }
    }

    /// A run ended; what it said, if it did, is to be delivered.
    fn answered(&mut self, run_id: &RunId, outcome: RunOutcome, seq: u64) {
        let Some(position) = self.deliveries.iter().position(|due| due.run_id == *run_id) else { return };
        match outcome {
            RunOutcome::Ok | RunOutcome::Failed { .. } => self.deliveries[position].ended_seq = Some(seq),
            RunOutcome::Aborted { .. } => drop(self.deliveries.remove(position)),
            RunOutcome::Joined { into, .. } => {
                let moved = self.deliveries.remove(position);
                self.deliveries.retain(|due| due.run_id != into);
                self.deliveries.push(Due { run_id: into, ..moved });
            }
        }
    }

    fn open_run(&mut self, run_id: &RunId) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.run_id == *run_id && run.outcome.is_none())
    }

    fn summary(&self, key: &SessionKey) -> SessionSummary {
        SessionSummary {
            session: key.clone(),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            last_seq: self.last_seq(),
            messages: self.messages,
            quarantined: self.quarantined.clone(),
            conversation: self.conversation.clone(),
            spent: self.spent.values().fold(Spent::default(), |mut sum, spent| {
                sum += *spent;
                sum
            }),
        }
    }

    /// The records of these numbers, up to the page's bounds.
    fn page(&self, key: &SessionKey, numbers: impl Iterator<Item = u64>, page: Page) -> Result<Vec<Entry>, ReadError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for seq in numbers.take(page.entries.max(1) as usize) {
            let Some(stored) = usize::try_from(seq - 1).ok().and_then(|index| self.records.get(index)) else { break };
            bytes += stored.json.len() as u64;
            if bytes > page.bytes && !entries.is_empty() {
                break;
            }
            let record = encoded::decode(key.as_str(), seq, stored.json.as_bytes())?;
            entries.push(Entry { seq, at_ms: stored.at_ms, record });
        }
        Ok(entries)
    }
}

impl Store for MemoryStore {
    fn append(
        &self,
        session: &SessionKey,
        at_ms: u64,
        records: Vec<Record>,
    ) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let session = session.clone();
        self.with(move |state| state.append(session, at_ms, records))
    }

    fn read(&self, session: &SessionKey, after: u64, page: Page) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let key = session.clone();
        self.with(move |state| match state.sessions.get(&key) {
            Some(session) => session.page(&key, after.saturating_add(1)..=session.last_seq(), page),
            None => Ok(Vec::new()),
        })
    }

    fn tail(
        &self,
        session: &SessionKey,
        before: Option<u64>,
        page: Page,
    ) -> BoxFuture<'static, Result<Vec<Entry>, ReadError>> {
        let key = session.clone();
        self.with(move |state| {
            let Some(session) = state.sessions.get(&key) else { return Ok(Vec::new()) };
            let end = before.unwrap_or(u64::MAX).min(session.last_seq() + 1);
            let mut entries = session.page(&key, (1..end).rev(), page)?;
            entries.reverse();
            Ok(entries)
        })
    }

    fn sessions(&self, filter: SessionFilter) -> BoxFuture<'static, Result<Vec<SessionSummary>, ReadError>> {
        self.with(move |state| {
            let mut sessions: Vec<_> = state.sessions.iter().collect();
            sessions.sort_by_key(|(_, session)| std::cmp::Reverse(session.touched));
            let summaries = sessions.into_iter().map(|(key, session)| session.summary(key));
            Ok(summaries.filter(|summary| filter.takes(summary)).take(filter.limit as usize).collect())
        })
    }

    fn session(&self, session: &SessionKey) -> BoxFuture<'static, Result<Option<SessionSummary>, ReadError>> {
        let key = session.clone();
        self.with(move |state| Ok(state.sessions.get(&key).map(|session| session.summary(&key))))
    }

    /// Slow: the index is made anew each time.
    fn search(&self, search: Search) -> BoxFuture<'static, Result<Found, ReadError>> {
        self.with(move |state| {
            let of = |(key, session): (&SessionKey, &Session)| {
                let entries = session.page(key, 1..=session.last_seq(), ALL)?.into_iter().zip(&session.records);
                Ok(entries.map(|(entry, stored)| (stored.order, key.clone(), entry)).collect())
            };
            let all: Result<Vec<Vec<_>>, ReadError> = state.sessions.iter().map(of).collect();
            let mut all: Vec<_> = all?.into_iter().flatten().collect();
            all.sort_by_key(|(order, ..)| *order);
            find_among(all.into_iter().map(|(_, key, entry)| (key, entry)), &search)
        })
    }

    fn session_count(&self) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.with(|state| Ok(state.sessions.len() as u64))
    }

    fn open_runs(&self) -> BoxFuture<'static, Result<Vec<OpenRun>, ReadError>> {
        self.with(|state| {
            let sound = state.sessions.iter().filter(|(_, session)| session.quarantined.is_none());
            let runs = sound.flat_map(|(key, session)| session.runs.iter().map(move |run| (key, run)));
            let mut open: Vec<_> = runs.filter(|(_, run)| run.outcome.is_none()).collect();
            open.sort_by_key(|(_, run)| run.order);
            let describe = |(key, run): (&SessionKey, &Run)| OpenRun {
                session: key.clone(),
                run_id: run.run_id.clone(),
                accepted_seq: run.accepted_seq,
                resumed: run.resumed,
                by: run.by.clone(),
                options: run.options,
            };
            Ok(open.into_iter().map(describe).collect())
        })
    }

    fn deliveries(&self, channel: &str, limit: u32) -> BoxFuture<'static, Result<Vec<Delivery>, ReadError>> {
        let channel = channel.to_owned();
        self.with(move |state| {
            let sound = state.sessions.iter().filter(|(_, session)| session.quarantined.is_none());
            let first = |(key, session): (&SessionKey, &Session)| {
                let due = session.deliveries.iter().filter(|due| due.channel == channel);
                let (ended_seq, due) = due.filter_map(|due| Some((due.ended_seq?, due))).min_by_key(|(seq, _)| *seq)?;
                let (session, run_id, to) = (key.clone(), due.run_id.clone(), due.to.clone());
                Some(Delivery { session, run_id, ended_seq, to })
            };
            Ok(sound.filter_map(first).take(limit as usize).collect())
        })
    }

    fn delivery_count(&self, channel: &str) -> BoxFuture<'static, Result<u64, ReadError>> {
        let channel = channel.to_owned();
        self.with(move |state| {
            let all = state.sessions.values().flat_map(|session| &session.deliveries);
            Ok(all.filter(|due| due.channel == channel && due.ended_seq.is_some()).count() as u64)
        })
    }

    fn find_key(
        &self,
        session: &SessionKey,
        key: &IdempotencyKey,
    ) -> BoxFuture<'static, Result<Option<KeyedRun>, ReadError>> {
        let (session, key) = (session.clone(), key.clone());
        self.with(move |state| {
            let runs: &[Run] = state.sessions.get(&session).map_or(&[], |session| &session.runs);
            let found = runs.iter().find(|run| run.key.as_ref() == Some(&key));
            Ok(found.map(|run| KeyedRun {
                run_id: run.run_id.clone(),
                digest: run.digest.clone(),
                outcome: run.outcome.clone(),
            }))
        })
    }

    fn find_run(&self, run_id: &RunId) -> BoxFuture<'static, Result<Option<RunSummary>, ReadError>> {
        let run_id = run_id.clone();
        self.with(move |state| {
            let all = state.sessions.iter().flat_map(|(key, session)| session.runs.iter().map(move |run| (key, run)));
            let found = all.filter(|(_, run)| run.run_id == run_id).min_by_key(|(_, run)| run.order);
            Ok(found.map(|(key, run)| RunSummary {
                session: key.clone(),
                run_id: run.run_id.clone(),
                accepted_seq: run.accepted_seq,
                accepted_ms: run.accepted_ms,
                outcome: run.outcome.clone(),
            }))
        })
    }

    fn spending(
        &self,
        session: Option<&SessionKey>,
        since_day: u64,
    ) -> BoxFuture<'static, Result<Vec<Spending>, ReadError>> {
        let wanted = session.cloned();
        self.with(move |state| {
            let mut spending = SpendingSums::default();
            for (key, session) in &state.sessions {
                if wanted.as_ref().is_some_and(|wanted| wanted != key) {
                    continue;
                }
                for ((day, credential), spent) in session.spent.range((since_day, None)..) {
                    spending.add(*day, key.agent(), credential.clone(), *spent);
                }
            }
            if wanted.is_none() {
                for ((agent, day, credential), spent) in &state.spent_before {
                    if *day >= since_day {
                        spending.add(*day, agent, credential.clone(), *spent);
                    }
                }
            }
            Ok(spending.into_list())
        })
    }

    fn forget_keys(&self, before_ms: u64, limit: u32) -> BoxFuture<'static, Result<u32, AppendError>> {
        self.with(move |state| {
            let runs = state.sessions.values_mut().flat_map(|session| &mut session.runs);
            let is_due = |run: &&mut Run| run.key.is_some() && run.outcome.is_some() && run.accepted_ms < before_ms;
            let mut due: Vec<_> = runs.filter(is_due).collect();
            due.sort_by_key(|run| (run.accepted_ms, run.order));
            due.truncate(limit as usize);
            let mut forgotten = 0;
            for run in due {
                run.key = None;
                forgotten += 1;
            }
            Ok(forgotten)
        })
    }

    fn quarantine(&self, session: &SessionKey, reason: &str) -> BoxFuture<'static, Result<(), AppendError>> {
        let (key, reason) = (session.clone(), reason.to_owned());
        self.with(move |state| {
            if let Some(session) = state.sessions.get_mut(&key) {
                session.quarantined.get_or_insert(reason);
            }
            Ok(())
        })
    }

    fn delete(&self, session: &SessionKey) -> BoxFuture<'static, Result<bool, AppendError>> {
        let key = session.clone();
        self.with(move |state| {
            let Some(session) = state.sessions.remove(&key) else { return Ok(false) };
            for ((day, credential), spent) in session.spent {
                *state.spent_before.entry((key.agent().to_owned(), day, credential)).or_default() += spent;
            }
            Ok(true)
        })
    }

    fn kv_get(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<Option<Vec<u8>>, KvError>> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.with(move |state| Ok(state.values.get(&scope).and_then(|values| values.get(&key)).cloned()))
    }

    fn kv_set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        quota: u64,
    ) -> BoxFuture<'static, Result<(), KvError>> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.with(move |state| {
            encoded::check_value(&value)?;
            let values = state.values.entry(scope).or_default();
            let others = values.iter().filter(|(other, _)| **other != key);
            let kept: usize = others.map(|(other, value)| other.len() + value.len()).sum();
            if (kept + key.len() + value.len()) as u64 > quota {
                return Err(KvError::OverQuota { quota });
            }
            values.insert(key, value);
            Ok(())
        })
    }

    fn kv_delete(&self, scope: &KvScope, key: &str) -> BoxFuture<'static, Result<(), KvError>> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.with(move |state| {
            state.values.get_mut(&scope).and_then(|values| values.remove(&key));
            Ok(())
        })
    }

    fn kv_keys(&self, scope: &KvScope, prefix: &str, limit: u32) -> BoxFuture<'static, Result<Vec<String>, KvError>> {
        let (scope, prefix) = (scope.clone(), prefix.to_owned());
        self.with(move |state| {
            let keys = state.values.get(&scope).into_iter().flat_map(BTreeMap::keys);
            Ok(keys.filter(|key| key.starts_with(&prefix)).take(limit as usize).cloned().collect())
        })
    }

    fn jobs(&self) -> BoxFuture<'static, Result<Vec<StoredJob>, ReadError>> {
        let job = |(id, text): (&JobId, &String)| StoredJob { id: id.clone(), text: Some(text.clone()) };
        self.with(move |state| Ok(state.jobs.iter().map(job).collect()))
    }

    fn set_job(&self, id: &JobId, text: Option<String>) -> BoxFuture<'static, Result<(), AppendError>> {
        let id = id.clone();
        self.with(move |state| {
            match text {
                Some(text) => {
                    encoded::check_size(text.len())?;
                    state.jobs.insert(id, text);
                }
                None => drop(state.jobs.remove(&id)),
            }
            Ok(())
        })
    }

    fn read_only(&self) -> Option<String> {
        lock(&self.state).closed.then(|| "the store is closed".to_owned())
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let state = Arc::clone(&self.state);
        async move { lock(&state).closed = true }.boxed()
    }
}
