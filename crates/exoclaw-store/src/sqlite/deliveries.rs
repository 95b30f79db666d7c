//! The table of answers that channels are to deliver: one row from the message that is to be answered to the delivery.

use rusqlite::{Connection, Row, params};

use super::journal::{id, signed, sound};
use crate::{Delivery, Record, RunOutcome};

/// Takes a record in. A message of a channel is to be answered there; a run that another one answers leaves that to it; a run
/// that was stopped has no answer.
pub(super) fn add(connection: &Connection, session: i64, seq: u64, record: &Record) -> rusqlite::Result<()> {
    match record {
        Record::Accepted { run_id, origin: Some(origin), to: Some(to), .. } => {
            connection
                .prepare_cached("INSERT INTO deliveries (session, run, channel, recipient) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![session, run_id.as_str(), origin.channel, to])?;
        }
        Record::RunEnded { run_id, outcome: RunOutcome::Ok | RunOutcome::Failed { .. } } => {
            connection
                .prepare_cached(
                    "UPDATE deliveries SET ended_seq = ?3 WHERE session = ?1 AND run = ?2 AND ended_seq IS NULL",
                )?
                .execute(params![session, run_id.as_str(), signed(seq)])?;
        }
        Record::RunEnded { run_id, outcome } => {
            if let RunOutcome::Joined { into, .. } = outcome {
                connection
                    .prepare_cached(
                        "INSERT INTO deliveries (session, run, channel, recipient)
                         SELECT session, ?3, channel, recipient FROM deliveries
                         WHERE session = ?1 AND run = ?2 AND ended_seq IS NULL
                         ON CONFLICT (session, run) DO UPDATE
                         SET channel = excluded.channel, recipient = excluded.recipient",
                    )?
                    .execute(params![session, run_id.as_str(), into.as_str()])?;
            }
            connection
                .prepare_cached("DELETE FROM deliveries WHERE session = ?1 AND run = ?2 AND ended_seq IS NULL")?
                .execute(params![session, run_id.as_str()])?;
        }
        Record::Delivered { run_id, .. } => {
            connection
                .prepare_cached("DELETE FROM deliveries WHERE session = ?1 AND run = ?2 AND ended_seq IS NOT NULL")?
                .execute(params![session, run_id.as_str()])?;
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn due(connection: &Connection, channel: &str, limit: u32) -> rusqlite::Result<Vec<Delivery>> {
    // Of a group, SQLite takes the other columns from the row with the least one.
    let mut statement = connection.prepare_cached(
        "SELECT sessions.key, run, min(ended_seq), recipient FROM deliveries
         JOIN sessions ON sessions.id = deliveries.session
         WHERE channel = ?1 AND ended_seq IS NOT NULL AND quarantined IS NULL
         GROUP BY deliveries.session ORDER BY deliveries.session LIMIT ?2",
    )?;
    let delivery = |row: &Row<'_>| {
        Ok(Delivery { session: id(row, 0)?, run_id: id(row, 1)?, ended_seq: row.get(2)?, to: row.get(3)? })
    };
    sound(statement.query_map(params![channel, limit], delivery)?)
}

pub(super) fn count(connection: &Connection, channel: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM deliveries WHERE channel = ?1 AND ended_seq IS NOT NULL")?
        .query_row([channel], |row| row.get(0))
}
