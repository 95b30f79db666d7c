//! The SQLite backend: the suite of every backend, and what only a file can promise.

mod damage;
mod failing;
mod formats;
mod full;
mod kill;
mod opening;
mod random;
mod upkeep;
mod waiting;

use std::{path::PathBuf, sync::Arc};

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

async fn fresh() -> (Arc<dyn Store>, Home) {
    let home = Home::new();
    (Arc::new(home.open()), home)
}

exoclaw_store::conformance_tests!(fresh);
