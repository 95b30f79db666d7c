//! What the host lends to one call.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;

use crate::Tape;

/// Takes the progress of a call: a fraction from 0 to 1, if the guest knows one, and its words. Must not block.
pub type OnProgress = Arc<dyn Fn(Option<f32>, String) + Send + Sync>;

/// Takes what a plugin wanted and was not granted. Must not block.
pub type OnDenied = Arc<dyn Fn(Denial<'_>) + Send + Sync>;

/// Something that a plugin wanted and was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial<'a> {
    /// A request, which did not leave.
    Http {
        /// Method, scheme and authority; empty where they make no sense.
        to: &'a str,
        /// The same with the path.
        request: &'a str,
        /// Why not.
        reason: &'static str,
    },
    /// A store of its own.
    Store,
}

/// What the host lends to one call. The default lends nothing.
#[derive(Clone, Default)]
pub struct Host {
    /// The plugin's own store, already scoped to plugin and agent. Used only if the permit has a quota.
    pub kv: Option<Arc<dyn KeyValue>>,
    /// Takes progress; at most 256 reports of a call reach it.
    pub progress: Option<OnProgress>,
    /// Whether what the host tells the guest is kept, or was.
    pub tape: Tape,
    /// Takes denials; without it they are told to `tracing`.
    pub denied: Option<OnDenied>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kv, progress, denied) = (self.kv.is_some(), self.progress.is_some(), self.denied.is_some());
        let mut host = f.debug_struct("Host");
        host.field("kv", &kv).field("progress", &progress).field("denied", &denied).finish_non_exhaustive()
    }
}

/// A plugin's own store. The sandbox bounds keys and values; the implementation holds the quota. Writes are durable when
/// the future resolves.
pub trait KeyValue: Send + Sync {
    /// The value of a key.
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, KeyValueError>>;
    /// Sets a key.
    fn set(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), KeyValueError>>;
    /// Removes a key; one that is not there is no error.
    fn delete(&self, key: String) -> BoxFuture<'_, Result<(), KeyValueError>>;
    /// The first `limit` keys with this prefix, in order.
    fn keys(&self, prefix: String, limit: u32) -> BoxFuture<'_, Result<Vec<String>, KeyValueError>>;
}

/// A store that did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyValueError {
    /// The plugin may not.
    #[error("the plugin has no store")]
    Denied,
    /// It would hold more than its quota.
    #[error("the plugin's store is full")]
    OverQuota,
    /// A key or value is too large.
    #[error("the key or value is too large")]
    TooLarge,
    /// The store failed; the guest only learns that it is unavailable.
    #[error("use the plugin's store")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
