//! What the config says: origins that belong to an agent.

use std::fmt;

use exoclaw_protocol::{AgentId, Origin, Peer};
use serde::{Deserialize, Serialize};

/// Gives an agent every origin that matches all fields which are set here. Texts are compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The agent.
    pub agent: AgentId,
    /// The platform, such as `slack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The account on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The person, group or channel that wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// The server or community.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guild: Option<String>,
    /// The workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Where it was written, such as `config.toml:12`; set by whoever read it, named in errors.
    #[serde(skip)]
    pub place: Option<String>,
}

impl Binding {
    /// A binding to an agent that sets no field yet; one field at least must be set.
    pub fn to(agent: AgentId) -> Self {
        Self { agent, channel: None, account: None, peer: None, guild: None, team: None, place: None }
    }

    /// Whether every field that is set matches the origin.
    pub fn matches(&self, origin: &Origin) -> bool {
        fn agrees<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        agrees(self.channel.as_ref(), Some(&origin.channel))
            && agrees(self.account.as_ref(), origin.account.as_ref())
            && agrees(self.team.as_ref(), origin.team.as_ref())
            && agrees(self.guild.as_ref(), origin.guild.as_ref())
            && agrees(self.peer.as_ref(), origin.peer.as_ref())
    }
}

/// How specific a match is: the most specific field that the binding sets. Later is more specific.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// No binding matched.
    Default,
    /// The platform alone.
    Channel,
    /// The account.
    Account,
    /// The workspace.
    Team,
    /// The server or community.
    Guild,
    /// The person, group or channel that wrote.
    Peer,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Channel => "channel",
            Self::Account => "account",
            Self::Team => "team",
            Self::Guild => "guild",
            Self::Peer => "peer",
        })
    }
}
