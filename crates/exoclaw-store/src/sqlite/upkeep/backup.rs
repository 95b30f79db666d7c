//! Copies of a whole store.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, backup::Backup};

use super::{
    super::{SqliteConfig, file, open_writer, schema},
    UpkeepError, look,
};

/// How far a copy goes: everything that was acknowledged before the copy began is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Number of the last record over all sessions, in the order of appending.
    pub last_record: u64,
    /// Sessions.
    pub sessions: u64,
    /// Bytes of the copy.
    pub bytes: u64,
}

/// Copies the store into one new file, mode 0600, that is whole or not there. The store may be in use: the copy is of the
/// moment at which it begins, and writing goes on meanwhile.
///
/// # Errors
/// When there is something in the place of the copy, the store can't be read, or the copy not be written.
pub fn backup(path: &Path, copy: &Path) -> Result<Mark, UpkeepError> {
    if fs::symlink_metadata(copy).is_ok() {
        return Err(UpkeepError::Exists { path: copy.to_owned() });
    }
    let source = look(path)?;
    let mut mark = mark(&source)?;
    let unfinished = beside(copy, ".unfinished");
    let failed = |error| UpkeepError::file("write", &unfinished, error);
    // What an earlier attempt left is of no use.
    let file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&unfinished).map_err(failed)?;
    let mut target = Connection::open(&unfinished)?;
    copy_pages(&source, &mut target)?;
    // One file without a log, so that it can be read from anywhere.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    drop(target);
    file.sync_all().map_err(failed)?;
    mark.bytes = file.metadata().map_err(failed)?.len();
    fs::rename(&unfinished, copy).map_err(|error| UpkeepError::file("write", copy, error))?;
    let directory = copy.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| UpkeepError::file("sync", directory, error))?;
    Ok(mark)
}

/// Puts a backup in the place of the store, in one transaction. Without `replace`, only where the store holds nothing.
///
/// # Errors
/// When the store is in use or not empty, the file is damaged or no backup, or the disk refuses; then the store is as it was.
pub fn restore(copy: &Path, config: &SqliteConfig, replace: bool) -> Result<Mark, UpkeepError> {
    fs::metadata(copy).map_err(|error| UpkeepError::file("open", copy, error))?;
    let source = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    schema::expect_known(&source, copy)?;
    let verdict: String = source.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(UpkeepError::BadBackup { path: copy.to_owned(), problem: verdict });
    }
    let _ownership = file::claim(&config.path)?;
    let mut store = open_writer(config)?;
    let holds_nothing = "SELECT NOT EXISTS (SELECT 1 FROM sessions) AND NOT EXISTS (SELECT 1 FROM kv)
                         AND NOT EXISTS (SELECT 1 FROM jobs)";
    if !replace && !store.query_row(holds_nothing, [], |row| row.get(0))? {
        return Err(UpkeepError::NotEmpty { path: config.path.clone() });
    }
    copy_pages(&source, &mut store)?;
    // Into the database, so that the file alone is the store.
    store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(store);
    // An older format is brought to this one.
    mark(&open_writer(config)?)
}

/// All pages at once: from one moment of the source, in one transaction of the target.
fn copy_pages(source: &Connection, target: &mut Connection) -> rusqlite::Result<()> {
    Backup::new(source, target)?.step(-1).map(drop)
}

fn mark(connection: &Connection) -> Result<Mark, UpkeepError> {
    let counted = connection.query_row(
        "SELECT (SELECT ifnull(max(id), 0) FROM records), (SELECT count(*) FROM sessions),
                (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)",
        [],
        |row| Ok(Mark { last_record: row.get(0)?, sessions: row.get(1)?, bytes: row.get(2)? }),
    )?;
    Ok(counted)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
