//! How the connection is.

use std::{fmt, time::Duration};

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// An attempt is under way.
    Connecting,
    /// Requests go out at once.
    Open,
    /// The last attempt failed or the connection broke.
    Waiting {
        /// Time from the failure to the next attempt.
        retry_in: Duration,
        /// What went wrong, for people.
        why: String,
    },
    /// It is over, unless another endpoint is given to a client that was not asked to close.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a client is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// [`Client::close`](crate::Client::close) was called, or the last handle dropped.
    Requested,
    /// The daemon does not take the credential.
    Unauthorized,
    /// The connection was not made, or broke, and [`Options::reconnect`](crate::Options::reconnect) is off.
    Failed(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("the client was closed"),
            Self::Unauthorized => f.write_str("the daemon does not take the credential"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}
