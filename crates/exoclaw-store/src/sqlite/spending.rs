//! What was spent: a fold of model steps by session, day and credential.

use exoclaw_protocol::{Money, RunId, SessionKey, Spent, TokenName, Usage};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::journal::{self, id, signed};
use crate::{Record, Spending, spending::SpendingSums, store::DAY_MS};

/// Adds a step. A sum that SQLite's integers can't hold stops at the largest one.
pub(super) fn add(
    connection: &Connection,
    session: i64,
    at_ms: u64,
    run_id: &RunId,
    of: (&Usage, Option<Money>),
) -> rusqlite::Result<()> {
    let by: Option<String> = connection
        .prepare_cached("SELECT credential FROM runs WHERE run = ?1 AND session = ?2")?
        .query_row(params![run_id.as_str(), session], |row| row.get(0))
        .optional()?
        .flatten();
    add_by(connection, session, at_ms, by.as_deref(), of)
}

/// Adds a step that this credential asked for.
pub(super) fn add_by(
    connection: &Connection,
    session: i64,
    at_ms: u64,
    by: Option<&str>,
    (usage, cost): (&Usage, Option<Money>),
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO spending (session, day, credential, steps, input_tokens, output_tokens, cache_read_tokens,
                 cache_write_tokens, cost)
             VALUES (?1, ?2, ifnull(?3, ''), 1, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (session, day, credential) DO UPDATE SET
                 steps = steps + 1,
                 input_tokens = CAST(input_tokens + excluded.input_tokens AS INTEGER),
                 output_tokens = CAST(output_tokens + excluded.output_tokens AS INTEGER),
                 cache_read_tokens = CAST(cache_read_tokens + excluded.cache_read_tokens AS INTEGER),
                 cache_write_tokens = CAST(cache_write_tokens + excluded.cache_write_tokens AS INTEGER),
                 cost = CAST(cost + excluded.cost AS INTEGER)",
        )?
        .execute(params![
            session,
            signed(at_ms / DAY_MS),
            by,
            signed(usage.input_tokens),
            signed(usage.output_tokens),
            signed(usage.cache_read_tokens),
            signed(usage.cache_write_tokens),
            signed(cost.unwrap_or_default().billionths()),
        ])?;
    Ok(())
}

/// Adds all steps that are stored, for a table that is new.
pub(super) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    journal::of_kind(connection, "step", |at, record| match record {
        Record::Step { run_id, usage, cost, .. } => add(connection, at.session, at.at_ms, &run_id, (&usage, cost)),
        _ => Ok(()),
    })
}

/// Adds up in here rather than in SQL, whose sums fail where they are too large.
pub(super) fn read(
    connection: &Connection,
    session: Option<&SessionKey>,
    since_day: u64,
) -> rusqlite::Result<Vec<Spending>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, day, credential, steps, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost
         FROM spending JOIN sessions ON sessions.id = spending.session
         WHERE day >= ?1 AND (?2 IS NULL OR spending.session = (SELECT id FROM sessions WHERE key = ?2))",
    )?;
    let mut sums = SpendingSums::default();
    let mut rows = statement.query(params![signed(since_day), session.map(SessionKey::as_str)])?;
    while let Some(row) = rows.next()? {
        let session: SessionKey = id(row, 0)?;
        sums.add(row.get(1)?, session.agent(), credential(row)?, spent(row)?);
    }
    if session.is_none() {
        add_deleted(connection, since_day, &mut sums)?;
    }
    Ok(sums.into_list())
}

/// What sessions spent that are deleted.
fn add_deleted(connection: &Connection, since_day: u64, sums: &mut SpendingSums) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT agent, day, credential, steps, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost
         FROM spending_before WHERE day >= ?1",
    )?;
    let mut rows = statement.query([signed(since_day)])?;
    while let Some(row) = rows.next()? {
        let agent: String = row.get(0)?;
        sums.add(row.get(1)?, &agent, credential(row)?, spent(row)?);
    }
    Ok(())
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Option<TokenName>> {
    match row.get_ref(2)?.as_bytes()? {
        b"" => Ok(None),
        _ => id::<TokenName>(row, 2).map(Some),
    }
}

/// What one session spent, in all.
pub(super) fn of_session(connection: &Connection, session: i64) -> rusqlite::Result<Spent> {
    let mut statement = connection.prepare_cached(
        "SELECT session, day, credential, steps, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost
         FROM spending WHERE session = ?1",
    )?;
    let mut rows = statement.query([session])?;
    let mut sum = Spent::default();
    while let Some(row) = rows.next()? {
        sum += spent(row)?;
    }
    Ok(sum)
}

fn spent(row: &Row<'_>) -> rusqlite::Result<Spent> {
    let usage = Usage {
        input_tokens: row.get(4)?,
        output_tokens: row.get(5)?,
        cache_read_tokens: row.get(6)?,
        cache_write_tokens: row.get(7)?,
    };
    Ok(Spent { steps: row.get(3)?, usage, cost: Money::from_billionths(row.get(8)?) })
}
