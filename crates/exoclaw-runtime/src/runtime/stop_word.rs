//! Messages that stop runs and are none.

use std::sync::Arc;

use exoclaw_protocol::{AbortReason, Block, ChatSendResult, Message, RpcError, SendStatus};

use super::Inner;
use crate::{clock::new_run_id, hub::Subscription, sessions::Lease};

impl Inner {
    /// The message is one text, and that a word which stops.
    pub(crate) fn is_stop_word(&self, message: &Message) -> bool {
        match &message.content[..] {
            [Block::Text { text }] => self.is_stop_text(text),
            _ => false,
        }
    }

    /// The text is a word that stops.
    pub(crate) fn is_stop_text(&self, text: &str) -> bool {
        self.stop_words.contains(&text.trim().to_lowercase())
    }

    /// Stops all runs of the session; answers when their ends are durable.
    pub(super) async fn stop_by_word(
        self: &Arc<Self>,
        lease: Lease,
    ) -> Result<(ChatSendResult, Subscription), RpcError> {
        let stopped = self.stop_runs(&lease, None, AbortReason::Stop).await?;
        let (epoch, seq) = {
            let state = lease.session().lock();
            (state.ring.epoch(), state.ring.last())
        };
        let session = lease.session().key().clone();
        let (run_id, status) = (new_run_id(&*self.clock), SendStatus::Stopped);
        let result = ChatSendResult { run_id, session, status, failure: None, stopped, epoch, seq };
        Ok((result, Subscription::new(lease, epoch, seq)))
    }
}
