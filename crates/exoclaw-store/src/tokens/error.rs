//! How tokens can fail.

use std::path::PathBuf;

use exoclaw_protocol::TokenName;

use crate::{CredentialError, OWNER, TOKENS};

/// Tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Another process has them.
    #[error("the tokens in {path} are in use by another process, such as the daemon")]
    InUse {
        /// Their file.
        path: PathBuf,
    },
    /// They can't be read or written.
    #[error(transparent)]
    File(#[from] CredentialError),
    /// The file can't be understood. It is never taken for an empty one.
    #[error("{path} is no list of tokens: put a copy back, or remove it, which revokes all tokens")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// The name is taken.
    #[error("there is a token {name} already: choose another name, or rotate it")]
    Exists {
        /// The name.
        name: TokenName,
    },
    /// No token has the name.
    #[error("there is no token {name}")]
    Unknown {
        /// The name.
        name: TokenName,
    },
    /// The name stands for something else.
    #[error("{OWNER} stands for whoever owns the daemon: choose another name")]
    Reserved,
    /// There are too many.
    #[error("there are {TOKENS} tokens, which is as many as there may be: revoke one")]
    TooMany,
    /// A change is open.
    #[error("token {name} has a new text already: finish that change first")]
    Rotating {
        /// The token.
        name: TokenName,
    },
    /// No change is open.
    #[error("token {name} has no new text: start a change first")]
    NotRotating {
        /// The token.
        name: TokenName,
    },
    /// The system has no random numbers.
    #[error("draw a random token")]
    Random(#[source] getrandom::Error),
}
