//! The SQLite backend: the suite of every backend, and what only a file can promise.

mod damage;
mod failing;
mod formats;
mod full;
mod kill;
mod opening;
mod random;
mod search;
mod upkeep;
mod waiting;

use std::{path::PathBuf, process::Command, sync::Arc};

use exoclaw_store::{OpenError, SqliteConfig, SqliteStore, Store};
use rusqlite::Connection;
use tempfile::TempDir;

/// A folder for one database.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    fn config(&self) -> SqliteConfig {
        SqliteConfig::new(self.path())
    }

    fn open(&self) -> SqliteStore {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&self.config())
    }

    /// The database as another program would open it.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

/// `strace` for a child that meets faults; none where it does not work, which with `CI` set is a failure.
#[expect(clippy::print_stdout, reason = "what is skipped is said")]
fn strace() -> Option<Command> {
    let works = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "strace does not work here");
        println!("skipped: strace does not work here");
        return None;
    }
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null"]);
    Some(strace)
}

async fn fresh() -> (Arc<dyn Store>, Home) {
    let home = Home::new();
    (Arc::new(home.open()), home)
}

exoclaw_store::conformance_tests!(fresh);
