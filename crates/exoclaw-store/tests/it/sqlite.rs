use std::sync::Arc;

use exoclaw_store::{SqliteConfig, SqliteStore, Store};
use tempfile::TempDir;

async fn fresh() -> (Arc<dyn Store>, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&SqliteConfig::new(home.path().join("store.db"))).unwrap();
    (Arc::new(store), home)
}

exoclaw_store::conformance_tests!(fresh);
