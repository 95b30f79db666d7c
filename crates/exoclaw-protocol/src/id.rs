//! Ids: newtypes that hold only valid text, so that whoever takes one need not check it again.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits;

/// Text that is no valid id, with the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?}: {rule}")]
pub struct IdError {
    /// What the text was meant to be, such as `agent id`.
    pub kind: &'static str,
    /// The start of the text, at most 64 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl IdError {
    pub(crate) fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: text.chars().take(64).collect(), rule }
    }
}

/// Deserializes through `FromStr`, without a copy where the input allows it.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: fmt::Display,
{
    struct Text<T>(std::marker::PhantomData<T>);
    impl<T> de::Visitor<'_> for Text<T>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(std::marker::PhantomData))
}

/// Makes a text newtype: cheap to clone, valid by construction, serialized as the text itself.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(IdError::new($kind, text, $rule)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }
    };
}

fn starts_alphanumeric(text: &str, rest: fn(u8) -> bool) -> bool {
    let is_first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().next().is_some_and(is_first) && text.bytes().all(|b| is_first(b) || rest(b))
}

fn printable(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control)
}

text_id! {
    /// Names an approval: 16 hexadecimal digits.
    ApprovalId, "approval id", "want 16 hexadecimal digits, as `exoclawd approval list` shows them",
    |text| text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

impl ApprovalId {
    /// The id that these bytes spell.
    pub fn of_bytes(bytes: [u8; 8]) -> Self {
        Self(format!("{:016x}", u64::from_be_bytes(bytes)).into())
    }
}

text_id! {
    /// Names an agent: `[a-z0-9][a-z0-9_-]{0,63}`.
    AgentId, "agent id", "want 1 to 64 of a-z, 0-9, '_' and '-', starting with a letter or digit",
    |text| text.len() <= 64 && starts_alphanumeric(text, |b| b == b'_' || b == b'-')
}

text_id! {
    /// Names a plugin: `[a-z0-9][a-z0-9-]{0,31}`. Without `_`, so that `plugin__tool` splits in one way only.
    PluginName, "plugin name", "want 1 to 32 of a-z, 0-9 and '-', starting with a letter or digit",
    |text| text.len() <= 32 && starts_alphanumeric(text, |b| b == b'-')
}

text_id! {
    /// Names a channel: `[a-z0-9][a-z0-9-]{0,31}`. Stands in the address of its webhook and in origins.
    ChannelName, "channel name", "want 1 to 32 of a-z, 0-9 and '-', starting with a letter or digit",
    |text| text.len() <= 32 && starts_alphanumeric(text, |b| b == b'-')
}

text_id! {
    /// Names one tool of a plugin: `[a-z0-9][a-z0-9_]{0,29}`; with the plugin's name it fits the 64 characters that models take.
    ToolName, "tool name", "want 1 to 30 of a-z, 0-9 and '_', starting with a letter or digit",
    |text| text.len() <= 30 && starts_alphanumeric(text, |b| b == b'_')
}

text_id! {
    /// Names a token: `[a-z0-9][a-z0-9_-]{0,63}`.
    TokenName, "token name", "want 1 to 64 of a-z, 0-9, '_' and '-', starting with a letter or digit",
    |text| text.len() <= 64 && starts_alphanumeric(text, |b| b == b'_' || b == b'-')
}

text_id! {
    /// Names a job of the scheduler: `[a-z0-9][a-z0-9_-]{0,63}`.
    JobId, "job id", "want 1 to 64 of a-z, 0-9, '_' and '-', starting with a letter or digit",
    |text| text.len() <= 64 && starts_alphanumeric(text, |b| b == b'_' || b == b'-')
}

text_id! {
    /// Names a device: the SHA-256 of its public key, in hexadecimal.
    DeviceId, "device id", "want 64 of 0-9 and a-f",
    |text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

text_id! {
    /// Names one run of an agent, unique over all sessions.
    RunId, "run id", "want 1 to 64 of A-Z, a-z, 0-9, '_' and '-'",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

text_id! {
    /// Names one tool call of a run, as the model named it.
    CallId, "tool call id", "want 1 to 256 bytes without control characters",
    |text| printable(text, limits::CALL_ID_BYTES)
}

text_id! {
    /// Chosen by a sender so that sending again is not sending twice.
    IdempotencyKey, "idempotency key", "want 1 to 256 bytes without control characters",
    |text| printable(text, limits::IDEMPOTENCY_KEY_BYTES)
}
