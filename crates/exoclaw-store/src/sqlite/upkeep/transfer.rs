//! One session as JSON Lines: out of one store, into another.

use std::{
    collections::BTreeSet,
    io::{BufRead, Read, Write},
    ops::ControlFlow,
    path::Path,
};

use exoclaw_protocol::{ErrorCode, RunId, SessionKey};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::{
    super::{OpenError, SqliteConfig, file, journal, open_writer},
    Problem, UpkeepError, look, records,
};
use crate::{
    AppendError, Entry, Record, RunOutcome,
    encoded::{self, RECORD_BYTES},
};

/// Longest line that is read: a record with what stands around it.
const LINE_BYTES: u64 = RECORD_BYTES as u64 + 1024;

/// Version of the lines.
const VERSION: u32 = 1;

/// The first line: what follows.
#[derive(Debug, Serialize, Deserialize)]
struct Heading {
    /// The version of the lines.
    exoclaw_session: u32,
    session: SessionKey,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    seq: u64,
    at_ms: u64,
    record: Record,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Records that were written.
    pub records: u64,
    /// Records that are damaged and were left out.
    pub damaged: Vec<Problem>,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The session.
    pub session: SessionKey,
    /// Its records.
    pub records: u64,
    /// Runs that had not ended when they were exported. They are ended as interrupted: no tool runs because of an import.
    pub ended: u64,
}

