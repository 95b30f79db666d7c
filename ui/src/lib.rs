//! The browser chat of exoclaw: a page that shows sessions and talks in them.
//!
//! What the page knows is one value, changed by a pure function (`state`) that is tested without a browser; components
//! (`view`) only show it and say what somebody wants. `page` joins both to the connection, which is `exoclaw-client`'s: the
//! page opens no socket of its own and takes neither endpoint nor token from its address, only a one-time code that it
//! trades for a cookie no script can read. `markdown` turns answers into a tree without any HTML, `highlight` colours code,
//! `catalogue` has every text in each language, and `browser` is the only module that knows the browser's interfaces.
//!
//! The crate also builds for the host, so that its rules are tested and linted with the workspace. It is a program, not
//! a library: [`start`] is all there is to call, and the page's loader does.

mod browser;
mod catalogue;
mod format;
mod highlight;
mod markdown;
mod page;
mod state;
#[expect(unreachable_pub, reason = "leptos makes the types of a component's properties `pub`")]
mod view;

use wasm_bindgen::prelude::wasm_bindgen;

/// Starts the page in the document's body.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen(start))]
#[cfg_attr(not(target_arch = "wasm32"), wasm_bindgen)]
pub fn start() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(view::App);
}
