//! How the gateway is, as it was a moment ago: asking costs no look into the store.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use exoclaw_protocol::RpcError;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lists;
use crate::http::Door;

/// How old an answer may be. Whoever asks first after that looks; those who ask meanwhile get the answer before.
const AGE: Duration = Duration::from_secs(1);

/// How often all clients are told.
const INTERVAL: Duration = Duration::from_secs(60);

/// The answer of a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    latest: Option<Value>,
    /// When to look again.
    due: Option<Instant>,
    /// Grows when all clients are to be told.
    version: u64,
}

impl Health {
    /// How the gateway is.
    pub(super) async fn get(&self, door: &Door) -> Result<Value, RpcError> {
        let kept = {
            let mut state = self.lock();
            let now = Instant::now();
            let fresh = state.due.is_some_and(|due| now < due);
            if !fresh {
                state.due = Some(now + AGE);
            }
            state.latest.clone().filter(|_| fresh)
        };
        let mut health = match kept {
            Some(kept) => kept,
            None => self.look(door).await?,
        };
        health["ok"] = door.runtime.ready().is_ok().into();
        Ok(health)
    }

    /// What all clients are told, with its version.
    pub(super) fn told(&self) -> (Option<Value>, u64) {
        let state = self.lock();
        (state.latest.clone(), state.version)
    }

    /// The version of what all clients are told.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    async fn look(&self, door: &Door) -> Result<Value, RpcError> {
        let looked = lists::health(door).await?;
        self.lock().latest = Some(looked.clone());
        Ok(looked)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks from time to time, so that clients can be told; not while there are none.
pub(crate) async fn follow(door: std::sync::Arc<Door>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        if door.presence.is_empty() {
            continue;
        }
        match door.health.look(&door).await {
            Ok(_) => door.health.lock().version += 1,
            Err(error) => tracing::debug!(%error, "look how the gateway is"),
        }
    }
}
