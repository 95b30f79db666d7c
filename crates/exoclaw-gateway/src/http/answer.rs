//! Answers, and the headers that every one of them carries.

use std::time::Duration;

use bytes::Bytes;
use exoclaw_protocol::ErrorCode;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use serde_json::Value;

use super::{Answer, Body};

/// Scripts, styles and connections of our own only, no frames around us, WebAssembly but no `eval`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// Keeps other sites from embedding us, reading us, or learning of us.
pub(super) fn secure(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::Left(Full::default()));
    *answer.status_mut() = status;
    answer
}

pub(crate) fn text(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Body::Left(Full::new(Bytes::copy_from_slice(text.as_bytes()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// A refusal of what may be tried again: `{"error":{"message":"…","kind":"rate_limited","retryAfterMs":…}}`.
pub(crate) fn too_many(message: &str, retry_after: Duration) -> Answer {
    let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    let error = serde_json::json!({
        "message": message, "kind": ErrorCode::RateLimited, "retryAfterMs": retry_after_ms,
    });
    let mut answer = json(StatusCode::TOO_MANY_REQUESTS, &serde_json::json!({ "error": error }));
    self::retry_after(&mut answer, retry_after_ms);
    answer
}

/// When the same may be tried again, in whole seconds (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(answer: &mut Answer, retry_after_ms: u64) {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_ms.div_ceil(1_000)));
}

/// A JSON value.
pub(crate) fn json(status: StatusCode, value: &Value) -> Answer {
    let mut answer = text(status, &value.to_string());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A refusal: `{"error":{"message":"…"}}`.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Answer {
    json(status, &serde_json::json!({ "error": { "message": message } }))
}
