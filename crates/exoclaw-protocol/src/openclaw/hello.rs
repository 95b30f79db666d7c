//! What a client is told when it is let in.

use serde::Serialize;
use serde_json::Value;

use super::{StateVersion, Version};
use crate::ShownOnce;

/// The answer to `connect`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename = "hello-ok", rename_all = "camelCase")]
pub struct HelloOk {
    /// The version that both speak: [`Version::number`].
    pub protocol: u64,
    /// Who answers.
    pub server: Server,
    /// What can be asked and what is told.
    pub features: Features,
    /// How things are.
    pub snapshot: Snapshot,
    /// What the connection may do; version 3 leaves it out where no device was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<HelloAuth>,
    /// Bounds that the client keeps to.
    pub policy: Policy,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// The daemon's version.
    pub version: String,
    /// Names the connection.
    pub conn_id: String,
}

/// What can be asked and what is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Features {
    /// Methods that are there.
    pub methods: Vec<&'static str>,
    /// Events that are told.
    pub events: Vec<&'static str>,
    /// What else clients look for; version 4 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<&'static str>>,
}

/// How things are at the moment of the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Who is there.
    pub presence: Vec<Value>,
    /// As `health` answers.
    pub health: Value,
    /// Versions of both.
    pub state_version: StateVersion,
    /// How long the daemon has been running, in milliseconds.
    pub uptime_ms: u64,
    /// Which session is the main one.
    pub session_defaults: SessionDefaults,
}

/// Which session is the main one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDefaults {
    /// The agent that takes what no binding claims.
    pub default_agent_id: String,
    /// The bare name of its main session.
    pub main_key: String,
    /// The same in full.
    pub main_session_key: String,
    /// Whether there is a model to ask; version 4 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_configured: Option<bool>,
}

/// What the connection may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloAuth {
    /// What it is.
    pub role: String,
    /// What it may do: what it asked for, as far as its credential goes.
    pub scopes: Vec<String>,
    /// The device's own token, said this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<ShownOnce>,
    /// When that was made, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at_ms: Option<u64>,
}

/// Bounds that the client keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Bytes of one frame.
    pub max_payload: usize,
    /// Bytes that wait for a slow reader.
    pub max_buffered_bytes: usize,
    /// Milliseconds between two `tick`s: a client that hears none for twice as long connects anew.
    pub tick_interval_ms: u64,
}

impl HelloOk {
    /// Leaves out what the version does not know.
    #[must_use]
    pub fn in_version(mut self, version: Version) -> Self {
        self.protocol = version.number();
        if version < Version::V4 {
            self.features.capabilities = None;
            self.snapshot.session_defaults.model_configured = None;
        }
        self
    }
}
