//! A plugin's own values, kept in the store.

use std::sync::Arc;

use exoclaw_sandbox::{KeyValue, KeyValueError};
use exoclaw_store::{KvError, KvScope, Store};
use futures::{FutureExt, TryFutureExt, future::BoxFuture};

/// The values of one plugin, called by one agent.
pub(super) struct PluginKv {
    pub(super) store: Arc<dyn Store>,
    pub(super) scope: KvScope,
    /// In bytes.
    pub(super) quota: u64,
}

impl KeyValue for PluginKv {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, KeyValueError>> {
        self.store.kv_get(&self.scope, &key).map_err(refusal).boxed()
    }

    fn set(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), KeyValueError>> {
        self.store.kv_set(&self.scope, &key, value, self.quota).map_err(refusal).boxed()
    }

    fn delete(&self, key: String) -> BoxFuture<'_, Result<(), KeyValueError>> {
        self.store.kv_delete(&self.scope, &key).map_err(refusal).boxed()
    }

    fn keys(&self, prefix: String, limit: u32) -> BoxFuture<'_, Result<Vec<String>, KeyValueError>> {
        self.store.kv_keys(&self.scope, &prefix, limit).map_err(refusal).boxed()
    }
}

fn refusal(error: KvError) -> KeyValueError {
    match error {
        KvError::OverQuota { .. } => KeyValueError::OverQuota,
        error => KeyValueError::Failed(Box::new(error)),
    }
}
