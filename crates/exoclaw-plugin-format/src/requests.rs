//! What a plugin would like to have. A request grants nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ByteSize, HttpHost, HttpPattern};

/// The `[requests]` of a manifest. What the plugin gets is the part of it that the operator grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requests {
    /// HTTP requests, such as `GET https://api.github.com/repos/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpPattern>,
    /// Directories, by the path under which the plugin sees them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fs: Vec<FsRequest>,
    /// Names of environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Secrets, which the host places into requests and the plugin never sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretRequest>,
    /// A key-value store of its own, up to this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv: Option<ByteSize>,
}

/// A directory that a plugin would like to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsRequest {
    /// Path under which the plugin sees it, absolute.
    pub guest: String,
    /// What the plugin does there.
    pub access: Access,
}

/// What may be done in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// List and read.
    Read,
    /// List, read, write, create and remove.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
        })
    }
}

/// A secret that the host puts into a header of requests to one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// Its name in the operator's credentials.
    pub name: String,
    /// The header that carries it.
    pub header: String,
    /// The header's value, with `{}` for the secret.
    pub format: String,
    /// The host that may receive it.
    pub to: HttpHost,
}

impl Requests {
    /// One line for people for each request.
    pub fn lines(&self) -> Vec<String> {
        let http = self.http.iter().map(|pattern| format!("http {pattern}"));
        let fs = self.fs.iter().map(|dir| format!("fs {} {}", dir.access, dir.guest));
        let env = self.env.iter().map(|name| format!("env {name}"));
        let secrets = self.secrets.iter().map(|secret| format!("secret {} towards {}", secret.name, secret.to));
        let kv = self.kv.iter().map(|quota| format!("kv {quota}"));
        http.chain(fs).chain(env).chain(secrets).chain(kv).collect()
    }
}
