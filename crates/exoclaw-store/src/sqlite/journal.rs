//! Records, and sessions and runs, which are folded from them.

use std::str::FromStr;

use exoclaw_protocol::{IdError, IdempotencyKey, RunId, SessionKey, Spent};
use rusqlite::{
    Connection, OptionalExtension, Row, params,
    types::{Type, ValueRef},
};

use super::{conversation, fold::fold, search, spending};
use crate::{
    AppendError, Appended, Cause, Entry, KeyedRun, OpenRun, Page, ReadError, Record, RunOutcome, RunSummary,
    SessionFilter, SessionSummary,
    encoded::{self, Encoded},
};

/// Numbers and times fit SQLite's signed integers; what a caller asks beyond them means "all".
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn failed(error: rusqlite::Error) -> ReadError {
    ReadError::Failed(Cause::from(error))
}

/// Covers where a record stands as well as what it says.
fn checksum(session: &str, seq: u64, at_ms: u64, json: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(session.as_bytes());
    hasher.update(&[0]);
    hasher.update(&seq.to_le_bytes());
    hasher.update(&at_ms.to_le_bytes());
    hasher.update(json);
    hasher.finalize()
}

/// Where a session stands while records are appended to it.
struct Head {
    id: i64,
    last_seq: u64,
    last_record: i64,
    messages: u64,
}

pub(super) fn append(
    connection: &Connection,
    session: &SessionKey,
    at_ms: u64,
    records: &[Encoded],
) -> rusqlite::Result<Result<Appended, AppendError>> {
    let mut head = match head(connection, session, at_ms)? {
        Ok(head) => head,
        Err(refused) => return Ok(Err(refused)),
    };
    let first = head.last_seq + 1;
    let mut insert = connection
        .prepare_cached("INSERT INTO records (session, seq, at_ms, crc32, json) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for Encoded { record, json } in records {
        head.last_seq += 1;
        head.messages += u64::from(matches!(record, Record::Accepted { .. }));
        search::cut(connection, (head.id, session.as_str()), head.last_seq, record)?;
        if let Err(refused) = fold(connection, head.id, head.last_seq, at_ms, record)? {
            return Ok(Err(refused));
        }
        let crc = checksum(session.as_str(), head.last_seq, at_ms, json.as_bytes());
        insert.execute(params![head.id, signed(head.last_seq), at_ms.cast_signed(), crc, json])?;
        head.last_record = connection.last_insert_rowid();
        search::add(connection, head.last_record, record)?;
    }
    connection
        .prepare_cached(
            "UPDATE sessions SET updated_ms = ?2, last_seq = ?3, last_record = ?4, messages = ?5 WHERE id = ?1",
        )?
        .execute(params![
            head.id,
            at_ms.cast_signed(),
            signed(head.last_seq),
            head.last_record,
            signed(head.messages)
        ])?;
    Ok(Ok(Appended { first, last: head.last_seq }))
}

fn head(connection: &Connection, session: &SessionKey, at_ms: u64) -> rusqlite::Result<Result<Head, AppendError>> {
    let found = connection
        .prepare_cached("SELECT id, last_seq, last_record, messages, quarantined FROM sessions WHERE key = ?1")?
        .query_row([session.as_str()], |row| {
            let head = Head { id: row.get(0)?, last_seq: row.get(1)?, last_record: row.get(2)?, messages: row.get(3)? };
            Ok((head, row.get(4)?))
        })
        .optional()?;
    match found {
        Some((head, None)) => return Ok(Ok(head)),
        Some((_, Some(reason))) => return Ok(Err(AppendError::Quarantined { reason })),
        None => {}
    }
    connection
        .prepare_cached(
            "INSERT INTO sessions (key, created_ms, updated_ms, last_seq, last_record, messages)
             VALUES (?1, ?2, ?2, 0, 0, 0)",
        )?
        .execute(params![session.as_str(), at_ms.cast_signed()])?;
    Ok(Ok(Head { id: connection.last_insert_rowid(), last_seq: 0, last_record: 0, messages: 0 }))
}

