//! A message in a consumer's hands.

use std::{fmt, num::NonZeroU32, sync::Arc};

use futures::future::BoxFuture;

use crate::{Address, Envelope};

/// The bus was closed; nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bus is closed")]
pub struct Closed;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// It is done; the bus forgets it.
    Done,
    /// It could not be done now; the bus delivers it again.
    Again,
    /// It can never be done; the bus forgets it.
    Refused,
}

/// What a consumer decided did not reach the bus; the message will be delivered again.
#[derive(Debug, thiserror::Error)]
#[error("settle the message {id:?}")]
pub struct SettleError {
    /// The envelope's id.
    pub id: String,
    /// What failed.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A backend's side of a delivery. Dropping it unsettled must lead to another delivery.
pub trait Settlement: Send {
    /// Tells the bus.
    fn settle(self: Box<Self>, how: Settle) -> BoxFuture<'static, Result<(), SettleError>>;
}

/// A message that the bus keeps until it is settled. Dropping it unsettled means [`Delivery::again`].
#[must_use = "a message that is not settled is delivered again"]
pub struct Delivery {
    address: Address,
    envelope: Arc<Envelope>,
    attempt: NonZeroU32,
    settlement: Box<dyn Settlement>,
}

impl Delivery {
    /// For backends.
    pub fn new(
        address: Address,
        envelope: Arc<Envelope>,
        attempt: NonZeroU32,
        settlement: Box<dyn Settlement>,
    ) -> Self {
        Self { address, envelope, attempt, settlement }
    }

    /// Where the message was sent.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The message.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// How often it was delivered, this time included. A consumer that crashes on a message sees it grow.
    pub fn attempt(&self) -> NonZeroU32 {
        self.attempt
    }

    /// Says that the message is done; not before what came of it is durable.
    ///
    /// # Errors
    /// When the bus could not be told; the message will come again.
    pub async fn done(self) -> Result<(), SettleError> {
        self.settlement.settle(Settle::Done).await
    }

    /// Asks for the message to be delivered again.
    ///
    /// # Errors
    /// When the bus could not be told; the message will come again all the same.
    pub async fn again(self) -> Result<(), SettleError> {
        self.settlement.settle(Settle::Again).await
    }

    /// Says that the message can never be done, such as one that no agent may read.
    ///
    /// # Errors
    /// When the bus could not be told; the message will come again.
    pub async fn refuse(self) -> Result<(), SettleError> {
        self.settlement.settle(Settle::Refused).await
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Delivery");
        debug.field("address", &self.address).field("id", &self.envelope.id).field("attempt", &self.attempt);
        debug.finish_non_exhaustive()
    }
}
