//! The trait.

use futures::future::BoxFuture;

use crate::{Address, Closed, Delivery, Envelope, Filter};

/// What a publisher may know about an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The bus keeps it from now on.
    New,
    /// The bus has, or had lately, a message of that id. Nothing was added.
    Duplicate,
}

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The bus keeps as much as it may; the same message may be accepted later.
    #[error("publish to {0}: the bus is full")]
    Full(Address),
    /// The message alone is larger than a message may be.
    #[error("publish to {address}: {bytes} bytes, at most {} are allowed", exoclaw_protocol::limits::MESSAGE_BYTES)]
    TooLarge {
        /// Where it was to go.
        address: Address,
        /// Its size as JSON.
        bytes: usize,
    },
    /// The bus was closed.
    #[error("publish to {0}: the bus is closed")]
    Closed(Address),
    /// The backend failed.
    #[error("publish to {address}")]
    Backend {
        /// Where it was to go.
        address: Address,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl PublishError {
    /// The same message may be accepted later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Backend { .. })
    }
}

/// Why a subscription was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Another filter takes some of the same addresses, so that a message could go to either.
    #[error("subscribe to {wanted}: {other} is subscribed to and takes some of the same")]
    Overlap {
        /// What was asked for.
        wanted: Filter,
        /// What is there.
        other: Filter,
    },
    /// There are [`limits::FILTERS`](crate::limits::FILTERS) others.
    #[error("subscribe to {0}: there are too many subscriptions")]
    TooMany(Filter),
    /// The bus was closed.
    #[error("subscribe to {0}: the bus is closed")]
    Closed(Filter),
    /// The backend failed.
    #[error("subscribe to {filter}")]
    Backend {
        /// What was asked for.
        filter: Filter,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A work queue of envelopes. What `publish` accepted stays until a consumer settles it, however often consumers come, fail
/// and go; a bus that outlives its process keeps it across restarts too.
///
/// * Each message goes to one subscription that takes its address. Subscriptions of one filter share its messages.
/// * A message that no subscription takes waits for one.
/// * A delivery that is dropped unsettled is delivered again, to any subscription of the filter.
/// * One consumer that settles each message before it takes the next one gets the messages of an address in the order in
///   which they were accepted.
/// * Everything is bounded (see [`limits`](crate::limits)), and a full bus refuses publishers.
pub trait Bus: Send + Sync {
    /// Hands a message over. Once this succeeds the message is the bus's to keep.
    ///
    /// # Errors
    /// When it was not accepted.
    fn publish(&self, to: Address, envelope: Envelope) -> BoxFuture<'_, Result<Published, PublishError>>;

    /// Takes part in consuming what the filter takes, until the subscription is dropped.
    ///
    /// # Errors
    /// When a different filter that overlaps is subscribed to, or the bus is closed.
    fn subscribe(&self, filter: Filter) -> BoxFuture<'_, Result<Box<dyn Subscription>, SubscribeError>>;
}

/// A consumer's end.
pub trait Subscription: Send {
    /// The next message. Dropping the future takes no message, so it may stand in a `select!`.
    ///
    /// # Errors
    /// When the bus was closed.
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, Closed>>;
}
