//! What an owner does with a store beside using it: check, rebuild, back up, restore, and carry sessions over.
//!
//! All of it works on the files, in the caller's thread, and blocks on the disk. Checks, backups and exports read one
//! moment of the store and may run while a daemon writes; what changes a store wants it for itself.

mod backup;
mod check;
mod refold;
mod run;
mod transfer;

use std::{fmt, fs, io, ops::ControlFlow, path::Path};

use exoclaw_protocol::RunId;
use rusqlite::Connection;

pub use self::{
    backup::{Mark, backup, restore},
    check::{Findings, check, rebuild},
    run::{StoredRun, read_run},
    transfer::{Exported, Imported, Importer, export_session, has_session, import_session},
};
use super::{OpenError, journal, open_reader, schema};
use crate::{AppendError, Cause, Entry, ReadError};

/// Something in a store that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The session that it is in, as stored.
    pub session: Option<String>,
    /// The number of the record that it is about.
    pub seq: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.session, self.seq) {
            (Some(session), Some(seq)) => write!(f, "record {seq} of session {session}: {}", self.problem),
            (Some(session), None) => write!(f, "session {session}: {}", self.problem),
            (None, _) => f.write_str(&self.problem),
        }
    }
}

/// A store could not be looked after.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something is in the place where the copy goes.
    #[error("{path} is there already: choose another file, or remove it")]
    Exists {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The store that would be overwritten is not empty.
    #[error("the store {path} is not empty: what it holds would be lost")]
    NotEmpty {
        /// The database.
        path: std::path::PathBuf,
    },
    /// The file that should be restored is damaged.
    #[error("the backup {path} is damaged: {problem}")]
    BadBackup {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such session.
    #[error("there is no session {0}")]
    NoSession(String),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// The session to be imported is there already.
    #[error("the session {0} is there already: choose another one")]
    SessionExists(String),
    /// A line of an export can't be understood.
    #[error("line {line} is not of an export: {problem}")]
    BadLine {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A record was refused.
    #[error("line {line} can't be imported")]
    Refused {
        /// The line's number, from 1.
        line: u64,
        /// Why.
        #[source]
        source: AppendError,
    },
    /// A file failed.
    #[error("{action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: std::path::PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// What is read or written failed.
    #[error("carry the session over")]
    Stream(#[source] io::Error),
    /// The database failed.
    #[error("read or write the database")]
    Database(#[source] Cause),
}

impl UpkeepError {
    fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}

impl From<rusqlite::Error> for UpkeepError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Opens a store of this version to read one moment of it, whether a daemon writes to it or not.
fn look(path: &Path) -> Result<Connection, OpenError> {
    fs::metadata(path).map_err(|error| OpenError::file("open", path, error))?;
    let database = |error| OpenError::database(path, error);
    let connection = open_reader(path).map_err(database)?;
    schema::expect_current(&connection, path)?;
    connection.execute_batch("BEGIN").map_err(database)?;
    Ok(connection)
}

/// Hands the records of a session on, from number `first` until `each` breaks off. Damaged ones are left out and named.
fn records(
    connection: &Connection,
    (id, key): (i64, &str),
    first: u64,
    mut each: impl FnMut(Entry) -> Result<ControlFlow<()>, UpkeepError>,
) -> Result<Vec<Problem>, UpkeepError> {
    let mut damaged = Vec::new();
    let mut statement = connection
        .prepare("SELECT seq, at_ms, crc32, json FROM records WHERE session = ?1 AND seq >= ?2 ORDER BY seq")?;
    let mut rows = statement.query((id, first))?;
    while let Some(row) = rows.next()? {
        let (seq, at_ms) = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
        match journal::decode(key, seq, at_ms, row.get(2)?, row.get_ref(3)?.as_bytes().unwrap_or(b"")) {
            Ok(record) => {
                if each(Entry { seq, at_ms, record })?.is_break() {
                    break;
                }
            }
            Err(ReadError::Damaged { session, seq, problem }) => {
                damaged.push(Problem { session: Some(session), seq: Some(seq), problem });
            }
            Err(error) => return Err(UpkeepError::Database(error.into())),
        }
    }
    Ok(damaged)
}
