//! The page's address: which view it names, and what it is never asked for.

use std::str::FromStr;

use exoclaw_protocol::SessionRef;
use wasm_bindgen::JsValue;

use super::window;

/// Where the part of an address begins that names a session: `#/s/agent:main:main`.
const SESSION_PREFIX: &str = "#/s/";
/// Where the part begins that is a one-time code.
const CODE_PREFIX: &str = "#code=";

/// What the page can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Session(SessionRef),
    Status,
    Plugins,
    Usage,
}

impl Place {
    /// Its address, within this page.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Session(session) => format!("{SESSION_PREFIX}{session}"),
            Self::Status => "#/status".to_owned(),
            Self::Plugins => "#/plugins".to_owned(),
            Self::Usage => "#/usage".to_owned(),
        }
    }

    fn of(fragment: &str) -> Option<Self> {
        Some(match fragment {
            "#/status" => Self::Status,
            "#/plugins" => Self::Plugins,
            "#/usage" => Self::Usage,
            other => {
                let session = other.strip_prefix(SESSION_PREFIX)?;
                // Browsers escape what a person pastes.
                let plain = js_sys::decode_uri_component(session).ok().and_then(|text| text.as_string());
                let read = |text: &str| SessionRef::from_str(text).ok();
                Self::Session(read(session).or_else(|| read(&plain?))?)
            }
        })
    }
}

fn fragment() -> String {
    window().and_then(|window| window.location().hash().ok()).unwrap_or_default()
}

/// What the address names.
pub(crate) fn place() -> Option<Place> {
    Place::of(&fragment())
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

/// Makes the address name a place, so that a reload shows it again.
pub(crate) fn show(place: &Place) {
    replace_fragment(&place.address());
}

/// The daemon's socket: the page's own origin, nothing else.
pub(crate) fn socket_url() -> String {
    let location = window().map(|window| window.location());
    let host = location.as_ref().and_then(|location| location.host().ok()).unwrap_or_default();
    let is_tls = location.and_then(|location| location.protocol().ok()).is_some_and(|protocol| protocol == "https:");
    format!("{}://{host}/ws", if is_tls { "wss" } else { "ws" })
}
