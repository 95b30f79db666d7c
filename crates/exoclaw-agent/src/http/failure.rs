//! What a server's refusal means.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::ProviderErrorKind;

/// What is quoted of a server's message.
const QUOTE_CHARS: usize = 500;

/// An error as a server wrote it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// HTTP status, also of an error inside a stream.
    pub(crate) status: Option<u16>,
    /// `type` and `code`, in lower case.
    names: Vec<String>,
    pub(crate) message: String,
}

impl Refusal {
    /// Reads the error out of a body: `{"error": {…}}` by both vendors, `{"error": "…"}` by Ollama, `{"object": "error"}` by
    /// vLLM, `{"detail": …}` by FastAPI. `None` when the value is no error.
    pub(crate) fn of_json(value: &Value) -> Option<Self> {
        let error = match value.get("error") {
            Some(Value::Null) | None if value.get("object") == Some(&Value::from("error")) => value,
            Some(Value::Null) | None => value.get("detail")?,
            Some(error) => error,
        };
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let names = ["type", "code"].into_iter().filter_map(text).map(str::to_ascii_lowercase).collect();
        let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let message = match (error, text("message")) {
            (_, Some(message)) => message.to_owned(),
            (Value::String(message), None) => message.clone(),
            (other, None) => other.to_string(),
        };
        Some(Self { status: code.filter(|code| (400..600).contains(code)), names, message: quote(&message) })
    }

    /// Reads a whole body.
    pub(crate) fn of_body(status: u16, body: &[u8]) -> Self {
        let parsed = serde_json::from_slice(body).ok().and_then(|value: Value| Self::of_json(&value));
        let unparsed = || Self { message: quote(&String::from_utf8_lossy(body)), ..Self::default() };
        Self { status: Some(status), ..parsed.unwrap_or_else(unparsed) }
    }

    /// What it means. The status decides where it is clear, then the names, then known words of the message.
    pub(crate) fn kind(&self) -> ProviderErrorKind {
        let is_named = |names: &[&str]| self.names.iter().any(|name| names.contains(&name.as_str()));
        if is_named(&["insufficient_quota", "billing_error"]) {
            return ProviderErrorKind::Refused;
        }
        match self.status {
            Some(401 | 403) => return ProviderErrorKind::Auth,
            Some(413) => return ProviderErrorKind::ContextTooLong,
            Some(429) => return ProviderErrorKind::RateLimited,
            _ => {}
        }
        if is_named(&["exceed_context_size_error", "context_length_exceeded", "request_too_large"])
            || self.says_context_too_long()
        {
            return ProviderErrorKind::ContextTooLong;
        }
        if is_named(&["authentication_error", "permission_error", "invalid_api_key"]) {
            return ProviderErrorKind::Auth;
        }
        if is_named(&["rate_limit_error", "rate_limit_exceeded"]) {
            return ProviderErrorKind::RateLimited;
        }
        if is_named(&["overloaded_error", "api_error", "timeout_error", "server_error", "unavailable_error"]) {
            return ProviderErrorKind::Overloaded;
        }
        match self.status {
            Some(408 | 425 | 500..) => ProviderErrorKind::Overloaded,
            // An error inside a stream that names no reason: the server's fault as likely as not.
            None if self.names.is_empty() => ProviderErrorKind::Overloaded,
            _ => ProviderErrorKind::Refused,
        }
    }

    /// Servers without a type of their own for it say it in words.
    fn says_context_too_long(&self) -> bool {
        const WORDS: [&str; 7] = [
            // Anthropic
            "prompt is too long",
            "exceed context limit",
            // OpenAI, vLLM
            "maximum context length",
            // llama.cpp
            "exceeds the available context size",
            "context size has been exceeded",
            // others
            "context length exceeded",
            "exceeds the context window",
        ];
        let message = self.message.to_ascii_lowercase();
        WORDS.iter().any(|words| message.contains(words))
    }
}

/// The start of a message on one line.
fn quote(message: &str) -> String {
    let line: String = message.split_whitespace().flat_map(|word| [" ", word]).skip(1).collect();
    let printable = line.chars().filter(|char| !char.is_control());
    printable.take(QUOTE_CHARS).collect()
}

/// What a server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), which
/// is taken against the answer's own `Date`, so that no clock is needed.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(millis / 1_000.0).ok();
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(value) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(text(DATE.as_str())?).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
