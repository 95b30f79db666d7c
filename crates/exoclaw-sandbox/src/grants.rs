//! What the operator gives to one plugin.

use std::path::PathBuf;

use exoclaw_plugin_format::{Access, ByteSize, HttpPattern};
use serde::Deserialize;

use crate::PrivateRange;

/// `[plugins.grants]` of the config. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// HTTP requests.
    pub http: Vec<HttpPattern>,
    /// Addresses beside those of the public Internet that granted requests may go to.
    #[serde(rename = "http-private")]
    pub http_private: Vec<PrivateRange>,
    /// Directories.
    pub fs: Vec<FsGrant>,
    /// Names of environment variables.
    pub env: Vec<String>,
    /// Names of secrets, each of which the host places into requests as the plugin's manifest says.
    pub secrets: Vec<String>,
    /// Quota of the plugin's own key-value store.
    pub kv: Option<ByteSize>,
}

/// A directory of the host that a plugin sees under a path of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsGrant {
    /// The directory: absolute, `~` already expanded.
    pub host: PathBuf,
    /// The path under which the plugin sees it, as in the plugin's request.
    pub guest: String,
    /// What the plugin may do there.
    pub access: Access,
}
