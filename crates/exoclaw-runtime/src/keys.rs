//! Keys of sent messages: how long a repeated send is known.

use std::{sync::Arc, time::Duration};

use exoclaw_protocol::limits;
use exoclaw_store::Store;

use crate::{clock::Clock, journal::Chain, tasks::Tasks};

/// Time between two looks for keys that are old enough to be forgotten.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Keys that are forgotten in one transaction: other writers wait no longer than for one of theirs.
const BATCH: u32 = 1_000;

/// Forgets keys from time to time, until the tasks are told to stop.
pub(crate) async fn forget(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tasks: Tasks) {
    let stop = tasks.token();
    let lifetime = u64::try_from(limits::IDEMPOTENCY_KEY_LIFETIME.as_millis()).unwrap_or(u64::MAX);
    loop {
        let before = clock.now_ms().saturating_sub(lifetime);
        let forgotten = store.forget_keys(before, BATCH).await;
        match &forgotten {
            Ok(keys) => tracing::debug!(keys, "forgot old keys of messages"),
            // They are forgotten later.
            Err(error) => tracing::debug!(error = %Chain(error), "keys can't be forgotten at present"),
        }
        let more = forgotten.is_ok_and(|keys| keys == BATCH);
        let wait = if more { Duration::ZERO } else { INTERVAL };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}
