//! Frames: requests, their responses, and events.

use serde::Serialize;
use serde_json::Value;

use super::{
    ErrorShape, Version,
    shape::{Kind, Shape, TEXT, optional, optional_v4, required},
};

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Names it; its responses carry the same id. Never empty.
    pub id: String,
    /// The method's name.
    pub method: String,
    /// What the method takes; null where there is nothing.
    pub params: Value,
}

/// What one text was.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A request.
    Request(Request),
    /// JSON, but no request: what is wrong with it, and the id as it was sent, for the answer.
    Invalid {
        /// Whatever stood in the place of the id; `"invalid"` where nothing did.
        id: Value,
        /// Told to the sender, after `invalid request frame: `.
        reason: String,
    },
    /// No JSON: nobody answers it.
    NotJson,
}

const REQUEST: Shape = Shape(&[
    required("type", Kind::Const("req")),
    required("id", TEXT),
    required("method", TEXT),
    optional("params", Kind::Any),
    optional_v4("traceparent", Kind::Text { min: 1, max: 128 }),
    optional_v4("expectedProfileId", TEXT),
]);

/// Reads one text of a client.
pub fn decode(text: &[u8], version: Version) -> Decoded {
    let Ok(mut frame) = serde_json::from_slice::<Value>(text) else { return Decoded::NotJson };
    if let Err(reason) = REQUEST.check(&frame, version) {
        let id = frame.get_mut("id").map_or_else(|| "invalid".into(), Value::take);
        return Decoded::Invalid { id: if is_echoed(&id) { id } else { "invalid".into() }, reason };
    }
    let text = |value: &mut Value| match value.take() {
        Value::String(text) => text,
        _ => String::new(),
    };
    let [id, method] = ["id", "method"].map(|name| frame.get_mut(name).map(text).unwrap_or_default());
    let params = frame.get_mut("params").map(Value::take).unwrap_or_default();
    Decoded::Request(Request { id, method, params })
}

/// An id that may go back as it came: small, and no structure.
fn is_echoed(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty() && text.len() <= crate::limits::CALL_ID_BYTES,
        _ => false,
    }
}

/// The answer to a request. A request may have two: one that it was accepted, and its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename = "res")]
pub struct Response {
    /// The request's.
    pub id: Value,
    /// Whether it was done.
    pub ok: bool,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorShape>,
}

impl Response {
    /// It was done.
    pub fn ok(id: impl Into<Value>, payload: Value) -> Self {
        Self { id: id.into(), ok: true, payload: Some(payload), error: None }
    }

    /// It was refused, or failed.
    pub fn error(id: impl Into<Value>, error: ErrorShape) -> Self {
        Self { id: id.into(), ok: false, payload: None, error: Some(error) }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename = "event", rename_all = "camelCase")]
pub struct EventFrame {
    /// What.
    pub event: &'static str,
    /// All about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Number on its connection, from 1. An event that was dropped for a slow reader leaves a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Versions of what snapshots show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_version: Option<StateVersion>,
}

impl EventFrame {
    /// The first thing that a server says: the client signs the nonce. It has no number.
    pub fn challenge(nonce: &str, now_ms: u64) -> Self {
        let payload = serde_json::json!({ "nonce": nonce, "ts": now_ms });
        Self { event: "connect.challenge", payload: Some(payload), seq: None, state_version: None }
    }
}

/// Versions of what snapshots show; they only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StateVersion {
    /// Of who is there.
    pub presence: u64,
    /// Of the server's health.
    pub health: u64,
}
