//! The two ways into a channel.

use wasmtime::{Result, Store};

use super::{ChannelError, Reaction, check, wit};
use crate::{
    CallError, Limits,
    bindings::channel::{ChannelPlugin, ChannelPluginPre},
    entry::Entry,
    state::State,
};

/// A request is read.
pub(super) struct Receive<'a>(pub(super) &'a ChannelPluginPre<State>);

/// An answer is told.
pub(super) struct Send<'a>(pub(super) &'a ChannelPluginPre<State>);

impl Entry for Receive<'_> {
    type Instance = ChannelPlugin;
    type Input = wit::Webhook;
    type Answer = Result<wit::Reaction, wit::Refusal>;
    type End = Result<Reaction, ChannelError>;

    async fn instantiate(&self, store: &mut Store<State>) -> Result<ChannelPlugin> {
        self.0.instantiate_async(store).await
    }

    async fn call(
        &self,
        instance: &ChannelPlugin,
        store: &mut Store<State>,
        webhook: &wit::Webhook,
    ) -> Result<Self::Answer> {
        instance.exoclaw_plugin_channel().call_receive(store, webhook).await
    }

    fn end(answer: Self::Answer, _: &Limits) -> Result<Self::End, CallError> {
        Ok(match answer {
            Ok(reaction) => Ok(check::reaction(reaction)?),
            Err(wit::Refusal::Unauthenticated) => Err(ChannelError::Unauthenticated),
            Err(wit::Refusal::Invalid(why)) => Err(ChannelError::Invalid(check::words(&why))),
            Err(wit::Refusal::Unavailable(why)) => Err(ChannelError::Later { after: None, reason: check::words(&why) }),
        })
    }

    fn size(end: &Self::End) -> u64 {
        let Ok(Reaction { response, messages }) = end else { return 0 };
        (response.body.len() + messages.iter().map(|message| message.text.len()).sum::<usize>()) as u64
    }
}

impl Entry for Send<'_> {
    type Instance = ChannelPlugin;
    type Input = wit::Outbound;
    type Answer = Result<wit::Receipt, wit::SendError>;
    type End = Result<Option<String>, ChannelError>;

    async fn instantiate(&self, store: &mut Store<State>) -> Result<ChannelPlugin> {
        self.0.instantiate_async(store).await
    }

    async fn call(
        &self,
        instance: &ChannelPlugin,
        store: &mut Store<State>,
        message: &wit::Outbound,
    ) -> Result<Self::Answer> {
        instance.exoclaw_plugin_channel().call_send(store, message).await
    }

    fn end(answer: Self::Answer, _: &Limits) -> Result<Self::End, CallError> {
        Ok(match answer {
            Ok(wit::Receipt { id }) => Ok(id.map(|id| check::words(&id))),
            Err(wit::SendError::Retry(wit::Later { after_ms, reason })) => Err(ChannelError::Later {
                after: after_ms.map(std::time::Duration::from_millis),
                reason: check::words(&reason),
            }),
            Err(wit::SendError::Permanent(why)) => Err(ChannelError::Permanent(check::words(&why))),
        })
    }

    fn size(_: &Self::End) -> u64 {
        0
    }
}
