//! What travels.

use exoclaw_protocol::{Block, IdempotencyKey, Origin};
use serde::{Deserialize, Serialize};

use crate::Address;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// Chosen by the sender, the same each time it sends again; becomes the idempotency key of the message.
    pub id: IdempotencyKey,
    /// Where the message comes from.
    pub origin: Origin,
    /// What is said.
    pub content: Vec<Block>,
    /// Where the answer is to go, if anyone waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Address>,
}

impl Envelope {
    /// A message that asks for no reply.
    pub fn new(id: IdempotencyKey, origin: Origin, content: Vec<Block>) -> Self {
        Self { id, origin, content, reply: None }
    }
}
