//! What is asked of the daemon beside its socket. Requests go to the page's own origin; the cookie goes along by itself.

use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

use super::window;
use crate::{catalogue::t, format::capital};

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tried {
    pub(crate) ok: bool,
    pub(crate) content: Value,
}

fn away() -> String {
    t().no_answer.to_owned()
}

async fn post(path: &str, body: &Value) -> Result<Response, String> {
    let headers = Headers::new().map_err(|_| away())?;
    headers.set("content-type", "application/json").map_err(|_| away())?;
    let request = RequestInit::new();
    request.set_method("POST");
    request.set_headers(&headers);
    request.set_body(&JsValue::from_str(&body.to_string()));
    let window = window().ok_or_else(away)?;
    let answer = JsFuture::from(window.fetch_with_str_and_init(path, &request)).await.map_err(|_| away())?;
    answer.dyn_into().map_err(|_| away())
}

async fn text(answer: &Response) -> Option<String> {
    JsFuture::from(answer.text().ok()?).await.ok()?.as_string()
}

/// The daemon's words in `{"error":{"message":"…"}}`, as a sentence.
async fn refusal(answer: &Response) -> String {
    let body = text(answer).await.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let words = body.as_ref().and_then(|body| body.pointer("/error/message")?.as_str());
    words.map_or_else(away, |words| format!("{}.", capital(words)))
}

/// Trades a one-time code for a cookie.
///
/// # Errors
/// Why it did not work, for people.
pub(crate) async fn log_in(code: &str) -> Result<(), String> {
    let answer = post("/login", &serde_json::json!({ "code": code })).await?;
    if answer.ok() { Ok(()) } else { Err(refusal(&answer).await) }
}

/// Calls a tool, as the default agent's main session would.
///
/// # Errors
/// Why it was not called, for people.
pub(crate) async fn invoke(tool: &str, args: &Value) -> Result<Tried, String> {
    let answer = post("/tools/invoke", &serde_json::json!({ "tool": tool, "args": args })).await?;
    if !answer.ok() {
        return Err(refusal(&answer).await);
    }
    let body = text(&answer).await.and_then(|text| serde_json::from_str::<Value>(&text).ok()).ok_or_else(away)?;
    Ok(Tried { ok: body["ok"] == true, content: body["result"]["content"].clone() })
}

/// What the daemon measures of itself: names with their labels, as it writes them, and numbers.
///
/// # Errors
/// Why it is not known, for people.
pub(crate) async fn metrics() -> Result<Vec<(String, f64)>, String> {
    let window = window().ok_or_else(away)?;
    let answer = JsFuture::from(window.fetch_with_str("/metrics")).await.map_err(|_| away())?;
    let answer: Response = answer.dyn_into().map_err(|_| away())?;
    if !answer.ok() {
        return Err(refusal(&answer).await);
    }
    let text = text(&answer).await.ok_or_else(away)?;
    let line = |line: &str| {
        let (name, number) = line.rsplit_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    Ok(text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect())
}
