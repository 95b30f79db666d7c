//! What waits to be written to one socket.

use std::collections::VecDeque;

use bytes::Bytes;
use exoclaw_protocol::limits;
use tokio_tungstenite::tungstenite::Message;

/// Messages that wait to be written, in order.
///
/// Bounded by not being filled: without room no event is taken from the session's ring, no answer is taken from a request
/// under way, and no further request is read. A client that does not read then falls behind the ring, or owes a pong, and
/// is closed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Message>,
    /// Payload bytes in `waiting`.
    bytes: usize,
}

impl Outbox {
    /// There is room for one message more.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.is_empty()
            || self.waiting.len() < limits::SOCKET_OUTBOX_MESSAGES && self.bytes < limits::SOCKET_OUTBOX_BYTES
    }

    pub(crate) fn text(&mut self, text: String) {
        self.push(Message::text(text));
    }

    pub(crate) fn ping(&mut self) {
        self.push(Message::Ping(Bytes::new()));
    }

    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.waiting.push_back(message);
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.waiting.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    /// Forgets what waits: its reader does not read.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
