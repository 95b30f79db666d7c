//! The tables and their version; `specs/store-format.md` describes them.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{OpenError, conversation, search, spending};

/// Marks the file as ours in SQLite's header: "exoc".
const APPLICATION_ID: i32 = 0x6578_6f63;

/// Version of the tables and records that this code writes.
const FORMAT: i32 = 7;

const TABLES: &str = "
CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY,
    key         TEXT    NOT NULL UNIQUE,
    created_ms  INTEGER NOT NULL,
    updated_ms  INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    last_record INTEGER NOT NULL,
    messages    INTEGER NOT NULL,
    quarantined TEXT
) STRICT;
CREATE INDEX sessions_by_use ON sessions (last_record);

CREATE TABLE records (
    id      INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id),
    seq     INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    crc32   INTEGER NOT NULL,
    json    TEXT    NOT NULL,
    UNIQUE (session, seq)
) STRICT;

CREATE TABLE kv_scopes (
    id     INTEGER PRIMARY KEY,
    plugin TEXT    NOT NULL,
    agent  TEXT    NOT NULL,
    bytes  INTEGER NOT NULL,
    UNIQUE (plugin, agent)
) STRICT;

CREATE TABLE kv (
    id    INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES kv_scopes (id),
    key   TEXT    NOT NULL,
    crc32 INTEGER NOT NULL,
    value BLOB    NOT NULL,
    UNIQUE (scope, key)
) STRICT;

CREATE TABLE probe (
    id     INTEGER PRIMARY KEY,
    filler BLOB NOT NULL
) STRICT;
";

/// Columns of `runs`. A run's id comes first in its index, for new ones are greater than old ones.
const RUNS: &str = "(
    id           INTEGER PRIMARY KEY,
    session      INTEGER NOT NULL REFERENCES sessions (id),
    run          TEXT    NOT NULL,
    accepted_seq INTEGER NOT NULL,
    digest       TEXT    NOT NULL,
    key          TEXT,
    outcome      TEXT,
    accepted_ms  INTEGER NOT NULL,
    resumed      INTEGER NOT NULL DEFAULT 0,
    credential   TEXT,
    options      TEXT,
    UNIQUE (run, session)
) STRICT";

const RUN_INDEXES: &str = "
CREATE UNIQUE INDEX runs_by_key ON runs (session, key) WHERE key IS NOT NULL;
CREATE INDEX runs_open ON runs (id) WHERE outcome IS NULL;
CREATE INDEX runs_to_forget ON runs (accepted_ms) WHERE key IS NOT NULL AND outcome IS NOT NULL;
";

/// Columns of `spending`. `credential` is empty where it is not known.
const SPENDING: &str = "(
    id                 INTEGER PRIMARY KEY,
    session            INTEGER NOT NULL REFERENCES sessions (id),
    day                INTEGER NOT NULL,
    credential         TEXT    NOT NULL,
    steps              INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost               INTEGER NOT NULL,
    UNIQUE (session, day, credential)
) STRICT";

/// Columns of `conversations`.
const CONVERSATIONS: &str = "(
    session   INTEGER PRIMARY KEY REFERENCES sessions (id),
    first_seq INTEGER NOT NULL,
    reset_seq INTEGER NOT NULL,
    title     TEXT,
    settings  TEXT,
    origin    TEXT,
    recipient TEXT,
    summary_seq INTEGER NOT NULL DEFAULT 0
) STRICT";

/// Columns of `deliveries`.
const DELIVERIES: &str = "(
    id        INTEGER PRIMARY KEY,
    session   INTEGER NOT NULL REFERENCES sessions (id),
    run       TEXT    NOT NULL,
    channel   TEXT    NOT NULL,
    recipient TEXT    NOT NULL,
    ended_seq INTEGER,
    UNIQUE (session, run)
) STRICT";

/// The scheduler's jobs.
const JOBS: &str = "
CREATE TABLE jobs (
    id    INTEGER PRIMARY KEY,
    job   TEXT    NOT NULL UNIQUE,
    crc32 INTEGER NOT NULL,
    json  TEXT    NOT NULL
) STRICT;
";

/// What sessions that were deleted had spent.
const SPENDING_BEFORE: &str = "
CREATE TABLE spending_before (
    id                 INTEGER PRIMARY KEY,
    agent              TEXT    NOT NULL,
    day                INTEGER NOT NULL,
    credential         TEXT    NOT NULL,
    steps              INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost               INTEGER NOT NULL,
    UNIQUE (agent, day, credential)
) STRICT;
";

