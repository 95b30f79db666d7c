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
    /// Secrets, which the host uses and the plugin never sees.
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

/// A secret that the host uses for the plugin, which never sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SecretText", into = "SecretText")]
pub struct SecretRequest {
    /// Its name in the operator's credentials.
    pub name: String,
    /// What the host does with it.
    pub place: SecretPlace,
}

/// What the host does with a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// Put it into a header of each request to one host.
    Header {
        /// The header that carries it.
        header: String,
        /// The header's value, with `{}` for the secret.
        format: String,
        /// The host that may receive it.
        to: HttpHost,
    },
    /// Put it before the path of each request to one host.
    Path {
        /// What goes before the path, with `{}` for the secret: `/bot{}`.
        prefix: String,
        /// The host that may receive it.
        to: HttpHost,
    },
    /// Check with it who wrote what the plugin is given; it is sent nowhere.
    Check,
}

/// A secret as it is written: `{ name, header, format, to }`, `{ name, path, to }` or `{ name, check = true }`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretText {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<HttpHost>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    check: bool,
}

impl TryFrom<SecretText> for SecretRequest {
    type Error = String;

    fn try_from(SecretText { name, header, format, path, to, check }: SecretText) -> Result<Self, String> {
        let place = match (header, format, path, to, check) {
            (Some(header), Some(format), None, Some(to), false) => SecretPlace::Header { header, format, to },
            (None, None, Some(prefix), Some(to), false) => SecretPlace::Path { prefix, to },
            (None, None, None, None, true) => SecretPlace::Check,
            _ => return Err(format!("secret {name:?}: want header, format and to, or path and to, or check = true")),
        };
        Ok(Self { name, place })
    }
}

impl From<SecretRequest> for SecretText {
    fn from(SecretRequest { name, place }: SecretRequest) -> Self {
        let bare = Self { name, header: None, format: None, path: None, to: None, check: false };
        match place {
            SecretPlace::Header { header, format, to } => {
                Self { header: Some(header), format: Some(format), to: Some(to), ..bare }
            }
            SecretPlace::Path { prefix, to } => Self { path: Some(prefix), to: Some(to), ..bare },
            SecretPlace::Check => Self { check: true, ..bare },
        }
    }
}

impl fmt::Display for SecretRequest {
    /// The line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.place {
            SecretPlace::Header { to, .. } => write!(f, "secret {name} towards {to}"),
            SecretPlace::Path { to, .. } => write!(f, "secret {name} in paths towards {to}"),
            SecretPlace::Check => write!(f, "secret {name} to check who wrote"),
        }
    }
}

impl Requests {
    /// One line for people for each request.
    pub fn lines(&self) -> Vec<String> {
        let http = self.http.iter().map(|pattern| format!("http {pattern}"));
        let fs = self.fs.iter().map(|dir| format!("fs {} {}", dir.access, dir.guest));
        let env = self.env.iter().map(|name| format!("env {name}"));
        let secrets = self.secrets.iter().map(ToString::to_string);
        let kv = self.kv.iter().map(|quota| format!("kv {quota}"));
        http.chain(fs).chain(env).chain(secrets).chain(kv).collect()
    }
}
