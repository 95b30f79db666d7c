//! One run as it is in the journal.

use std::{ops::ControlFlow, path::Path};

use exoclaw_protocol::{RunId, SessionKey};
use rusqlite::OptionalExtension;

use super::{Problem, UpkeepError, look, records};
use crate::{Entry, Record, RunOutcome};

/// A run that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// Its session; of a run that was imported beside its original, that of the original.
    pub session: SessionKey,
    /// Its records, in order.
    pub entries: Vec<Entry>,
    /// Records that are damaged and may have been of this run.
    pub damaged: Vec<Problem>,
}

/// Reads everything that is known of a run. The store may be in use.
///
/// # Errors
/// When there is no such run, or the store can't be read.
pub fn read_run(path: &Path, run_id: &RunId) -> Result<StoredRun, UpkeepError> {
    let connection = look(path)?;
    let found: Option<(i64, String, u64)> = connection
        .query_row(
            "SELECT sessions.id, sessions.key, accepted_seq FROM runs JOIN sessions ON sessions.id = runs.session
             WHERE run = ?1 ORDER BY runs.id LIMIT 1",
            [run_id.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let (id, key, accepted) = found.ok_or_else(|| UpkeepError::NoRun(run_id.clone()))?;
    let session = key.parse().map_err(|_| UpkeepError::NoSession(key.clone()))?;

    let mut entries = Vec::new();
    let mut is_delivered = false;
    let damaged = records(&connection, (id, &key), accepted, |entry| {
        if entry.record.run_id() != Some(run_id) {
            return Ok(ControlFlow::Continue(()));
        }
        let is_last = match &entry.record {
            Record::Accepted { to, .. } => {
                is_delivered = to.is_some();
                false
            }
            // What a channel has to deliver goes on to that.
            Record::RunEnded { outcome: RunOutcome::Ok | RunOutcome::Failed { .. }, .. } => !is_delivered,
            Record::RunEnded { .. } | Record::Delivered { .. } => true,
            _ => false,
        };
        entries.push(entry);
        Ok(if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(StoredRun { session, entries, damaged })
}
