//! The error table: one code for programs, one message for people, for every refusal.

use std::fmt;

use jsonrpsee_types::{ErrorObjectOwned, error as jsonrpc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:expr, $text:literal, retryable: $retryable:literal;)*) => {
        /// Why something was refused. In JSON-RPC errors the number; in events and in `data.kind` the text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number in a JSON-RPC error object.
            pub fn number(self) -> i32 {
                match self { $(Self::$name => $code,)* }
            }

            /// The name, stable, for programs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The same request may succeed later.
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }
        }
    };
}

codes! {
    /// The text is no JSON (JSON-RPC 2.0, section 5.1).
    ParseError = jsonrpc::PARSE_ERROR_CODE, "parse_error", retryable: false;
    /// The JSON is no request (JSON-RPC 2.0, section 5.1).
    InvalidRequest = jsonrpc::INVALID_REQUEST_CODE, "invalid_request", retryable: false;
    /// There is no such method (JSON-RPC 2.0, section 5.1).
    MethodNotFound = jsonrpc::METHOD_NOT_FOUND_CODE, "method_not_found", retryable: false;
    /// The parameters do not fit the method (JSON-RPC 2.0, section 5.1).
    InvalidParams = jsonrpc::INVALID_PARAMS_CODE, "invalid_params", retryable: false;
    /// A fault of ours (JSON-RPC 2.0, section 5.1).
    Internal = jsonrpc::INTERNAL_ERROR_CODE, "internal", retryable: false;
    /// No credential, or one that is not known.
    Unauthorized = -32001, "unauthorized", retryable: false;
    /// The credential does not allow this method.
    Forbidden = -32002, "forbidden", retryable: false;
    /// No such agent in the config.
    UnknownAgent = -32003, "unknown_agent", retryable: false;
    /// No such session.
    UnknownSession = -32004, "unknown_session", retryable: false;
    /// The idempotency key was used for another message.
    Conflict = -32005, "conflict", retryable: false;
    /// More than a limit allows.
    TooLarge = -32006, "too_large", retryable: false;
    /// Too much is waiting already.
    Busy = -32007, "busy", retryable: true;
    /// The daemon is stopping.
    ShuttingDown = -32008, "shutting_down", retryable: true;
    /// The store takes no writes.
    StoreReadOnly = -32009, "store_read_only", retryable: true;
    /// The provider refused the key.
    ProviderAuth = -32010, "provider_auth", retryable: false;
    /// Too much in too short a time: for us, or for the provider.
    RateLimited = -32011, "rate_limited", retryable: true;
    /// The provider is overloaded or away.
    ProviderUnavailable = -32012, "provider_unavailable", retryable: true;
    /// The conversation does not fit into the model.
    ContextTooLong = -32013, "context_too_long", retryable: false;
    /// The provider sent what can't be understood.
    BadStream = -32014, "bad_stream", retryable: true;
    /// The provider refused the request.
    Refused = -32015, "refused", retryable: false;
    /// The daemon stopped while the run was under way.
    Interrupted = -32016, "interrupted", retryable: true;
    /// The run repeated itself or went past its limit.
    RunLimit = -32017, "run_limit", retryable: false;
    /// The client reads too slowly.
    SlowConsumer = -32018, "slow_consumer", retryable: true;
    /// A budget would be overspent.
    BudgetExceeded = -32019, "budget_exceeded", retryable: false;
    /// No such approval waits.
    UnknownApproval = -32020, "unknown_approval", retryable: false;
    /// There is no such run.
    UnknownRun = -32021, "unknown_run", retryable: false;
    /// The scheduler has no such job.
    UnknownJob = -32022, "unknown_job", retryable: false;
    /// There is no such device, or none that waits.
    UnknownDevice = -32023, "unknown_device", retryable: false;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let known = Self::ALL.iter().find(|code| code.as_str() == text);
        known.copied().ok_or_else(|| serde::de::Error::custom(format_args!("unknown error code {text:?}")))
    }
}

/// An error as a client sees it: nothing in it is secret, and the message says what helps.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: the thing, the cause, the remedy.
    pub message: String,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl RpcError {
    /// An error without a time to wait.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// Parameters that do not fit.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidParams, message)
    }

    /// The error object of a response; `data` carries `kind`, `retryable` and, if known, `retryAfterMs`.
    pub fn to_object(&self) -> ErrorObjectOwned {
        let mut data = serde_json::json!({ "kind": self.code, "retryable": self.code.is_retryable() });
        if let (Some(after), Value::Object(map)) = (self.retry_after_ms, &mut data) {
            map.insert("retryAfterMs".into(), after.into());
        }
        ErrorObjectOwned::owned(self.code.number(), self.message.clone(), Some(data))
    }

    /// Reads an error object back; a number that is not in the table is taken as [`ErrorCode::Internal`].
    pub fn from_object(object: &ErrorObjectOwned) -> Self {
        let code = ErrorCode::ALL.iter().copied().find(|code| code.number() == object.code());
        let data: Option<Value> = object.data().and_then(|raw| serde_json::from_str(raw.get()).ok());
        Self {
            code: code.unwrap_or(ErrorCode::Internal),
            message: object.message().to_owned(),
            retry_after_ms: data.and_then(|data| data.get("retryAfterMs").and_then(Value::as_u64)),
        }
    }
}

/// The text of an error that may quote what a peer sent: its start, so that no answer is as long as the nonsense it answers.
pub(crate) fn brief(error: &serde_json::Error) -> String {
    const CHARS: usize = 256;
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}
