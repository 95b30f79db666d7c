//! What a connection was given for its credential.

use std::{fmt, time::Duration};

use exoclaw_protocol::{Scope, TokenName};
use exoclaw_store::{Holder, OWNER};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Whose credential was shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Whoever owns the daemon: its own token or socket.
    Owner,
    /// A browser that logged in.
    Browser,
    /// Whoever holds a token of that name.
    Token(TokenName),
}

impl Who {
    /// The name that counts: of a token its own, for whoever owns the daemon `owner`.
    pub(crate) fn name(&self) -> Option<TokenName> {
        match self {
            Self::Owner | Self::Browser => OWNER.parse().ok(),
            Self::Token(name) => Some(name.clone()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Browser => f.write_str("browser"),
            Self::Token(name) => write!(f, "token {name}"),
        }
    }
}

/// What a connection may do, and until when. Made from what is stored alone.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) who: Who,
    pub(crate) scope: Scope,
    /// When it stops counting.
    pub(crate) until: Option<Instant>,
    /// Cancelled when it stops counting before that.
    pub(crate) revoked: CancellationToken,
}

impl Pass {
    pub(crate) fn owner() -> Self {
        Self { who: Who::Owner, scope: Scope::Admin, until: None, revoked: CancellationToken::new() }
    }

    pub(crate) fn browser() -> Self {
        Self { who: Who::Browser, ..Self::owner() }
    }

    pub(crate) fn of_token(holder: Holder, now_ms: u64) -> Self {
        let Holder { name, scope, expires_ms, revoked } = holder;
        let left = expires_ms.map(|end| Duration::from_millis(end.saturating_sub(now_ms)));
        // An end that no clock can hold is none.
        let until = left.and_then(|left| Instant::now().checked_add(left));
        Self { who: Who::Token(name), scope, until, revoked }
    }
}
