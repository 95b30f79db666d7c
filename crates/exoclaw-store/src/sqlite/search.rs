//! The index of words, kept in step with the journal.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use exoclaw_protocol::{Block, SessionKey};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{
    journal::{self, failed, signed},
    schema,
};
use crate::{
    Entry, ReadError, Record, RunOutcome, encoded,
    search::{Found, Hit, MARKS, Search, snippet},
};

/// The index holds words and places, not the text, which the records have. Words of what is taken out of it leave it at once, not
/// with a later merge (sqlite.org/fts5.html, section 6.10).
pub(super) const CREATE: &str = "
CREATE VIRTUAL TABLE search USING fts5 (
    words, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
";

/// Where the texts that were found have their words marked.
const CREATE_SHOWN: &str = "
PRAGMA temp_store = MEMORY;
CREATE VIRTUAL TABLE temp.shown USING fts5 (words, tokenize = 'unicode61 remove_diacritics 2');
";

/// An index beside the stored one, and the words with their places of both.
const CREATE_BESIDE: &str = "
CREATE VIRTUAL TABLE temp.search_beside USING fts5 (
    words, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE temp.words_beside USING fts5vocab (temp, search_beside, instance);
CREATE VIRTUAL TABLE temp.words_kept USING fts5vocab (main, search, instance);
";

/// Steps of SQLite's machine between two looks whether a search has had enough of them.
const STEPS: i32 = 1_000;

/// Looks before a search is broken off: after some hundred thousand places, about a second. Words that are everywhere, in
/// sessions that are hardly anywhere, would keep the others waiting.
const LOOKS: u32 = 2_000;

/// Bounds the searches of one connection.
pub(super) struct Patience(Arc<AtomicU32>);

impl Patience {
    pub(super) fn of(connection: &mut Connection) -> rusqlite::Result<Self> {
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        connection.progress_handler(STEPS, Some(move || counted.fetch_add(1, Ordering::Relaxed) >= LOOKS))?;
        Ok(Self(looks))
    }

    /// Another search begins.
    pub(super) fn renew(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Makes a connection ready to search.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE_SHOWN)
}

/// What is found of a record: the text of messages and notes, of what a model said, and of summaries.
fn words(record: &Record) -> Option<String> {
    let texts = |content: &[Block]| {
        let text = |block: &Block| match block {
            Block::Text { text } => Some(text.clone()),
            _ => None,
        };
        content.iter().filter_map(text).collect::<Vec<_>>().join("\n")
    };
    let words = match record {
        Record::Accepted { message, .. } | Record::Noted { message, .. } => texts(&message.content),
        Record::Step { content, .. } => texts(content),
        Record::RunEnded { outcome: RunOutcome::Aborted { text, .. } | RunOutcome::Failed { text, .. }, .. } => {
            text.clone()
        }
        _ => return None,
    };
    (!words.is_empty()).then_some(words)
}

/// Takes in a record that was inserted.
pub(super) fn add(connection: &Connection, id: i64, record: &Record) -> rusqlite::Result<()> {
    let Some(words) = words(record) else { return Ok(()) };
    connection.prepare_cached("INSERT INTO search (rowid, words) VALUES (?1, ?2)")?.execute(params![id, words])?;
    Ok(())
}

/// Before a record that makes the conversation begin later: what is no part of it any more is not found any more.
pub(super) fn cut(connection: &Connection, session: (i64, &str), seq: u64, record: &Record) -> rusqlite::Result<()> {
    let first_seq = match record {
        Record::Reset {} => seq,
        Record::Compacted { from, .. } => *from,
        _ => return Ok(()),
    };
    forget(connection, session, first_seq).map(drop)
}

/// Takes records before a number out of the index, and says whether all could be: the words of a damaged one are not known
/// any more.
pub(super) fn forget(connection: &Connection, (id, key): (i64, &str), below: u64) -> rusqlite::Result<bool> {
    let first_seq: Option<u64> = connection
        .prepare_cached("SELECT first_seq FROM conversations WHERE session = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let mut remove =
        connection.prepare_cached("INSERT INTO search (search, rowid, words) VALUES ('delete', ?1, ?2)")?;
    let mut statement = connection.prepare_cached(
        "SELECT id, seq, at_ms, crc32, json FROM records WHERE session = ?1 AND seq >= ?2 AND seq < ?3",
    )?;
    let mut rows = statement.query(params![id, signed(first_seq.unwrap_or(0)), signed(below)])?;
    let mut is_whole = true;
    while let Some(row) = rows.next()? {
        let (seq, at_ms) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
        let json = row.get_ref(4)?.as_bytes().unwrap_or_default();
        match journal::decode(key, seq, at_ms, row.get(3)?, json) {
            Ok(record) => {
                if let Some(words) = words(&record) {
                    remove.execute(params![row.get::<_, i64>(0)?, words])?;
                }
            }
            Err(_) => is_whole = false,
        }
    }
    Ok(is_whole)
}

/// Makes the index anew from the records.
pub(super) fn rebuild(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("INSERT INTO search (search) VALUES ('delete-all')")?;
    fill(connection, "search")
}

/// Takes in all records that are part of their session's conversation. Damaged ones are left out: they are named elsewhere.
fn fill(connection: &Connection, index: &str) -> rusqlite::Result<()> {
    let mut insert = connection.prepare(&format!("INSERT INTO {index} (rowid, words) VALUES (?1, ?2)"))?;
    let mut statement = connection.prepare(
        "SELECT records.id, sessions.key, seq, at_ms, crc32, json FROM records
         JOIN sessions ON sessions.id = records.session
         LEFT JOIN conversations ON conversations.session = records.session
         WHERE seq >= ifnull(first_seq, 0) ORDER BY records.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: String = row.get(1)?;
        let (seq, at_ms) = (row.get::<_, i64>(2)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned());
        let json = row.get_ref(5)?.as_bytes().unwrap_or_default();
        if let Ok(record) = journal::decode(&key, seq, at_ms, row.get(4)?, json)
            && let Some(words) = words(&record)
        {
            insert.execute(params![row.get::<_, i64>(0)?, words])?;
        }
    }
    Ok(())
}

/// Names the records whose words are not in the index as they should be; each by its session and number, if it is there.
pub(super) fn compare(
    connection: &Connection,
    mut name: impl FnMut(Option<i64>, Option<String>, Option<u64>),
) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE_BESIDE)?;
    fill(connection, "temp.search_beside")?;
    let mut statement = connection.prepare(
        "SELECT records.session, sessions.key, records.seq FROM (
             SELECT doc FROM (SELECT term, doc, offset FROM temp.words_kept
                              EXCEPT SELECT term, doc, offset FROM temp.words_beside)
             UNION
             SELECT doc FROM (SELECT term, doc, offset FROM temp.words_beside
                              EXCEPT SELECT term, doc, offset FROM temp.words_kept)) AS wrong
         LEFT JOIN main.records ON records.id = wrong.doc LEFT JOIN main.sessions ON sessions.id = records.session",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        name(row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned));
    }
    Ok(())
}

