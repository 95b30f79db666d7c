//! A set of requests, as requests and grants name it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Host;

use crate::{HttpScheme, HttpTarget, TargetError};

/// Requests that may be made, such as `GET https://api.github.com/repos/*`.
///
/// A method or `*`, a space, and a URL: `http` or `https`; a host, with one leading `*.` for all names below it; a port, that of
/// the scheme if none is named; a path, which is meant exactly, or with `/*` at its end for all that lies below it. A pattern
/// says nothing of queries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpPattern {
    /// `None` is any.
    method: Option<String>,
    scheme: HttpScheme,
    host: Hosts,
    port: u16,
    path: Paths,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Hosts {
    One(Host),
    /// With its leading dot.
    Below(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Paths {
    One(String),
    /// With its trailing slash.
    Below(String),
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It isn't a method and a URL.
    #[error("{text:?}: want a method, a space and a URL, such as \"GET https://api.github.com/repos/*\"")]
    Form {
        /// The start of the text.
        text: String,
    },
    /// `*` stands where it has no meaning.
    #[error(
        "{text:?}: `*` may stand for the method, as `*.` before a host of two names or more, and as `/*` at the end"
    )]
    Star {
        /// The start of the text.
        text: String,
    },
    /// A part is not valid.
    #[error("{text:?}: {reason}")]
    Part {
        /// The start of the text.
        text: String,
        /// Which one.
        reason: TargetError,
    },
}

impl HttpPattern {
    /// Whether the request is meant.
    pub fn matches(&self, target: &HttpTarget) -> bool {
        self.method.as_deref().is_none_or(|method| method == target.method())
            && self.scheme == target.scheme()
            && self.host.contains(&target.host())
            && self.port == target.port()
            && self.path.contains(target.path())
    }

    /// The requests that both patterns mean, if there are any.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let method = match (&self.method, &other.method) {
            (Some(one), Some(two)) if one != two => return None,
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        let same = self.scheme == other.scheme && self.port == other.port;
        let (host, path) = (self.host.intersection(&other.host)?, self.path.intersection(&other.path)?);
        same.then_some(Self { method, scheme: self.scheme, host, port: self.port, path })
    }
}

impl Hosts {
    fn contains(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::One(Host::Domain(own)), Host::Domain(name)) => own == name,
            (Self::One(Host::Ipv4(own)), Host::Ipv4(address)) => own == address,
            (Self::One(Host::Ipv6(own)), Host::Ipv6(address)) => own == address,
            (Self::Below(suffix), Host::Domain(name)) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
            _ => false,
        }
    }

    fn intersection(&self, other: &Self) -> Option<Self> {
        let (one, two) = match (self, other) {
            (Self::Below(one), Self::Below(two)) => {
                let (short, long) = if one.len() < two.len() { (one, two) } else { (two, one) };
                return long.ends_with(short.as_str()).then(|| Self::Below(long.clone()));
            }
            (Self::One(one), two) => (one, two),
            (one, Self::One(two)) => (two, one),
        };
        let host = match one {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        two.contains(&host).then(|| Self::One(one.clone()))
    }
}

impl Paths {
    fn contains(&self, path: &str) -> bool {
        match self {
            Self::One(own) => own == path,
            Self::Below(prefix) => path.starts_with(prefix.as_str()),
        }
    }

    fn intersection(&self, other: &Self) -> Option<Self> {
        let (narrow, wide) = match (self, other) {
            (Self::One(_), wide) => (self, wide),
            (wide, Self::One(_)) => (other, wide),
            (Self::Below(one), Self::Below(two)) if one.len() >= two.len() => (self, other),
            _ => (other, self),
        };
        let (Self::One(text) | Self::Below(text)) = narrow;
        wide.contains(text).then(|| narrow.clone())
    }
}

impl FromStr for HttpPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let shown = || text.chars().take(128).collect::<String>();
        let form = || PatternError::Form { text: shown() };
        let star = || PatternError::Star { text: shown() };
        let (method, url) = text.split_once(' ').ok_or_else(form)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(form)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (below, authority) = authority.strip_prefix("*.").map_or((false, authority), |rest| (true, rest));
        let (deeper, path) = path.strip_suffix("/*").map_or((false, path), |rest| (true, rest));
        if authority.contains('*') || path.contains('*') {
            return Err(star());
        }
        if path.contains('?') || authority.contains('?') {
            return Err(form());
        }
        // An example of what is meant, which holds to the rules of all that is sent.
        let path = if deeper { format!("{path}/") } else { path.to_owned() };
        let example = HttpTarget::new(if method == "*" { "GET" } else { method }, scheme, authority, &path)
            .map_err(|reason| PatternError::Part { text: shown(), reason })?;
        let host = match example.host() {
            Host::Domain(name) if below && name.contains('.') => Hosts::Below(format!(".{name}")),
            _ if below => return Err(star()),
            host => Hosts::One(host.to_owned()),
        };
        let path = example.path().to_owned();
        Ok(Self {
            method: (method != "*").then(|| method.to_owned()),
            scheme: example.scheme(),
            host,
            port: example.port(),
            path: if deeper { Paths::Below(path) } else { Paths::One(path) },
        })
    }
}

impl fmt::Display for HttpPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://", self.method.as_deref().unwrap_or("*"), self.scheme)?;
        match &self.host {
            Hosts::One(host) => write!(f, "{host}")?,
            Hosts::Below(suffix) => write!(f, "*{suffix}")?,
        }
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        match &self.path {
            Paths::One(path) => f.write_str(path),
            Paths::Below(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Serialize for HttpPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
