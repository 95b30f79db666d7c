//! Deleting a session, with nothing of it left.

use exoclaw_protocol::SessionKey;
use rusqlite::{Connection, OptionalExtension};

use super::search;

/// What was spent stays in the sums of its agent, or deleting would be a way around a budget.
const KEEP_SPENT: &str = "
    INSERT INTO spending_before (agent, day, credential, steps, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost)
    SELECT ?2, day, credential, steps, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost
    FROM spending WHERE session = ?1
    ON CONFLICT (agent, day, credential) DO UPDATE SET
        steps = CAST(steps + excluded.steps AS INTEGER),
        input_tokens = CAST(input_tokens + excluded.input_tokens AS INTEGER),
        output_tokens = CAST(output_tokens + excluded.output_tokens AS INTEGER),
        cache_read_tokens = CAST(cache_read_tokens + excluded.cache_read_tokens AS INTEGER),
        cache_write_tokens = CAST(cache_write_tokens + excluded.cache_write_tokens AS INTEGER),
        cost = CAST(cost + excluded.cost AS INTEGER)";

/// Deletes a session; says whether there was one. What is deleted is overwritten with zeros in the database.
pub(super) fn delete(connection: &Connection, session: &SessionKey) -> rusqlite::Result<bool> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT id FROM sessions WHERE key = ?1")?
        .query_row([session.as_str()], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    connection.prepare_cached(KEEP_SPENT)?.execute((id, session.agent()))?;
    let is_forgotten = search::forget(connection, (id, session.as_str()), u64::MAX)?;
    for table in ["spending", "conversations", "deliveries", "runs", "records"] {
        connection.execute(&format!("DELETE FROM {table} WHERE session = ?1"), [id])?;
    }
    connection.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
    if !is_forgotten {
        search::rebuild(connection)?;
    }
    Ok(true)
}