/// Looks for words on a connection that is [ready](prepare) for it; see [`Store::search`](crate::Store::search).
pub(super) fn find(connection: &Connection, search: &Search) -> Result<Found, ReadError> {
    let Some(query) = search.query() else { return Ok(Found::default()) };
    find_places(connection, search, &query).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => ReadError::TooLong,
        _ => failed(error),
    })
}

/// Looks for words in records that lie elsewhere, given in the order in which they were appended.
pub(crate) fn find_among(
    records: impl Iterator<Item = (SessionKey, Entry)>,
    search: &Search,
) -> Result<Found, ReadError> {
    let mut connection = Connection::open_in_memory().map_err(failed)?;
    schema::create(&mut connection).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    for (session, Entry { at_ms, record, .. }) in records {
        let encoded = encoded::encode(vec![record]).map_err(|error| ReadError::Failed(error.into()))?;
        let appended = journal::append(&connection, &session, at_ms, &encoded).map_err(failed)?;
        appended.map_err(|error| ReadError::Failed(error.into()))?;
    }
    find(&connection, search)
}

fn find_places(connection: &Connection, search: &Search, query: &str) -> rusqlite::Result<Found> {
    let mut statement = connection.prepare_cached(
        "SELECT search.rowid, sessions.key, seq, at_ms, crc32, json
         FROM search JOIN records ON records.id = search.rowid JOIN sessions ON sessions.id = records.session
         WHERE search MATCH ?1 AND search.rowid < ?2 AND substr(sessions.key, 1, length(?3)) = ?3
           AND (?4 IS NULL OR sessions.key IN (SELECT value FROM json_each(?4)))
         ORDER BY search.rowid DESC",
    )?;
    let of_agent = search.agent.as_ref().map_or(String::new(), |agent| format!("agent:{agent}:"));
    let keys: Vec<&str> = search.sessions.iter().map(SessionKey::as_str).collect();
    let keys = (!keys.is_empty()).then(|| serde_json::json!(keys).to_string());
    let before = signed(search.before.unwrap_or(u64::MAX));
    let mut rows = statement.query(params![query, before, of_agent, keys])?;
    let mut found = Found::default();
    while let Some(row) = rows.next()? {
        let (key, seq): (String, _) = (row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned());
        let at_ms = row.get::<_, i64>(3)?.cast_unsigned();
        let json = row.get_ref(5)?.as_bytes().unwrap_or_default();
        // What is damaged is never handed out; `store check` names it.
        let Ok(record) = journal::decode(&key, seq, at_ms, row.get(4)?, json) else { continue };
        let Ok(session) = key.parse() else { continue };
        let snippet = snippet(&marked(connection, &record, query)?);
        found.hits.push(Hit { session, entry: Entry { seq, at_ms, record }, snippet });
        if found.hits.len() >= search.limit.max(1) as usize {
            found.next = Some(row.get::<_, i64>(0)?.cast_unsigned());
            break;
        }
    }
    Ok(found)
}

/// The text of a record with the words that were looked for marked. FTS5's own `snippet` takes time with the square of how
/// often a word is there; this is one pass.
fn marked(connection: &Connection, record: &Record, query: &str) -> rusqlite::Result<String> {
    let [open, close] = MARKS.map(String::from);
    connection.prepare_cached("DELETE FROM temp.shown")?.execute([])?;
    connection.prepare_cached("INSERT INTO temp.shown (rowid, words) VALUES (1, ?1)")?.execute([words(record)])?;
    let marked = connection
        .prepare_cached("SELECT highlight(shown, 0, ?2, ?3) FROM temp.shown WHERE shown MATCH ?1")?
        .query_row([query, &open, &close], |row| row.get(0))
        .optional()?;
    Ok(marked.unwrap_or_default())
}
