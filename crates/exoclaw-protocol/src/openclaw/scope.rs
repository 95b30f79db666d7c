//! What a connection may do, in the protocol's own words.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Scope;

/// What a connection of an operator may do. `operator.admin` is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OperatorScope {
    /// Everything.
    #[serde(rename = "operator.admin")]
    Admin,
    /// Look, but not act.
    #[serde(rename = "operator.read")]
    Read,
    /// Talk to agents; includes [`Read`](Self::Read).
    #[serde(rename = "operator.write")]
    Write,
    /// Allow or deny calls that wait for it.
    #[serde(rename = "operator.approvals")]
    Approvals,
    /// Let devices in.
    #[serde(rename = "operator.pairing")]
    Pairing,
}

impl OperatorScope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Read, Self::Write, Self::Approvals, Self::Pairing];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "operator.admin",
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Approvals => "operator.approvals",
            Self::Pairing => "operator.pairing",
        }
    }

    /// What a credential must allow for it.
    pub fn needs(self) -> Scope {
        match self {
            Self::Admin | Self::Pairing => Scope::Admin,
            Self::Read => Scope::Read,
            Self::Write => Scope::Chat,
            Self::Approvals => Scope::Approve,
        }
    }

    /// Whoever holds `self` may do what asks for `needed`.
    pub fn covers(self, needed: Self) -> bool {
        self == Self::Admin || self == needed || (self == Self::Write && needed == Self::Read)
    }
}

impl fmt::Display for OperatorScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OperatorScope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(())
    }
}