pub(super) fn read(
    connection: &Connection,
    session: &SessionKey,
    after: u64,
    page: Page,
) -> Result<Vec<Entry>, ReadError> {
    const QUERY: &str = "SELECT seq, at_ms, crc32, json FROM records
        WHERE session = (SELECT id FROM sessions WHERE key = ?1) AND seq > ?2 ORDER BY seq LIMIT ?3";
    entries(connection, QUERY, session, after, page)
}

pub(super) fn tail(
    connection: &Connection,
    session: &SessionKey,
    before: Option<u64>,
    page: Page,
) -> Result<Vec<Entry>, ReadError> {
    const QUERY: &str = "SELECT seq, at_ms, crc32, json FROM records
        WHERE session = (SELECT id FROM sessions WHERE key = ?1) AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
    let mut entries = entries(connection, QUERY, session, before.unwrap_or(u64::MAX), page)?;
    entries.reverse();
    Ok(entries)
}

fn entries(
    connection: &Connection,
    query: &str,
    session: &SessionKey,
    bound: u64,
    page: Page,
) -> Result<Vec<Entry>, ReadError> {
    let mut statement = connection.prepare_cached(query).map_err(failed)?;
    let arguments = params![session.as_str(), signed(bound), page.entries.max(1)];
    let mut rows = statement.query(arguments).map_err(failed)?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        // As bytes: a damaged text may not be text any more.
        let json = row.get_ref(3).map_err(failed)?.as_bytes().map_err(|error| failed(error.into()))?;
        bytes += json.len() as u64;
        if bytes > page.bytes && !entries.is_empty() {
            break;
        }
        entries.push(entry(session, row, json)?);
    }
    Ok(entries)
}

fn entry(session: &SessionKey, row: &Row<'_>, json: &[u8]) -> Result<Entry, ReadError> {
    let seq: u64 = row.get(0).map_err(failed)?;
    let at_ms = row.get::<_, i64>(1).map_err(failed)?.cast_unsigned();
    let record = decode(session.as_str(), seq, at_ms, row.get(2).map_err(failed)?, json)?;
    Ok(Entry { seq, at_ms, record })
}

/// Reads a record that is what was written.
pub(super) fn decode(session: &str, seq: u64, at_ms: u64, crc: i64, json: &[u8]) -> Result<Record, ReadError> {
    if i64::from(checksum(session, seq, at_ms, json)) != crc {
        let problem = "its checksum does not match".to_owned();
        return Err(ReadError::Damaged { session: session.to_owned(), seq, problem });
    }
    encoded::decode(session, seq, json)
}

/// Where a stored record stands.
pub(super) struct Place {
    /// Number of the session's row.
    pub(super) session: i64,
    pub(super) seq: u64,
    pub(super) at_ms: u64,
}

/// Hands on every stored record of a kind in the order they were written. Damaged ones are left out: they are named
/// elsewhere.
pub(super) fn of_kind(
    connection: &Connection,
    kind: &str,
    mut take: impl FnMut(Place, Record) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT records.session, sessions.key, seq, at_ms, crc32, json FROM records
         JOIN sessions ON sessions.id = records.session WHERE json LIKE '{\"kind\":\"' || ?1 || '\"%' ORDER BY records.id",
    )?;
    let mut rows = statement.query([kind])?;
    while let Some(row) = rows.next()? {
        let key: String = row.get(1)?;
        let place = Place {
            session: row.get(0)?,
            seq: row.get::<_, i64>(2)?.cast_unsigned(),
            at_ms: row.get::<_, i64>(3)?.cast_unsigned(),
        };
        let json = row.get_ref(5)?.as_bytes().unwrap_or_default();
        if let Ok(record) = decode(&key, place.seq, place.at_ms, row.get(4)?, json) {
            take(place, record)?;
        }
    }
    Ok(())
}

