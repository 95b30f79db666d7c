//! The one host that may receive a secret.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Host;

use crate::HttpTarget;

/// A host, and a port unless it is that of the scheme: `api.github.com`, `127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpHost {
    host: Host,
    /// `None` is the scheme's own.
    port: Option<u16>,
}

/// Text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: want a host, with a port if it is not the usual one, such as api.github.com")]
pub struct HttpHostError(String);

impl HttpHost {
    /// Whether the request goes there.
    pub fn matches(&self, target: &HttpTarget) -> bool {
        let port = self.port.unwrap_or_else(|| target.scheme().default_port());
        target.host().to_owned() == self.host && target.port() == port
    }
}

impl FromStr for HttpHost {
    type Err = HttpHostError;

    fn from_str(text: &str) -> Result<Self, HttpHostError> {
        let failed = |_| HttpHostError(text.chars().take(128).collect());
        let target = HttpTarget::new("GET", "https", text, "/").map_err(failed)?;
        let named = text.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        Ok(Self { host: target.host().to_owned(), port: named.then(|| target.port()) })
    }
}

impl fmt::Display for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

impl Serialize for HttpHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
