//! Channels: what they hear becomes messages of sessions, and what is answered to those goes out through them.

mod delivery;
mod intake;
mod recall;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use exoclaw_protocol::{ChannelInfo, ChannelName, PluginName, SessionKey, limits};
use exoclaw_sandbox::{CallError, Denial, Host};
use exoclaw_store::audit::{Audit, Decision, Entry, What};
use tokio::sync::{Notify, Semaphore};

use crate::{config::StartError, plugins::Plugins, tools::denied};

pub(crate) use delivery::deliver;
pub use intake::WebhookError;

/// A channel of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Its name: in the address of its webhook, and `channel` of its messages' origins.
    pub name: ChannelName,
    /// The plugin that it is.
    pub plugin: PluginName,
    /// `account` of its messages' origins.
    pub account: Option<String>,
}

/// All channels.
#[derive(Debug, Default)]
pub(crate) struct Channels(BTreeMap<ChannelName, Arc<Channel>>);

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) config: ChannelConfig,
    /// One permit for each webhook that is read; a further one is refused as busy.
    webhooks: Semaphore,
    /// An answer may wait to be delivered.
    pub(crate) wake: Notify,
    seen: Mutex<Seen>,
}

/// What is told of it to people.
#[derive(Debug, Default)]
struct Seen {
    last_in_ms: Option<u64>,
    last_out_ms: Option<u64>,
    error: Option<String>,
}

impl Channels {
    /// The channels of a config.
    ///
    /// # Errors
    /// When one is there twice, or its plugin is not there or is no channel. One that could not be loaded may be mended later.
    pub(crate) fn new(configs: Vec<ChannelConfig>, plugins: &Plugins) -> Result<Self, StartError> {
        let mut channels = BTreeMap::new();
        for config in configs {
            let (channel, plugin) = (config.name.clone(), config.plugin.clone());
            match plugins.find(plugin.as_str()) {
                None => return Err(StartError::UnknownChannelPlugin { channel, plugin }),
                Some(Ok(ready)) if !ready.plugin.is_channel() => {
                    return Err(StartError::NoChannel { channel, plugin });
                }
                Some(_) => {}
            }
            let (webhooks, wake) = (Semaphore::new(limits::WEBHOOKS), Notify::new());
            let opened = Arc::new(Channel { config, webhooks, wake, seen: Mutex::default() });
            if channels.insert(channel.clone(), opened).is_some() {
                return Err(StartError::ChannelTwice { channel });
            }
        }
        Ok(Self(channels))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Channel>> {
        self.0.get(&name.parse::<ChannelName>().ok()?)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.0.values()
    }

    /// A run of this session ended: its channel may have something to deliver.
    pub(crate) fn answered(&self, session: &SessionKey) {
        if self.0.is_empty() {
            return;
        }
        if let Some(origin) = exoclaw_router::origin_of(session)
            && let Some(channel) = self.find(&origin.channel)
        {
            channel.wake.notify_one();
        }
    }
}

impl Channel {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn name(&self) -> &str {
        self.config.name.as_str()
    }

    /// As people see it.
    pub(crate) fn info(&self, plugins: &Plugins, backlog: u64) -> ChannelInfo {
        let ChannelConfig { name, plugin, account } = self.config.clone();
        let broken = plugins.find(plugin.as_str()).and_then(Result::err);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { last_in_ms, last_out_ms, ref error } = *seen;
        ChannelInfo { name, plugin, account, backlog, last_in_ms, last_out_ms, error: broken.or_else(|| error.clone()) }
    }

    /// What a call of it is lent.
    fn host(&self, audit: &Audit) -> Host {
        let (audit, name) = (audit.clone(), self.config.name.clone());
        let told =
            move |denial: Denial<'_>| audit.note(denied(denial, name.as_str()).who(format_args!("channel {name}")));
        Host { denied: Some(Arc::new(told)), ..Host::default() }
    }

    /// A call that the host ended is recorded.
    fn stopped(&self, audit: &Audit, action: &'static str, error: &CallError) {
        tracing::warn!(channel = self.name(), error = %crate::journal::Chain(error), "call of a channel failed");
        let entry = Entry::new(What::Guest, action, Decision::Stopped).who(format_args!("channel {}", self.name()));
        audit.note(entry.object(&self.config.plugin).reason(error));
    }
}