/// Collects rows and leaves out, with a line in the log, those that can't be understood: one bad row must not hide the others.
pub(super) fn sound<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> rusqlite::Result<Vec<T>> {
    let mut collected = Vec::new();
    for row in rows {
        match row {
            // SQLite read it well enough; what it says makes no sense.
            Err(error) if error.sqlite_error_code().is_none() => {
                tracing::warn!(%error, "a damaged row is left out of a list");
            }
            row => collected.push(row?),
        }
    }
    Ok(collected)
}

/// Reads a column of text as an id.
pub(super) fn id<T: FromStr<Err = IdError>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: IdError| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// A session with its conversation, without what it spent.
fn summary(row: &Row<'_>) -> rusqlite::Result<(i64, SessionSummary)> {
    let summary = SessionSummary {
        session: id(row, 0)?,
        created_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        updated_ms: row.get::<_, i64>(2)?.cast_unsigned(),
        last_seq: row.get(3)?,
        messages: row.get(4)?,
        quarantined: row.get(5)?,
        conversation: conversation::read(row, 7)?,
        spent: Spent::default(),
    };
    Ok((row.get(6)?, summary))
}

const SUMMARIES: &str = "SELECT key, created_ms, updated_ms, last_seq, messages, quarantined, id,
    first_seq, reset_seq, title, settings, origin, recipient, summary_seq
    FROM sessions LEFT JOIN conversations ON conversations.session = sessions.id";

