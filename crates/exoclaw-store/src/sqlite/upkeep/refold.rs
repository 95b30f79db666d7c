//! Folds all records once more, beside what is stored.

use exoclaw_protocol::RunId;
use rusqlite::{Connection, Row};

use super::{super::fold::fold, super::journal, super::schema, Problem};
use crate::{AppendError, ReadError};

/// Puts what the records say into the temporary tables `runs`, `spending`, `conversations` and `heads`, and what is wrong
/// with the records into `damaged`. The temporary tables hide the stored ones from here on, which are `main.runs` and so on.
pub(super) fn refold(connection: &Connection, problems: &mut dyn FnMut(Problem)) -> rusqlite::Result<()> {
    schema::create_temporary_folds(connection)?;
    connection.execute_batch("CREATE TEMP TABLE damaged (session INTEGER NOT NULL, problem TEXT NOT NULL)")?;
    find_gaps(connection, problems)?;

    let mut statement = connection.prepare(
        "SELECT records.session, sessions.key, seq, at_ms, crc32, json FROM main.records
         LEFT JOIN main.sessions ON sessions.id = records.session ORDER BY records.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let session: i64 = row.get(0)?;
        let seq = row.get::<_, i64>(2)?.cast_unsigned();
        if let Err(fault) = fold_row(connection, session, seq, row)? {
            let (problem, is_damage) = match fault {
                Fault::Damage(problem) => (problem, true),
                Fault::Excess(problem) => (problem, false),
            };
            let problem = Problem { session: Some(name(row)?), seq: Some(seq), problem };
            if is_damage {
                mark_damaged(connection, session, &problem)?;
            }
            problems(problem);
        }
    }
    connection.execute_batch(
        "CREATE TEMP TABLE heads AS
         SELECT ends.session AS session, first.at_ms AS created_ms, last.at_ms AS updated_ms, last.seq AS last_seq,
                last.id AS last_record, ifnull(counted.messages, 0) AS messages
         FROM (SELECT session, min(seq) AS low, max(seq) AS high FROM main.records GROUP BY session) AS ends
         JOIN main.records AS first ON first.session = ends.session AND first.seq = ends.low
         JOIN main.records AS last ON last.session = ends.session AND last.seq = ends.high
         LEFT JOIN (SELECT session, count(*) AS messages FROM temp.runs GROUP BY session) AS counted
           ON counted.session = ends.session",
    )
}

fn mark_damaged(connection: &Connection, session: i64, problem: &Problem) -> rusqlite::Result<()> {
    let text = match problem.seq {
        Some(seq) => format!("record {seq}: {}", problem.problem),
        None => problem.problem.clone(),
    };
    connection
        .prepare_cached("INSERT INTO temp.damaged (session, problem) VALUES (?1, ?2)")?
        .execute((session, text))?;
    Ok(())
}

/// The key of the session, or what can be said in its place.
fn name(row: &Row<'_>) -> rusqlite::Result<String> {
    let key: Option<String> = row.get(1).unwrap_or(None);
    key.map_or_else(|| row.get(0).map(|id: i64| format!("#{id}")), Ok)
}

/// Numbers run from 1 without gaps, in the order of appending.
fn find_gaps(connection: &Connection, problems: &mut dyn FnMut(Problem)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT session, ifnull(sessions.key, '#' || session), seq, before FROM (
             SELECT id, session, seq, lag(seq, 1, 0) OVER own AS before, lag(id, 1, 0) OVER own AS id_before
             FROM main.records WINDOW own AS (PARTITION BY session ORDER BY seq)) AS numbered
         LEFT JOIN main.sessions ON sessions.id = numbered.session
         WHERE seq <> before + 1 OR numbered.id < id_before",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (session, key): (i64, String) = (row.get(0)?, row.get(1)?);
        let (seq, before) = (row.get::<_, i64>(2)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned());
        let problem = if seq == before.wrapping_add(1) {
            format!("it was appended before record {before}")
        } else {
            format!("the record before it is {before}: those between are missing")
        };
        let problem = Problem { session: Some(key), seq: Some(seq), problem };
        mark_damaged(connection, session, &problem)?;
        problems(problem);
    }
    Ok(())
}

/// What can be wrong with one record.
enum Fault {
    /// It is not what was written, or not all of what was written is there.
    Damage(String),
    /// It is sound and says what has no effect any more.
    Excess(String),
}

fn fold_row(connection: &Connection, session: i64, seq: u64, row: &Row<'_>) -> rusqlite::Result<Result<(), Fault>> {
    let Some(key) = row.get::<_, Option<String>>(1)? else {
        return Ok(Err(Fault::Damage("it belongs to no session".to_owned())));
    };
    let (at_ms, crc) = (row.get::<_, i64>(3)?.cast_unsigned(), row.get(4)?);
    let record = match journal::decode(&key, seq, at_ms, crc, row.get_ref(5)?.as_bytes()?) {
        Ok(record) => record,
        Err(ReadError::Damaged { problem, .. }) => return Ok(Err(Fault::Damage(problem))),
        Err(error) => return Ok(Err(Fault::Damage(error.to_string()))),
    };
    match fold(connection, session, seq, at_ms, &record)? {
        Ok(true) => Ok(Ok(())),
        Ok(false) => {
            let run = record.run_id().map_or("", RunId::as_str);
            let known = is_known(connection, session, run)?;
            let problem = if known { "had ended before" } else { "was never accepted" };
            Ok(Err(Fault::Excess(format!("the run {run} {problem}"))))
        }
        Err(AppendError::DuplicateKey(key)) => {
            // The earlier message's key was forgotten before this one came.
            connection
                .prepare_cached("UPDATE runs SET key = NULL WHERE session = ?1 AND key = ?2")?
                .execute((session, key.as_str()))?;
            let folded = fold(connection, session, seq, at_ms, &record)?;
            Ok(folded.map(drop).map_err(|refused| Fault::Damage(refused.to_string())))
        }
        Err(refused) => Ok(Err(Fault::Damage(refused.to_string()))),
    }
}

fn is_known(connection: &Connection, session: i64, run: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM runs WHERE session = ?1 AND run = ?2")?.exists((session, run))
}
