//! Tokens: the credentials that the daemon hands out, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Scope, TokenName};

/// What is known of a token; nothing of the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Its name.
    pub name: TokenName,
    /// What it allows.
    pub scope: Scope,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// When it stops working, in milliseconds since 1970; without, it works until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// When a connection last showed it, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_ms: Option<u64>,
    /// A new text of it works beside the old one, until the change is finished.
    pub rotating: bool,
}

/// Text of a new token or login link, as it travels to the one who asked for it. It is shown once and kept nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShownOnce(String);

impl ShownOnce {
    /// Takes the text to be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce(…)")
    }
}

/// Parameters of `token.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenCreateParams {
    /// Its name, which no other token has.
    pub name: TokenName,
    /// What it allows.
    pub scope: Scope,
    /// Seconds until it stops working; without, it works until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
}

/// Result of `token.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenCreateResult {
    /// The token itself.
    pub token: ShownOnce,
    /// What is kept of it.
    pub info: TokenInfo,
}

/// Parameters of `token.list`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenListParams {}

/// Result of `token.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenListResult {
    /// By name.
    pub tokens: Vec<TokenInfo>,
}

/// How a token gets a new text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotation {
    /// The new text works beside the old one.
    #[default]
    Start,
    /// The old text stops working, and connections that showed it are closed.
    Finish,
    /// Both at once.
    Now,
}

impl Rotation {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Finish => "finish",
            Self::Now => "now",
        }
    }
}

/// Parameters of `token.rotate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRotateParams {
    /// Which token.
    pub name: TokenName,
    /// How.
    #[serde(default)]
    pub step: Rotation,
}

/// Result of `token.rotate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRotateResult {
    /// The new text; none where the change was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ShownOnce>,
    /// What is kept of it.
    pub info: TokenInfo,
}

/// Parameters of `token.revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRevokeParams {
    /// Which token.
    pub name: TokenName,
}

/// Result of `token.revoke`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevokeResult {
    /// There was one.
    pub revoked: bool,
}

/// Parameters of `login.link`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginLinkParams {}

/// Result of `login.link`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginLinkResult {
    /// The address. Its code is good once.
    pub link: ShownOnce,
    /// For so many seconds.
    pub valid_s: u64,
}