/// Writes a session, a record to a line, after a line that says what it is. The store may be in use. Damaged records are
/// left out and named.
///
/// # Errors
/// When there is no such session, the store can't be read, or `out` not be written.
pub fn export_session(path: &Path, session: &SessionKey, out: &mut dyn Write) -> Result<Exported, UpkeepError> {
    let connection = look(path)?;
    let id: Option<i64> = connection
        .query_row("SELECT id FROM sessions WHERE key = ?1", [session.as_str()], |row| row.get(0))
        .optional()?;
    let id = id.ok_or_else(|| UpkeepError::NoSession(session.to_string()))?;
    write_line(out, &Heading { exoclaw_session: VERSION, session: session.clone() })?;

    let mut written = 0;
    let damaged = records(&connection, (id, session.as_str()), 0, |Entry { seq, at_ms, record }| {
        write_line(out, &Line { seq, at_ms, record })?;
        written += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    out.flush().map_err(UpkeepError::Stream)?;
    Ok(Exported { records: written, damaged })
}

/// Reads what [`export_session`] wrote into a session that is not there yet: its own, or `session`. All or nothing. Records
/// are numbered anew and keep their times; runs that had not ended are ended at `now_ms`.
///
/// # Errors
/// When the store is in use or can't be written, the session is there, or a line is not of an export.
pub fn import_session(
    config: &SqliteConfig,
    input: &mut dyn BufRead,
    session: Option<&SessionKey>,
    now_ms: u64,
) -> Result<Imported, UpkeepError> {
    let mut lines = Lines { input, number: 0 };
    let heading: Heading = lines.next()?.ok_or_else(|| lines.bad("there is nothing"))?;
    if heading.exoclaw_session != VERSION {
        return Err(lines.bad(&format!("version {} is not known here", heading.exoclaw_session)));
    }
    let session = session.cloned().unwrap_or(heading.session);
    let entries = std::iter::from_fn(|| {
        lines.next().map(|line| line.map(|Line { at_ms, record, .. }| (at_ms, record))).transpose()
    });
    // The heading is a line, too.
    Importer::open(config)?.add(session, entries, now_ms).map_err(|error| match error {
        UpkeepError::Refused { line, source } => UpkeepError::Refused { line: line + 1, source },
        error => error,
    })
}

/// Puts sessions into a store that nobody uses meanwhile. Dropped, it gives the store free.
#[derive(Debug)]
pub struct Importer {
    connection: Connection,
    _ownership: file::Ownership,
}

impl Importer {
    /// Takes the store for itself; one that is not there is made.
    ///
    /// # Errors
    /// When the store is in use or can't be opened.
    pub fn open(config: &SqliteConfig) -> Result<Self, UpkeepError> {
        let ownership = file::claim(&config.path)?;
        Ok(Self { connection: open_writer(config)?, _ownership: ownership })
    }

    /// Adds a session that is not there yet, with records and their times, in order. All or nothing; runs that had not ended
    /// are ended at `now_ms`. Without any record there is no session afterwards.
    ///
    /// # Errors
    /// When the session is there, a record is refused (by its number, from 1), the store can't be written, or with the
    /// first error among the records.
    pub fn add(
        &mut self,
        session: SessionKey,
        entries: impl Iterator<Item = Result<(u64, Record), UpkeepError>>,
        now_ms: u64,
    ) -> Result<Imported, UpkeepError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if journal::session(&transaction, &session)?.is_some() {
            return Err(UpkeepError::SessionExists(session.to_string()));
        }
        let (mut imported, mut open) = (Imported { session, records: 0, ended: 0 }, BTreeSet::new());
        // Runs that a channel was to answer.
        let mut answers = BTreeSet::new();
        let mut append = |at_ms, record: Record| {
            let line = imported.records + 1;
            let refused = |source| UpkeepError::Refused { line, source };
            let encoded = encoded::encode(vec![record]).map_err(refused)?;
            let mut appended = journal::append(&transaction, &imported.session, at_ms, &encoded)?;
            if let Err(AppendError::DuplicateKey(key)) = &appended {
                // The earlier message's key was forgotten before this one came.
                journal::forget_key(&transaction, &imported.session, key)?;
                appended = journal::append(&transaction, &imported.session, at_ms, &encoded)?;
            }
            appended.map_err(refused)?;
            imported.records = line;
            Ok::<_, UpkeepError>(())
        };
        for entry in entries {
            let (at_ms, record) = entry?;
            match &record {
                Record::Accepted { run_id, to, .. } => {
                    open.insert(run_id.clone());
                    if to.is_some() {
                        answers.insert(run_id.clone());
                    }
                }
                Record::RunEnded { run_id, outcome } => {
                    open.remove(run_id);
                    if let RunOutcome::Joined { into, .. } = outcome
                        && answers.remove(run_id)
                    {
                        answers.insert(into.clone());
                    }
                }
                Record::Delivered { run_id, .. } => drop(answers.remove(run_id)),
                _ => {}
            }
            append(at_ms, record)?;
        }
        let ended = open.len() as u64;
        for run_id in open {
            append(now_ms, interrupted(run_id))?;
        }
        for run_id in answers {
            let failure = Some("the session was exported before it was delivered".to_owned());
            append(now_ms, Record::Delivered { run_id, failure })?;
        }
        imported.ended = ended;
        transaction.commit()?;
        Ok(imported)
    }
}

/// Whether a store has a session. It may be in use; one that is not there has none.
///
/// # Errors
/// When the store is there and can't be read.
pub fn has_session(path: &Path, session: &SessionKey) -> Result<bool, UpkeepError> {
    match look(path) {
        Ok(connection) => Ok(journal::session(&connection, session)?.is_some()),
        Err(OpenError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn interrupted(run_id: RunId) -> Record {
    let message = "the session was exported while the run was under way: send again".to_owned();
    Record::RunEnded {
        run_id,
        outcome: RunOutcome::Failed { code: ErrorCode::Interrupted, message, text: String::new() },
    }
}

fn write_line(out: &mut dyn Write, line: &impl Serialize) -> Result<(), UpkeepError> {
    let mut json = serde_json::to_vec(line).map_err(|error| UpkeepError::Stream(error.into()))?;
    json.push(b'\n');
    out.write_all(&json).map_err(UpkeepError::Stream)
}

/// Lines that are read one by one, each bounded.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
}

impl Lines<'_> {
    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, UpkeepError> {
        let mut line = Vec::new();
        self.number += 1;
        (&mut *self.input).take(LINE_BYTES).read_until(b'\n', &mut line).map_err(UpkeepError::Stream)?;
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| self.bad(&error.to_string()))
    }

    fn bad(&self, problem: &str) -> UpkeepError {
        UpkeepError::BadLine { line: self.number, problem: problem.to_owned() }
    }
}
