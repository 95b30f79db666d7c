//! What is refused, and how: the words that clients look for.

use serde::Serialize;
use serde_json::{Value, json};

use super::{DeviceError, Version};

/// Codes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The request can't be understood, or is not allowed now.
    InvalidRequest,
    /// The device is not known, or may not do this.
    NotPaired,
    /// The agent did not end in time.
    AgentTimeout,
    /// It can't be done at present.
    Unavailable,
    /// The caller may not. Version 4 alone.
    Forbidden,
    /// There is no such approval. Version 4 alone.
    ApprovalNotFound,
}

/// An error as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorShape {
    /// For programs.
    pub code: Code,
    /// For people; clients look for some of them.
    pub message: String,
    /// More for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The same request may succeed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// After so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorShape {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retryable: None, retry_after_ms: None }
    }

    /// There is no such method.
    pub fn unknown_method(method: &str) -> Self {
        let method: String = method.chars().take(128).collect();
        Self::new(Code::InvalidRequest, format!("unknown method: {method}"))
    }

    /// The method takes something else; `reason` is [`Shape::check`](super::shape::Shape::check)'s.
    pub fn invalid_params(method: &str, reason: &str) -> Self {
        Self::new(Code::InvalidRequest, format!("invalid {method} params: {reason}"))
    }

    /// The frame is no request.
    pub fn invalid_frame(reason: &str) -> Self {
        Self::new(Code::InvalidRequest, format!("invalid request frame: {reason}"))
    }

    /// The caller's credential does not reach so far.
    pub fn missing_scope(scope: &str, version: Version) -> Self {
        let message = format!("missing scope: {scope}");
        match version {
            Version::V3 => Self::new(Code::InvalidRequest, message),
            Version::V4 => {
                let details = json!({ "code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope] });
                Self { details: Some(details), ..Self::new(Code::Forbidden, message) }
            }
        }
    }

    fn with(mut self, version: Version, details: Value) -> Self {
        if version >= Version::V4 {
            self.details = Some(details);
        }
        self
    }
}

/// Why a connection is not let in. It is told in a response and in the reason of the close.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// The first frame is no request: nothing is answered.
    NoRequest,
    /// The first request is another one.
    NotConnect,
    /// It holds something else than it should; the reason is [`Shape::check`](super::shape::Shape::check)'s.
    Params(String),
    /// There is no such role.
    Role,
    /// The client speaks neither version.
    Protocol {
        /// Its oldest.
        min: u64,
        /// Its newest.
        max: u64,
    },
    /// There is neither a token nor a device.
    NoDevice,
    /// The device's proof is not good.
    Device(DeviceError),
    /// The device is new and waits for an operator, who finds it under this id.
    NotPaired {
        /// The id of the wait.
        request_id: String,
    },
    /// There is no token.
    TokenMissing,
    /// It is a wrong one.
    TokenMismatch,
    /// There were too many wrong ones.
    RateLimited {
        /// How long nothing is looked at.
        retry_after_ms: u64,
    },
    /// A page of this origin may not connect.
    Origin,
}

impl Refusal {
    /// The close code (RFC 6455, section 7.4) and its reason.
    pub fn close(&self, version: Version) -> (u16, String) {
        /// Bytes of a reason (RFC 6455, section 5.5).
        const REASON: usize = 123;
        let code = if matches!(self, Self::Protocol { .. }) { 1002 } else { 1008 };
        let mut reason = match self {
            Self::NoRequest => "invalid request frame".to_owned(),
            refusal => refusal.error(version).message,
        };
        let end = (0..=REASON.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        reason.truncate(end);
        (code, reason)
    }

    /// As it is answered.
    pub fn error(&self, version: Version) -> ErrorShape {
        let invalid = |message: &str| ErrorShape::new(Code::InvalidRequest, message);
        match self {
            Self::NoRequest => ErrorShape::invalid_frame("must be object"),
            Self::NotConnect => invalid("invalid handshake: first request must be connect"),
            Self::Params(reason) => ErrorShape::invalid_params("connect", reason),
            Self::Role => invalid("invalid role"),
            Self::Protocol { min, max } => {
                let details = match version {
                    Version::V3 => json!({ "expectedProtocol": version.number() }),
                    Version::V4 => json!({
                        "code": "PROTOCOL_MISMATCH", "clientMinProtocol": min, "clientMaxProtocol": max,
                        "expectedProtocol": version.number(), "minimumProbeProtocol": Version::V3.number(),
                    }),
                };
                ErrorShape { details: Some(details), ..invalid("protocol mismatch") }
            }
            Self::NoDevice => ErrorShape::new(Code::NotPaired, "device identity required")
                .with(version, json!({ "code": "DEVICE_IDENTITY_REQUIRED" })),
            Self::Device(error) => {
                let (code, reason) = error.words();
                invalid(&error.to_string()).with(version, json!({ "code": code, "reason": reason }))
            }
            Self::NotPaired { request_id } => {
                let details = match version {
                    Version::V3 => json!({ "requestId": request_id }),
                    Version::V4 => {
                        json!({ "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": request_id })
                    }
                };
                ErrorShape { details: Some(details), ..ErrorShape::new(Code::NotPaired, "pairing required") }
            }
            Self::TokenMissing => invalid("unauthorized: gateway token missing (provide gateway auth token)").with(
                version,
                json!({
                    "code": "AUTH_TOKEN_MISSING", "authReason": "token_missing",
                    "canRetryWithDeviceToken": false, "recommendedNextStep": "update_auth_configuration",
                }),
            ),
            Self::TokenMismatch => invalid("unauthorized: gateway token mismatch (provide gateway auth token)").with(
                version,
                json!({
                    "code": "AUTH_TOKEN_MISMATCH", "authReason": "token_mismatch",
                    "canRetryWithDeviceToken": false, "recommendedNextStep": "update_auth_credentials",
                }),
            ),
            Self::RateLimited { retry_after_ms } => {
                let limited = invalid("unauthorized: too many failed authentication attempts (retry later)").with(
                    version,
                    json!({
                        "code": "AUTH_RATE_LIMITED", "authReason": "rate_limited",
                        "canRetryWithDeviceToken": false, "recommendedNextStep": "wait_then_retry",
                    }),
                );
                ErrorShape { retryable: Some(true), retry_after_ms: Some(*retry_after_ms), ..limited }
            }
            Self::Origin => {
                invalid("origin not allowed (open the Control UI from the gateway host or allow it in the config)")
                    .with(version, json!({ "code": "CONTROL_UI_ORIGIN_NOT_ALLOWED" }))
            }
        }
    }
}
