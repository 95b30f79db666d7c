use std::sync::Arc;

use exoclaw_store::{MemoryStore, Store};

async fn fresh() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

exoclaw_store::conformance_tests!(fresh);
