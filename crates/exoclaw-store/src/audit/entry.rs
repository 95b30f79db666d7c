//! What can be recorded.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::plain;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name { $($(#[$of])* $word,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// As it stands in a record.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a record is about.
    What {
        /// The trail itself.
        Trail = "trail",
        /// The daemon starts or stops.
        Daemon = "daemon",
        /// The config that the daemon starts with.
        Config = "config",
        /// Somebody shows a credential, or none.
        Authentication = "authentication",
        /// Somebody calls a method.
        Method = "method",
        /// A token is made, changed or ended.
        Token = "token",
        /// A device is let in, sent away or ended.
        Device = "device",
        /// A job of the scheduler is made, changed, run by hand or removed.
        Job = "job",
        /// A session is set, begun anew, shortened or deleted.
        Session = "session",
        /// A browser is to be let in.
        Login = "login",
        /// A limit of connections and messages.
        Limit = "limit",
        /// A plugin is loaded.
        Plugin = "plugin",
        /// A plugin wants what only a grant allows.
        Capability = "capability",
        /// A plugin wants to send a request.
        Egress = "egress",
        /// The code of a plugin, while it runs.
        Guest = "guest",
        /// A call waits for somebody's word.
        Approval = "approval",
        /// Tokens and money.
        Budget = "budget",
        /// A message or an answer of another platform.
        Channel = "channel",
    }
}

words! {
    /// How it went.
    Decision {
        /// It may go on, or did.
        Allowed = "allowed",
        /// It may not.
        Refused = "refused",
        /// It was under way and was ended.
        Stopped = "stopped",
        /// It was allowed and did not succeed.
        Failed = "failed",
        /// Somebody is asked.
        Asked = "asked",
    }
}

/// Something to be recorded. Texts are made harmless and cut when they are set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    pub(super) what: What,
    pub(super) action: &'static str,
    pub(super) decision: Decision,
    pub(super) who: Option<String>,
    pub(super) from: Option<String>,
    pub(super) object: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) sha256: Option<String>,
}

impl Entry {
    /// An entry that names nobody yet.
    pub fn new(what: What, action: &'static str, decision: Decision) -> Self {
        Self { what, action, decision, who: None, from: None, object: None, reason: None, sha256: None }
    }

    /// Whose credential it was, or which agent.
    #[must_use]
    pub fn who(mut self, who: impl fmt::Display) -> Self {
        self.who = Some(plain(&who.to_string()));
        self
    }

    /// Where they came from: an address without its port.
    #[must_use]
    pub fn from(mut self, from: impl fmt::Display) -> Self {
        self.from = Some(plain(&from.to_string()));
        self
    }

    /// The name of what it was done to; never its content.
    #[must_use]
    pub fn object(mut self, object: impl fmt::Display) -> Self {
        self.object = Some(plain(&object.to_string()));
        self
    }

    /// Why it was decided so.
    #[must_use]
    pub fn reason(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(plain(&reason.to_string()));
        self
    }

    /// Binds the entry to a content that it does not show, by its SHA-256.
    #[must_use]
    pub fn digest_of(self, content: &[u8]) -> Self {
        self.sha256(hex::encode(Sha256::digest(content)))
    }

    /// The same, where the SHA-256 is known, in hexadecimal.
    #[must_use]
    pub fn sha256(mut self, sha256: impl Into<String>) -> Self {
        self.sha256 = Some(plain(&sha256.into()));
        self
    }

    /// The same, which was allowed and did not succeed.
    #[must_use]
    pub fn failed(self, reason: impl fmt::Display) -> Self {
        Self { decision: Decision::Failed, ..self }.reason(reason)
    }

    /// The same without anything that others choose.
    pub(super) fn nameless(&self) -> Self {
        Self { reason: Some("more of these".to_owned()), ..Self::new(self.what, self.action, self.decision) }
    }
}
