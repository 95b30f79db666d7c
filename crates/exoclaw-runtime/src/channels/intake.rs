//! From a webhook to durable messages.

use std::time::Duration;

use exoclaw_protocol::{Block, CallId, ChatSendParams, ErrorCode, IdempotencyKey, Origin, Peer, PeerKind, RpcError};
use exoclaw_sandbox::{ChannelError, Inbound, Reaction, Response, Webhook};
use exoclaw_store::audit::{Decision, Entry, What};
use sha2::{Digest, Sha256};

use super::Channel;
use crate::{Runtime, clock::new_run_id, runtime::Inner};

/// When a platform may tell again what could not be taken.
const AGAIN: Duration = Duration::from_secs(5);

/// A webhook that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// There is no such channel.
    #[error("there is no such channel")]
    Unknown,
    /// It is not the platform's.
    #[error("the request is not the platform's")]
    Unauthenticated,
    /// It makes no sense.
    #[error("the request makes no sense")]
    Invalid,
    /// Not now; what was taken of it is known when it comes again.
    #[error("not at present: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
        /// When it may come again.
        retry_after: Duration,
    },
    /// The channel failed.
    #[error("the channel failed")]
    Failed,
}

impl WebhookError {
    fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after: AGAIN }
    }
}

impl Runtime {
    /// There is a channel of this name.
    pub fn has_channel(&self, name: &str) -> bool {
        self.inner.channels.find(name).is_some()
    }

    /// Has a channel read a request that came for it from `from`. Its messages are durable when this answers; one that was
    /// taken before is not taken again.
    ///
    /// # Errors
    /// When there is no such channel, the request is not its platform's, or it can't be taken at present.
    pub async fn receive(&self, channel: &str, from: &str, webhook: Webhook) -> Result<Response, WebhookError> {
        let inner = &self.inner;
        let channel = inner.channels.find(channel).ok_or(WebhookError::Unknown)?;
        let Ok(_place) = channel.webhooks.try_acquire() else {
            return Err(WebhookError::Unavailable {
                reason: "too many requests are being read".to_owned(),
                retry_after: Duration::from_secs(1),
            });
        };
        self.ready().map_err(|error| WebhookError::unavailable(error.message))?;
        let Some(Ok(ready)) = inner.plugins.find(channel.config.plugin.as_str()) else {
            return Err(WebhookError::unavailable("the channel's plugin can't be called"));
        };
        let (host, id) = (channel.host(&inner.audit), call_id(inner));
        let (received, _) = ready.plugin.receive(&ready.permit, id, webhook, host).await;
        let Reaction { response, messages } = received.map_err(|error| refused(inner, channel, from, error))?;
        for message in messages {
            self.take(channel, from, message).await?;
        }
        Ok(response)
    }

    /// Makes one message durable.
    async fn take(&self, channel: &Channel, from: &str, message: Inbound) -> Result<(), WebhookError> {
        let inner = &self.inner;
        let Inbound { id, peer: (kind, peer), guild, team, to, sender, text } = message;
        let key = key(channel, &id);
        let several = kind != PeerKind::Dm && !inner.is_stop_text(&text);
        let text = match sender {
            Some(sender) if several => format!("{sender}: {text}"),
            _ => text,
        };
        let origin = Origin {
            channel: channel.name().to_owned(),
            account: channel.config.account.clone(),
            peer: Some(Peer { kind, id: peer }),
            guild,
            team,
        };
        let params = ChatSendParams {
            origin: Some(origin),
            content: Some(vec![Block::text(text)]),
            idempotency_key: Some(key),
            ..ChatSendParams::default()
        };
        match self.send_from(None, Some(to), params).await {
            Ok(_) => channel.note(|seen| seen.last_in_ms = Some(inner.clock.now_ms())),
            // It was taken before: it changed since, or its run waits for the next start.
            Err(RpcError { code: ErrorCode::Conflict | ErrorCode::Interrupted, .. }) => {}
            Err(error) if error.code.is_retryable() || error.code == ErrorCode::StoreReadOnly => {
                let retry_after = error.retry_after_ms.map_or(AGAIN, Duration::from_millis);
                return Err(WebhookError::Unavailable { reason: error.message, retry_after });
            }
            Err(error) if error.code == ErrorCode::Internal => return Err(WebhookError::Failed),
            // It would be refused again, however often it is told.
            Err(error) => {
                let entry = Entry::new(What::Channel, "receive", Decision::Refused).from(from);
                inner.audit.note(entry.who(format_args!("channel {}", channel.name())).reason(&error.message));
                channel.note(|seen| seen.error = Some(error.message));
            }
        }
        Ok(())
    }
}

fn refused(inner: &Inner, channel: &Channel, from: &str, error: ChannelError) -> WebhookError {
    let entry = |decision| {
        let entry = Entry::new(What::Channel, "receive", decision).from(from);
        entry.who(format_args!("channel {}", channel.name()))
    };
    match error {
        ChannelError::Unauthenticated => {
            inner.audit.note(entry(Decision::Refused).reason("the request is not the platform's"));
            WebhookError::Unauthenticated
        }
        ChannelError::Invalid(reason) => {
            inner.audit.note(entry(Decision::Refused).reason(&reason));
            WebhookError::Invalid
        }
        ChannelError::Later { reason, .. } => WebhookError::unavailable(reason),
        ChannelError::Call(error) => {
            channel.stopped(&inner.audit, "receive", &error);
            channel.note(|seen| seen.error = Some(error.to_string()));
            match error {
                exoclaw_sandbox::CallError::Busy => WebhookError::unavailable("too many calls are under way"),
                _ => WebhookError::Failed,
            }
        }
        error => {
            channel.note(|seen| seen.error = Some(error.to_string()));
            WebhookError::Failed
        }
    }
}

/// The same however often the platform tells the message.
fn key(channel: &Channel, id: &str) -> IdempotencyKey {
    let text = format!("{}:{}:{id}", channel.name(), channel.config.account.as_deref().unwrap_or_default());
    text.parse().unwrap_or_else(|_| digest_key(&text))
}

#[expect(clippy::expect_used, reason = "hexadecimal digits are a valid key")]
fn digest_key(text: &str) -> IdempotencyKey {
    hex::encode(Sha256::digest(text)).parse().expect("a key")
}

/// Names a call in log and audit.
#[expect(clippy::expect_used, reason = "the text of a run id is a valid call id")]
pub(super) fn call_id(inner: &Inner) -> CallId {
    new_run_id(&*inner.clock).as_str().parse().expect("a call id")
}
