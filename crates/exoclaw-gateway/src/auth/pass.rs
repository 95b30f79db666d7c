//! What a connection was given for its credential.

use std::{fmt, time::Duration};

use exoclaw_protocol::{DeviceId, Scope, TokenName, openclaw::OperatorScope};
use exoclaw_store::{Holder, OWNER, Paired};
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
    /// A device with a token of its own, and who let it in.
    Device(DeviceId, TokenName),
}

impl Who {
    /// Whose credential that is in the end: a device's is that of whoever let it in.
    pub(crate) fn credential(&self) -> Self {
        match self {
            Self::Device(_, name) if name.as_str() == OWNER => Self::Owner,
            Self::Device(_, name) => Self::Token(name.clone()),
            own => own.clone(),
        }
    }

    /// The name that counts: of a token its own, for whoever owns the daemon `owner`.
    pub(crate) fn name(&self) -> Option<TokenName> {
        match self {
            Self::Owner | Self::Browser => OWNER.parse().ok(),
            Self::Token(name) | Self::Device(_, name) => Some(name.clone()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Browser => f.write_str("browser"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Device(id, _) => write!(f, "device {id}"),
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
    /// Cancelled when the device that has it is ended.
    pub(crate) device: Option<CancellationToken>,
}

impl Pass {
    pub(crate) fn owner() -> Self {
        Self { who: Who::Owner, scope: Scope::Admin, until: None, revoked: CancellationToken::new(), device: None }
    }

    pub(crate) fn browser() -> Self {
        Self { who: Who::Browser, ..Self::owner() }
    }

    /// Of a device that came with what `base` was given for; of one that was approved, without.
    pub(crate) fn of_device(paired: Paired, base: Option<Self>) -> Self {
        let Paired { id, scopes, by, revoked, .. } = paired;
        let base = base.unwrap_or_else(Self::owner);
        let has = |scope| scopes.contains(&scope);
        // What is between two of ours counts as the smaller one.
        let scope = match (has(OperatorScope::Admin), has(OperatorScope::Write), has(OperatorScope::Approvals)) {
            (true, ..) => Scope::Admin,
            (false, true, _) => Scope::Chat,
            (false, false, true) => Scope::Approve,
            (false, false, false) => Scope::Read,
        };
        Self { who: Who::Device(id, by), scope, device: Some(revoked), ..base }
    }

    /// Waits until it counts no more before its time.
    pub(crate) async fn revoked(&self) {
        let device = async {
            match &self.device {
                Some(device) => device.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.revoked.cancelled() => {}
            () = device => {}
        }
    }

    pub(crate) fn of_token(holder: Holder, now_ms: u64) -> Self {
        let Holder { name, scope, expires_ms, revoked } = holder;
        let left = expires_ms.map(|end| Duration::from_millis(end.saturating_sub(now_ms)));
        // An end that no clock can hold is none.
        let until = left.and_then(|left| Instant::now().checked_add(left));
        Self { who: Who::Token(name), scope, until, revoked, device: None }
    }
}
