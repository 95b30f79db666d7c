//! Session keys: `agent:{agent}:{tail}`, where the tail says which conversation of that agent it is.
//!
//! The tail is one or more segments joined by `:`. A segment is percent-escaped: every byte outside `[A-Za-z0-9_.@+-]`
//! is written `%XX`, so that no id can pose as another key.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    AgentId,
    id::{IdError, from_text},
    limits,
};

const KIND: &str = "session key";

/// The canonical name of a session. Cheap to clone; text that parses is always canonical.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    text: Arc<str>,
    /// Where the agent's id ends in `text`.
    agent_end: u16,
}

impl SessionKey {
    /// The key of one conversation of an agent. The segments are escaped here.
    ///
    /// # Errors
    /// When there is no segment, one is empty, or the key is longer than [`limits::SESSION_KEY_BYTES`].
    pub fn new<'a>(agent: &AgentId, segments: impl IntoIterator<Item = &'a str>) -> Result<Self, IdError> {
        let mut text = format!("agent:{agent}");
        for segment in segments {
            text.push(':');
            escape_into(&mut text, segment);
        }
        text.parse()
    }

    /// The agent that the session belongs to.
    pub fn agent(&self) -> &str {
        &self.text["agent:".len()..usize::from(self.agent_end)]
    }

    /// The escaped segments after the agent.
    pub fn tail(&self) -> &str {
        &self.text[usize::from(self.agent_end) + 1..]
    }

    /// The segments after the agent, without escapes.
    pub fn segments(&self) -> impl Iterator<Item = String> + '_ {
        self.tail().split(':').map(unescape)
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@' | b'+' | b'-')
}

fn escape_into(text: &mut String, segment: &str) {
    use fmt::Write;
    for byte in segment.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Bytes of an escaped segment; `None` where it is not in the one canonical form.
fn decode(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = segment.bytes();
    let mut out = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        if is_plain(byte) {
            out.push(byte);
            continue;
        }
        if byte != b'%' {
            return None;
        }
        let decoded = hex(bytes.next()?)? << 4 | hex(bytes.next()?)?;
        if is_plain(decoded) {
            return None;
        }
        out.push(decoded);
    }
    Some(out)
}

fn is_canonical(segment: &str) -> bool {
    !segment.is_empty() && decode(segment).is_some_and(|bytes| String::from_utf8(bytes).is_ok())
}

fn unescape(segment: &str) -> String {
    let bytes = decode(segment).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl FromStr for SessionKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = |rule| IdError::new(KIND, text, rule);
        if text.len() > limits::SESSION_KEY_BYTES {
            return Err(error("want at most 2048 bytes"));
        }
        let rest = text.strip_prefix("agent:").ok_or_else(|| error("want agent:{agent}:{name}"))?;
        let (agent, tail) = rest.split_once(':').ok_or_else(|| error("want agent:{agent}:{name}"))?;
        AgentId::from_str(agent)?;
        if !tail.split(':').all(is_canonical) {
            return Err(error("want segments of A-Z, a-z, 0-9, '_', '.', '@', '+', '-', other bytes as %XX"));
        }
        let agent_end = u16::try_from("agent:".len() + agent.len()).map_err(|_| error("want at most 2048 bytes"))?;
        Ok(Self { text: text.into(), agent_end })
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({:?})", &self.text)
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// A session as a client names it: a canonical key, or a bare name such as `main` that the router completes with an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SessionRef {
    /// A canonical key.
    Key(SessionKey),
    /// A name without an agent.
    Name(String),
}

impl SessionRef {
    /// The key that is meant, a bare name being one of `default_agent`'s.
    ///
    /// # Errors
    /// When the name does not fit into a key.
    pub fn resolve(&self, default_agent: &AgentId) -> Result<SessionKey, IdError> {
        match self {
            Self::Key(key) => Ok(key.clone()),
            Self::Name(name) => SessionKey::new(default_agent, [name.as_str()]),
        }
    }
}

impl FromStr for SessionRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with("agent:") {
            return text.parse().map(Self::Key);
        }
        if text.is_empty() || text.len() > limits::ORIGIN_FIELD_BYTES || text.chars().any(char::is_control) {
            return Err(IdError::new("session", text, "want 1 to 128 bytes without control characters"));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl From<SessionKey> for SessionRef {
    fn from(key: SessionKey) -> Self {
        Self::Key(key)
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Serialize for SessionRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}
