//! Channels: plugins through which people on another platform talk to agents.

mod check;
mod entry;

use std::time::Duration;

use exoclaw_protocol::{CallId, Metering, PeerKind};

use crate::{
    CallError, Host, Permit, Plugin, bindings::channel::exports::exoclaw::plugin::channel as wit, entry::Call,
    http::withhold,
};
use entry::{Receive, Send};

/// A request that came to a channel's address.
#[derive(Debug, Clone, Default)]
pub struct Webhook {
    /// What follows `?` in its address.
    pub query: String,
    /// Names in small letters, with their values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a channel makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// What the platform is told once the messages are safe.
    pub response: Response,
    /// In order; at most [`MESSAGES`](crate::limits::CHANNEL_MESSAGES).
    pub messages: Vec<Inbound>,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 499; with messages, 200 to 299.
    pub status: u16,
    /// Its media type.
    pub media_type: String,
    /// Its body, at most [`RESPONSE_BYTES`](crate::limits::CHANNEL_RESPONSE_BYTES).
    pub body: Vec<u8>,
}

/// A message that somebody wrote on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The platform's id of it.
    pub id: String,
    /// The person, group or room that wrote.
    pub peer: (PeerKind, String),
    /// The server or community.
    pub guild: Option<String>,
    /// The workspace.
    pub team: Option<String>,
    /// What sending needs to answer there.
    pub to: String,
    /// Who wrote, where several may.
    pub sender: Option<String>,
    /// What they wrote.
    pub text: String,
}

/// An answer that is to be told on the platform.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// As [`Inbound::to`] had it.
    pub to: String,
    /// What is told.
    pub text: String,
    /// The same for every attempt; requests carry it.
    pub idempotency_key: String,
}

/// A channel that did not do what it was asked. What is said in words comes from the plugin or the platform.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The request is not the platform's.
    #[error("the request is not the platform's")]
    Unauthenticated,
    /// The request makes no sense.
    #[error("the request makes no sense: {0}")]
    Invalid(String),
    /// The same may succeed later.
    #[error("not at present: {reason}")]
    Later {
        /// As long as the platform asks for.
        after: Option<Duration>,
        /// Why not now.
        reason: String,
    },
    /// It never will.
    #[error("never: {0}")]
    Permanent(String),
    /// The plugin is none.
    #[error("the plugin is no channel")]
    NoChannel,
    /// The host ended the call.
    #[error("call the channel")]
    Call(#[from] CallError),
}

impl Plugin {
    /// Whether it is a channel.
    pub fn is_channel(&self) -> bool {
        self.0.channel.is_some()
    }

    /// Has a channel read a request, in a fresh instance under its permit.
    ///
    /// # Errors
    /// A request that is not the platform's or makes no sense, and whatever ends a call.
    pub async fn receive(
        &self,
        permit: &Permit,
        id: CallId,
        webhook: Webhook,
        host: Host,
    ) -> (Result<Reaction, ChannelError>, Metering) {
        let Some(channel) = &self.0.channel else { return (Err(ChannelError::NoChannel), Metering::default()) };
        let size = webhook.query.len() + webhook.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
        let bytes = (size + webhook.body.len()) as u64;
        let shown = wit::Webhook {
            query: withhold(&permit.checks, webhook.query.as_bytes()).unwrap_or_default(),
            headers: webhook
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), withhold(&permit.checks, value)?)))
                .collect(),
            body: webhook.body,
        };
        let call = Call { id, key: None, headers: webhook.headers, bytes, input: shown };
        let (ended, metering) = self.run(&Receive(channel), permit, call, host).await;
        (ended.map_err(ChannelError::from).and_then(|ended| ended), metering)
    }

    /// Has a channel tell an answer, in a fresh instance under its permit. Gives the platform's id of what it was told, if it
    /// says one.
    ///
    /// # Errors
    /// When the platform takes it later or never, and whatever ends a call.
    pub async fn send(
        &self,
        permit: &Permit,
        id: CallId,
        message: Outbound,
        host: Host,
    ) -> (Result<Option<String>, ChannelError>, Metering) {
        let Some(channel) = &self.0.channel else { return (Err(ChannelError::NoChannel), Metering::default()) };
        let Outbound { to, text, idempotency_key } = message;
        let (bytes, key) = ((to.len() + text.len()) as u64, Some(idempotency_key.clone()));
        let call = Call { id, key, headers: Vec::new(), bytes, input: wit::Outbound { to, text, idempotency_key } };
        let (ended, metering) = self.run(&Send(channel), permit, call, host).await;
        (ended.map_err(ChannelError::from).and_then(|ended| ended), metering)
    }
}
