//! What is folded from records into the tables of runs, spending, conversations and deliveries.

use exoclaw_protocol::{IdempotencyKey, TokenName};
use rusqlite::{Connection, ErrorCode, params};

use super::{conversation, deliveries, journal::signed, spending};
use crate::{AppendError, Record};

/// Keeps the tables `runs`, `spending`, `conversations` and `deliveries` in step with the journal. Says whether the record did there what
/// it says: one that ends or resumes a run which is not open does nothing.
pub(super) fn fold(
    connection: &Connection,
    session: i64,
    seq: u64,
    at_ms: u64,
    record: &Record,
) -> rusqlite::Result<Result<bool, AppendError>> {
    let changed = match record {
        Record::Accepted { run_id, key, digest, by, options, .. } => {
            let options = (!options.is_default()).then(|| json(options)).transpose()?;
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO runs (session, run, accepted_seq, accepted_ms, digest, key, credential, options)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    session,
                    run_id.as_str(),
                    signed(seq),
                    signed(at_ms),
                    digest,
                    key.as_ref().map(IdempotencyKey::as_str),
                    by.as_ref().map(TokenName::as_str),
                    options
                ]);
            match inserted {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    // Only looked up where it happened: most messages are new.
                    return match key {
                        Some(key) if is_taken(connection, session, key)? => {
                            Ok(Err(AppendError::DuplicateKey(key.clone())))
                        }
                        _ => Ok(Err(AppendError::DuplicateRun(run_id.clone()))),
                    };
                }
                inserted => inserted?,
            };
            conversation::add(connection, session, seq, record)?;
            deliveries::add(connection, session, seq, record)?;
            return Ok(Ok(true));
        }
        Record::RunResumed { run_id } => connection
            .prepare_cached(
                "UPDATE runs SET resumed = resumed + 1 WHERE session = ?1 AND run = ?2 AND outcome IS NULL",
            )?
            .execute(params![session, run_id.as_str()])?,
        Record::RunEnded { run_id, outcome } => {
            let outcome = json(outcome)?;
            let ended = connection
                .prepare_cached("UPDATE runs SET outcome = ?3 WHERE session = ?1 AND run = ?2 AND outcome IS NULL")?
                .execute(params![session, run_id.as_str(), outcome])?;
            if ended > 0 {
                deliveries::add(connection, session, seq, record)?;
            }
            ended
        }
        Record::Step { run_id, usage, cost, .. } => {
            spending::add(connection, session, at_ms, run_id, (usage, *cost))?;
            return Ok(Ok(true));
        }
        Record::Summarized { usage, cost, by, .. } => {
            spending::add_by(connection, session, at_ms, by.as_ref().map(TokenName::as_str), (usage, *cost))?;
            return Ok(Ok(true));
        }
        Record::Delivered { .. } => {
            deliveries::add(connection, session, seq, record)?;
            return Ok(Ok(true));
        }
        Record::Set { .. } | Record::Reset {} | Record::Compacted { .. } => {
            conversation::add(connection, session, seq, record)?;
            return Ok(Ok(true));
        }
        Record::RunStarted { .. }
        | Record::Noted { .. }
        | Record::RunSuspended { .. }
        | Record::ApprovalRequested { .. }
        | Record::ApprovalResolved { .. }
        | Record::Intent { .. }
        | Record::ToolResult { .. } => {
            return Ok(Ok(true));
        }
    };
    Ok(Ok(changed > 0))
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn is_taken(connection: &Connection, session: i64, key: &IdempotencyKey) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM runs WHERE session = ?1 AND key = ?2")?
        .exists(params![session, key.as_str()])
}
