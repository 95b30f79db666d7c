//! The table of conversations: one row for each session whose records say anything about it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, de::DeserializeOwned};

use super::journal::{self, signed};
use crate::{Conversation, Record};

/// Takes a record in.
pub(super) fn add(connection: &Connection, session: i64, seq: u64, record: &Record) -> rusqlite::Result<()> {
    let mut conversation = connection
        .prepare_cached(
            "SELECT first_seq, reset_seq, title, settings, origin, recipient, summary_seq FROM conversations WHERE session = ?1",
        )?
        .query_row([session], |row| read(row, 0))
        .optional()?
        .unwrap_or_default();
    if !conversation.fold(seq, record) {
        return Ok(());
    }
    let Conversation { first_seq, reset_seq, summary_seq, title, settings, origin, to } = &conversation;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO conversations (session, first_seq, reset_seq, title, settings, origin, recipient,
                 summary_seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            session,
            signed(*first_seq),
            signed(*reset_seq),
            title,
            (!settings.is_default()).then(|| json(settings)).transpose()?,
            origin.as_ref().map(json).transpose()?,
            to,
            signed(*summary_seq),
        ])?;
    Ok(())
}

/// Reads the columns from this one on; all are null where there is no row.
pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        first_seq: row.get::<_, Option<u64>>(first)?.unwrap_or(0),
        reset_seq: row.get::<_, Option<u64>>(first + 1)?.unwrap_or(0),
        title: row.get(first + 2)?,
        settings: of_json(row, first + 3)?.unwrap_or_default(),
        origin: of_json(row, first + 4)?,
        to: row.get(first + 5)?,
        summary_seq: row.get::<_, Option<u64>>(first + 6)?.unwrap_or(0),
    })
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn of_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into()))
}

/// Takes in all messages that are stored, for a table that is new.
pub(super) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    journal::of_kind(connection, "accepted", |at, record| add(connection, at.session, at.seq, &record))
}
