//! The table of the scheduler's jobs.

use exoclaw_protocol::JobId;
use rusqlite::{Connection, Row, params};

use super::kv::checksum;
use crate::StoredJob;

/// The jobs by id. A row whose name no job can have is left out; checking the store names it.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<StoredJob>> {
    let mut statement = connection.prepare_cached("SELECT job, crc32, json FROM jobs ORDER BY job")?;
    let rows = statement.query_map([], read)?;
    rows.filter_map(Result::transpose).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<StoredJob>> {
    let (name, crc): (String, i64) = (row.get(0)?, row.get(1)?);
    let json = row.get_ref(2)?.as_bytes()?;
    let is_sound = i64::from(checksum(&name, json)) == crc;
    let text = std::str::from_utf8(json).ok().filter(|_| is_sound).map(str::to_owned);
    Ok(name.parse().ok().map(|id| StoredJob { id, text }))
}

pub(super) fn set(connection: &Connection, id: &JobId, text: Option<&str>) -> rusqlite::Result<()> {
    match text {
        Some(text) => connection
            .prepare_cached(
                "INSERT INTO jobs (job, crc32, json) VALUES (?1, ?2, ?3)
                 ON CONFLICT (job) DO UPDATE SET crc32 = excluded.crc32, json = excluded.json",
            )?
            .execute(params![id.as_str(), checksum(id.as_str(), text.as_bytes()), text])?,
        None => connection.prepare_cached("DELETE FROM jobs WHERE job = ?1")?.execute([id.as_str()])?,
    };
    Ok(())
}