/// What makes version 2 of version 1, but for the new table of runs: here before it is made, there after it. A time beyond
/// SQLite's integers, which nobody's clock shows, counts as the latest.
const FROM_1: [&str; 2] = [
    "ALTER TABLE sessions ADD COLUMN quarantined TEXT;
     ALTER TABLE runs RENAME TO old_runs;
     DROP INDEX runs_by_key;
     DROP INDEX runs_open;",
    "INSERT INTO runs (id, session, run, accepted_seq, digest, key, outcome, accepted_ms)
     SELECT id, session, run, accepted_seq, digest, key, outcome, ifnull(
         (SELECT iif(at_ms < 0, 9223372036854775807, at_ms) FROM records
          WHERE records.session = old_runs.session AND records.seq = old_runs.accepted_seq), 0)
     FROM old_runs;
     DROP TABLE old_runs;",
];

/// Checks that the file is ours and of a format that we know, before anything is written to it; fills an empty one, and
/// brings an older one to this version.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::database(path, error);
    match version(connection, path)? {
        Some(FORMAT) => Ok(()),
        Some(found) => upgrade(connection, found).map_err(failed),
        None if is_empty(connection).map_err(failed)? => create(connection).map_err(failed),
        None => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Checks that the file is ours and of a format that we know, to read from it.
pub(super) fn expect_known(connection: &Connection, path: &Path) -> Result<i32, OpenError> {
    version(connection, path)?.ok_or_else(|| OpenError::Foreign { path: path.to_owned() })
}

/// Checks that the file is ours and of this version, to read from it.
pub(super) fn expect_current(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    match expect_known(connection, path)? {
        FORMAT => Ok(()),
        found => Err(OpenError::Older { path: path.to_owned(), found, current: FORMAT }),
    }
}

/// The format of a file that is ours; none of an empty one.
fn version(connection: &Connection, path: &Path) -> Result<Option<i32>, OpenError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let foreign = || OpenError::Foreign { path: path.to_owned() };
    match (number("application_id"), number("user_version")) {
        (Ok(APPLICATION_ID), Ok(found @ 1..=FORMAT)) => Ok(Some(found)),
        (Ok(APPLICATION_ID), Ok(found)) if found > FORMAT => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        (Ok(0), Ok(0)) => Ok(None),
        (Ok(_), Ok(_)) => Err(foreign()),
        (Err(error), _) | (_, Err(error)) => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Err(foreign()),
            _ => Err(OpenError::database(path, error)),
        },
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    create_runs(&transaction)?;
    create_spending(&transaction)?;
    create_conversations(&transaction)?;
    transaction.execute_batch(JOBS)?;
    create_deliveries(&transaction)?;
    transaction.execute_batch(search::CREATE)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// All or nothing: whoever is stopped halfway finds the older version, and starts anew.
fn upgrade(connection: &mut Connection, found: i32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match found {
        1 => {
            let [before, after] = FROM_1;
            transaction.execute_batch(before)?;
            create_runs(&transaction)?;
            transaction.execute_batch(after)?;
        }
        2 => transaction
            .execute_batch("ALTER TABLE runs ADD COLUMN credential TEXT; ALTER TABLE runs ADD COLUMN options TEXT")?,
        3 => transaction.execute_batch("ALTER TABLE runs ADD COLUMN options TEXT")?,
        _ => {}
    }
    if found < 3 {
        create_spending(&transaction)?;
        spending::fill(&transaction)?;
    }
    if found < 4 {
        create_conversations(&transaction)?;
        conversation::fill(&transaction)?;
    } else if found < 6 {
        transaction.execute_batch("ALTER TABLE conversations ADD COLUMN recipient TEXT")?;
    }
    if found >= 4 {
        transaction.execute_batch("ALTER TABLE conversations ADD COLUMN summary_seq INTEGER NOT NULL DEFAULT 0")?;
    }
    if found < 5 {
        transaction.execute_batch(JOBS)?;
    }
    if found < 6 {
        create_deliveries(&transaction)?;
    }
    transaction.execute_batch(search::CREATE)?;
    search::rebuild(&transaction)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

fn create_runs(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("CREATE TABLE runs {RUNS}; {RUN_INDEXES}"))
}

fn create_spending(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute_batch(&format!("CREATE TABLE spending {SPENDING}; CREATE INDEX spending_by_day ON spending (day);"))
}

fn create_conversations(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("CREATE TABLE conversations {CONVERSATIONS}; {SPENDING_BEFORE}"))
}

fn create_deliveries(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("CREATE TABLE deliveries {DELIVERIES}"))
}

/// Temporary tables of what is folded, which hide the stored ones on this connection.
pub(super) fn create_temporary_folds(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE runs {RUNS};
         CREATE TEMP TABLE spending {SPENDING};
         CREATE TEMP TABLE conversations {CONVERSATIONS};
         CREATE TEMP TABLE deliveries {DELIVERIES};
         CREATE UNIQUE INDEX temp.folded_runs_by_key ON runs (session, key) WHERE key IS NOT NULL;"
    ))
}
