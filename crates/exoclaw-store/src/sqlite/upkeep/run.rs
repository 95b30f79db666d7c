//! One run as it is in the journal.

use std::path::Path;

use exoclaw_protocol::{RunId, SessionKey};
use rusqlite::OptionalExtension;

use super::{super::journal, Problem, UpkeepError, look};
use crate::{Entry, ReadError, Record};

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

    let mut run = StoredRun { session, entries: Vec::new(), damaged: Vec::new() };
    let mut statement = connection
        .prepare("SELECT seq, at_ms, crc32, json FROM records WHERE session = ?1 AND seq >= ?2 ORDER BY seq")?;
    let mut rows = statement.query((id, accepted))?;
    while let Some(row) = rows.next()? {
        let (seq, at_ms) = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
        match journal::decode(&key, seq, at_ms, row.get(2)?, row.get_ref(3)?.as_bytes().unwrap_or(b"")) {
            Ok(record) if record.run_id() == run_id => {
                let is_last = matches!(record, Record::RunEnded { .. });
                run.entries.push(Entry { seq, at_ms, record });
                if is_last {
                    break;
                }
            }
            Ok(_) => {}
            Err(ReadError::Damaged { session, seq, problem }) => {
                run.damaged.push(Problem { session: Some(session), seq: Some(seq), problem });
            }
            Err(error) => return Err(UpkeepError::Database(error.into())),
        }
    }
    Ok(run)
}
