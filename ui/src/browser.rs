//! What the page asks of the browser.

pub(crate) mod address;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod storage;

pub(crate) use address::Place;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Document, HtmlElement, Window};

use crate::catalogue::{self, Language};

fn window() -> Option<Window> {
    web_sys::window()
}

fn document() -> Option<Document> {
    window()?.document()
}

/// A text of 26 random digits that no other page makes. It names things; it guards nothing.
pub(crate) fn random_key() -> String {
    // `Math.random` gives 52 bits.
    let half = || format!("{:013x}", (js_sys::Math::random() * 4_503_599_627_370_496.0) as u64);
    half() + &half()
}

/// Milliseconds since 1970 on the reader's clock.
pub(crate) fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// A moment in the reader's time zone, such as `21 Nov, 10:35`; of today, the time alone.
pub(crate) fn moment(at_ms: u64) -> String {
    let date = |ms: u64| js_sys::Date::new(&JsValue::from_f64(ms as f64));
    let (then, now) = (date(at_ms), date(now_ms()));
    let is_today = then.to_date_string() == now.to_date_string();
    let fields: &[(&str, &str)] = if is_today {
        &[("hour", "2-digit"), ("minute", "2-digit")]
    } else {
        &[("day", "numeric"), ("month", "short"), ("hour", "2-digit"), ("minute", "2-digit")]
    };
    let options = js_sys::Object::new();
    for (name, value) in fields {
        // An object of our own takes every property.
        drop(js_sys::Reflect::set(&options, &(*name).into(), &(*value).into()));
    }
    then.to_locale_string(catalogue::language().code(), &options).into()
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
    if let Some(document) = document() {
        document.set_title(title);
    }
}

/// Somebody may see the page.
pub(crate) fn is_visible() -> bool {
    document().is_some_and(|document| !document.hidden())
}

/// The languages that the reader wants, the first one first.
pub(crate) fn wanted_languages() -> Vec<String> {
    let languages = window().map(|window| window.navigator().languages());
    languages.map(|languages| languages.iter().filter_map(|tag| tag.as_string()).collect()).unwrap_or_default()
}

/// Says of the document which language it is in.
pub(crate) fn set_language(language: Language) {
    set_root_attribute("lang", language.code());
}

/// Sets an attribute of the root element; an empty value takes it away.
pub(crate) fn set_root_attribute(name: &str, value: &str) {
    let Some(root) = document().and_then(|document| document.document_element()) else { return };
    // Names are ours, and valid.
    drop(if value.is_empty() { root.remove_attribute(name) } else { root.set_attribute(name, value) });
}

/// The element with that id takes the focus, where there is one that can.
pub(crate) fn focus(id: &str) {
    let element = document().and_then(|document| document.get_element_by_id(id));
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        drop(element.focus());
    }
}

/// The reader is writing: keys that are commands elsewhere are letters there.
pub(crate) fn is_writing() -> bool {
    let active = document().and_then(|document| document.active_element());
    active.is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"))
}

/// A dialog is open: keys belong to it.
pub(crate) fn is_asking() -> bool {
    document().is_some_and(|document| document.query_selector("dialog[open]").ok().flatten().is_some())
}

/// Notes a moment in the browser's own record of how the page was loaded.
pub(crate) fn mark(name: &str) {
    if let Some(performance) = window().and_then(|window| window.performance()) {
        drop(performance.mark(name));
    }
}

/// The reader has keys at hand, and no keyboard on the screen that would cover half of the page.
pub(crate) fn has_keyboard() -> bool {
    let query = window().and_then(|window| window.match_media("(pointer: coarse)").ok().flatten());
    query.is_some_and(|query| !query.matches())
}