pub(super) fn sessions(connection: &Connection, filter: &SessionFilter) -> rusqlite::Result<Vec<SessionSummary>> {
    let mut statement = connection.prepare_cached(&format!("{SUMMARIES} ORDER BY last_record DESC"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while found.len() < filter.limit as usize
        && let Some(row) = rows.next()?
    {
        match summary(row) {
            Ok((id, summary)) if filter.takes(&summary) => {
                found.push(SessionSummary { spent: spending::of_session(connection, id)?, ..summary });
            }
            Ok(_) => {}
            // SQLite read it well enough; what it says makes no sense.
            Err(error) if error.sqlite_error_code().is_none() => {
                tracing::warn!(%error, "a damaged row is left out of a list");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) fn session(connection: &Connection, session: &SessionKey) -> rusqlite::Result<Option<SessionSummary>> {
    let mut statement = connection.prepare_cached(&format!("{SUMMARIES} WHERE key = ?1"))?;
    let found = statement.query_row([session.as_str()], summary).optional()?;
    found
        .map(|(id, summary)| Ok(SessionSummary { spent: spending::of_session(connection, id)?, ..summary }))
        .transpose()
}

pub(super) fn session_count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
}

pub(super) fn open_runs(connection: &Connection) -> rusqlite::Result<Vec<OpenRun>> {
    let mut statement = connection.prepare_cached(
        "SELECT sessions.key, run, accepted_seq, resumed, credential, options FROM runs JOIN sessions ON sessions.id = runs.session
         WHERE outcome IS NULL AND quarantined IS NULL ORDER BY runs.id",
    )?;
    let open_run = |row: &Row<'_>| {
        let by = if row.get_ref(4)? == ValueRef::Null { None } else { Some(id(row, 4)?) };
        let options: Option<String> = row.get(5)?;
        // What can't be read any more is treated like any other message.
        let options = options.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let (session, run_id) = (id(row, 0)?, id(row, 1)?);
        Ok(OpenRun { session, run_id, accepted_seq: row.get(2)?, resumed: row.get(3)?, by, options })
    };
    sound(statement.query_map([], open_run)?)
}

pub(super) fn find_key(
    connection: &Connection,
    session: &SessionKey,
    key: &IdempotencyKey,
) -> Result<Option<KeyedRun>, ReadError> {
    const QUERY: &str = "SELECT key, run, outcome, accepted_seq, accepted_ms, digest FROM runs
        WHERE session = (SELECT id FROM sessions WHERE key = ?1) AND key = ?2";
    let mut statement = connection.prepare_cached(QUERY).map_err(failed)?;
    let found = statement.query_row([session.as_str(), key.as_str()], kept_run).optional().map_err(failed)?;
    let Some(kept) = found else { return Ok(None) };
    let digest = kept.digest.clone();
    let RunSummary { run_id, outcome, .. } = kept.parse(session.clone())?;
    Ok(Some(KeyedRun { run_id, digest, outcome }))
}

pub(super) fn find_run(connection: &Connection, run_id: &RunId) -> Result<Option<RunSummary>, ReadError> {
    const QUERY: &str = "SELECT sessions.key, run, outcome, accepted_seq, accepted_ms, digest FROM runs
        JOIN sessions ON sessions.id = runs.session WHERE run = ?1 ORDER BY runs.id LIMIT 1";
    let mut statement = connection.prepare_cached(QUERY).map_err(failed)?;
    let found = statement.query_row([run_id.as_str()], kept_run).optional().map_err(failed)?;
    let Some(kept) = found else { return Ok(None) };
    let session = kept.key.parse().map_err(|_| kept.damaged(&kept.key, "its session".to_owned()))?;
    kept.parse(session).map(Some)
}

/// A row of `runs`, not looked at yet.
struct KeptRun {
    key: String,
    run: String,
    outcome: Option<String>,
    accepted_seq: u64,
    accepted_ms: u64,
    digest: String,
}

fn kept_run(row: &Row<'_>) -> rusqlite::Result<KeptRun> {
    Ok(KeptRun {
        key: row.get(0)?,
        run: row.get(1)?,
        outcome: row.get(2)?,
        accepted_seq: row.get(3)?,
        accepted_ms: row.get(4)?,
        digest: row.get(5)?,
    })
}

impl KeptRun {
    fn damaged(&self, session: &str, problem: String) -> ReadError {
        ReadError::Damaged { session: session.to_owned(), seq: self.accepted_seq, problem }
    }

    fn parse(self, session: SessionKey) -> Result<RunSummary, ReadError> {
        let damaged = |problem| self.damaged(session.as_str(), problem);
        let run_id: RunId = self.run.parse().map_err(|error| damaged(format!("its run: {error}")))?;
        let outcome: Option<RunOutcome> = self
            .outcome
            .as_ref()
            .map(|json| serde_json::from_str(json))
            .transpose()
            .map_err(|error| damaged(format!("the outcome of its run: {error}")))?;
        let (accepted_seq, accepted_ms) = (self.accepted_seq, self.accepted_ms);
        Ok(RunSummary { session, run_id, accepted_seq, accepted_ms, outcome })
    }
}

pub(super) fn forget_keys(connection: &Connection, before_ms: u64, limit: u32) -> rusqlite::Result<u32> {
    let forgotten = connection
        .prepare_cached(
            "UPDATE runs SET key = NULL WHERE id IN (
                 SELECT id FROM runs WHERE key IS NOT NULL AND outcome IS NOT NULL AND accepted_ms < ?1
                 ORDER BY accepted_ms, id LIMIT ?2)",
        )?
        .execute(params![signed(before_ms), limit])?;
    // No more than the limit, which is of this type.
    Ok(u32::try_from(forgotten).unwrap_or(limit))
}

/// Forgets one key, for a later message that carries it.
pub(super) fn forget_key(connection: &Connection, session: &SessionKey, key: &IdempotencyKey) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE runs SET key = NULL WHERE session = (SELECT id FROM sessions WHERE key = ?1) AND key = ?2",
        )?
        .execute([session.as_str(), key.as_str()])?;
    Ok(())
}

pub(super) fn quarantine(connection: &Connection, session: &SessionKey, reason: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sessions SET quarantined = ?2 WHERE key = ?1 AND quarantined IS NULL")?
        .execute([session.as_str(), reason])?;
    Ok(())
}
