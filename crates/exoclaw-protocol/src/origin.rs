//! Where a message comes from.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    id::{IdError, from_text},
    limits,
};

/// Where a message comes from on its platform. Any field but the channel may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The platform, such as `slack` or `web`.
    pub channel: String,
    /// The account on that platform through which the message came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The person, group or channel that wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// The server or community, as Discord has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guild: Option<String>,
    /// The workspace, as Slack has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

impl Origin {
    /// An origin that says no more than its channel.
    pub fn channel(channel: impl Into<String>) -> Self {
        Self { channel: channel.into(), account: None, peer: None, guild: None, team: None }
    }

    /// Checks that each field that is set has 1 to [`limits::ORIGIN_FIELD_BYTES`] bytes and no control character.
    ///
    /// # Errors
    /// Names the first field that does not.
    pub fn validate(&self) -> Result<(), IdError> {
        let peer = self.peer.as_ref().map(|peer| peer.id.as_str());
        let fields = [
            ("origin channel", Some(self.channel.as_str())),
            ("origin account", self.account.as_deref()),
            ("origin peer", peer),
            ("origin guild", self.guild.as_deref()),
            ("origin team", self.team.as_deref()),
        ];
        for (kind, text) in fields {
            let Some(text) = text else { continue };
            if text.is_empty() || text.len() > limits::ORIGIN_FIELD_BYTES || text.chars().any(char::is_control) {
                return Err(IdError::new(kind, text, "want 1 to 128 bytes without control characters"));
            }
        }
        Ok(())
    }
}

/// What kind of place a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// One person, directly.
    Dm,
    /// A group of people.
    Group,
    /// A public or named room.
    Channel,
}

impl PeerKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Dm, Self::Group, Self::Channel];

    /// The kind as it stands in texts: `dm`, `group` or `channel`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dm => "dm",
            Self::Group => "group",
            Self::Channel => "channel",
        }
    }
}

/// Who wrote: `kind:id` in text. Text without a known kind in front is a direct peer's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// What kind of place it is.
    pub kind: PeerKind,
    /// The platform's id of it.
    pub id: String,
}

impl FromStr for Peer {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let named = PeerKind::ALL.into_iter().find_map(|kind| {
            let id = text.strip_prefix(kind.as_str())?.strip_prefix(':')?;
            Some((kind, id))
        });
        let (kind, id) = named.unwrap_or((PeerKind::Dm, text));
        if id.is_empty() {
            return Err(IdError::new("peer", text, "want an id, or dm:, group: or channel: and an id"));
        }
        Ok(Self { kind, id: id.to_owned() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Peer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}
