//! What the page asks of the browser.

use std::str::FromStr;

use exoclaw_protocol::SessionRef;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response, Window};

/// Where the part of an address begins that names a session: `#/s/agent:main:main`.
const SESSION_PREFIX: &str = "#/s/";
/// Where the part begins that is a one-time code.
const CODE_PREFIX: &str = "#code=";

fn window() -> Option<Window> {
    web_sys::window()
}

fn fragment() -> String {
    window().and_then(|window| window.location().hash().ok()).unwrap_or_default()
}

/// The address has a one-time code.
pub(crate) fn has_code() -> bool {
    fragment().starts_with(CODE_PREFIX)
}

/// Takes the one-time code out of the address, so that it stays in no history and no bookmark.
pub(crate) fn take_code() -> Option<String> {
    let code = fragment().strip_prefix(CODE_PREFIX)?.to_owned();
    replace_fragment("");
    Some(code)
}

fn replace_fragment(fragment: &str) {
    let Some(window) = window() else { return };
    let location = window.location();
    if let (Ok(history), Ok(path), Ok(query)) = (window.history(), location.pathname(), location.search()) {
        // It fails only where the page may be called too often; the address is then merely the old one.
        drop(history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{query}{fragment}"))));
    }
}

/// The session that the address names.
pub(crate) fn session_in_address() -> Option<SessionRef> {
    SessionRef::from_str(fragment().strip_prefix(SESSION_PREFIX)?).ok()
}

/// The address of a session, within this page.
pub(crate) fn address_of(session: &SessionRef) -> String {
    format!("{SESSION_PREFIX}{session}")
}

/// Makes the address name a session, so that a reload shows it again.
pub(crate) fn show_in_address(session: &SessionRef) {
    replace_fragment(&address_of(session));
}

/// The daemon's socket: the page's own origin, nothing else.
pub(crate) fn socket_url() -> String {
    let location = window().map(|window| window.location());
    let host = location.as_ref().and_then(|location| location.host().ok()).unwrap_or_default();
    let is_tls = location.and_then(|location| location.protocol().ok()).is_some_and(|protocol| protocol == "https:");
    format!("{}://{host}/ws", if is_tls { "wss" } else { "ws" })
}

/// Trades a one-time code for a cookie.
///
/// # Errors
/// Why it did not work, for people.
pub(crate) async fn log_in(code: &str) -> Result<(), String> {
    let away = || "The daemon did not answer.".to_owned();
    let window = window().ok_or_else(away)?;
    let headers = Headers::new().map_err(|_| away())?;
    headers.set("content-type", "application/json").map_err(|_| away())?;
    let request = RequestInit::new();
    request.set_method("POST");
    request.set_headers(&headers);
    request.set_body(&JsValue::from_str(&serde_json::json!({ "code": code }).to_string()));
    let answer = JsFuture::from(window.fetch_with_str_and_init("/login", &request)).await.map_err(|_| away())?;
    match answer.dyn_into::<Response>() {
        Ok(answer) if answer.ok() => Ok(()),
        Ok(answer) => Err(refusal(&answer).await.unwrap_or_else(away)),
        Err(_) => Err(away()),
    }
}

/// The daemon's words in `{"error":{"message":"…"}}`, as a sentence.
async fn refusal(answer: &Response) -> Option<String> {
    let text = JsFuture::from(answer.text().ok()?).await.ok()?.as_string()?;
    let body: serde_json::Value = serde_json::from_str(&text).ok()?;
    let mut words = body.pointer("/error/message")?.as_str()?.chars();
    Some(format!("{}{}.", words.next()?.to_uppercase(), words.as_str()))
}

/// A text of 26 random digits that no other page makes. It names things; it guards nothing.
pub(crate) fn random_key() -> String {
    // `Math.random` gives 52 bits.
    let half = || format!("{:013x}", (js_sys::Math::random() * 4_503_599_627_370_496.0) as u64);
    half() + &half()
}

/// A moment in the reader's words and time zone, such as `21 Nov, 10:35`.
pub(crate) fn moment(at_ms: u64) -> String {
    let options = js_sys::Object::new();
    for (name, value) in [("day", "numeric"), ("month", "short"), ("hour", "2-digit"), ("minute", "2-digit")] {
        // An object of our own takes every property.
        drop(js_sys::Reflect::set(&options, &name.into(), &value.into()));
    }
    let date = js_sys::Date::new(&JsValue::from_f64(at_ms as f64));
    date.to_locale_string("default", &options).into()
}

/// Text can be put into the clipboard: browsers allow it to pages of this machine and of `https`.
pub(crate) fn can_copy() -> bool {
    window().is_some_and(|window| window.is_secure_context())
}

/// Puts text into the clipboard; says whether that worked.
pub(crate) async fn copy(text: &str) -> bool {
    let Some(window) = window().filter(Window::is_secure_context) else { return false };
    JsFuture::from(window.navigator().clipboard().write_text(text)).await.is_ok()
}

/// Loads the page again.
pub(crate) fn reload() {
    if let Some(window) = window() {
        // A page that may not reload itself stays as it is.
        drop(window.location().reload());
    }
}

/// What stands in the window's title.
pub(crate) fn set_title(title: &str) {
    if let Some(document) = window().and_then(|window| window.document()) {
        document.set_title(title);
    }
}
