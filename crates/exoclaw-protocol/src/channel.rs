//! Channels: ways to agents from other platforms.

use serde::{Deserialize, Serialize};

use crate::{ChannelName, PluginName};

/// Parameters of `channel.list`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelListParams {}

/// Result of `channel.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelListResult {
    /// In order of name.
    pub channels: Vec<ChannelInfo>,
}

/// One channel in a list. Times are milliseconds since 1970, of this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// The plugin that it is.
    pub plugin: PluginName,
    /// The account on the platform, where the config names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Answers that wait to be delivered.
    pub backlog: u64,
    /// When a message last came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_in_ms: Option<u64>,
    /// When an answer was last delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_out_ms: Option<u64>,
    /// What is wrong: why its plugin can't be called, or what went wrong last and has not gone right since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
