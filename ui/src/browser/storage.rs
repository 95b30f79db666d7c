//! What the browser keeps for the page: drafts, marks and choices. Never a credential: scripts can read it.

use exoclaw_protocol::SessionRef;
use web_sys::Storage;

/// What all names begin with: other programs may be served under the same address.
const OURS: &str = "exoclaw.";
/// Names of drafts go on with the session.
const DRAFT: &str = "draft.";

/// Longest draft that is kept, in bytes; a longer one lasts as long as the page.
const DRAFT_BYTES: usize = 64 * 1024;

fn storage() -> Option<Storage> {
    // None where the reader turned it off.
    web_sys::window()?.local_storage().ok().flatten()
}

/// What is kept under a name.
pub(crate) fn kept(name: &str) -> Option<String> {
    storage()?.get_item(&format!("{OURS}{name}")).ok().flatten()
}

/// Keeps text under a name; nothing, where it is empty. Where there is no room it is not kept.
pub(crate) fn keep(name: &str, text: &str) {
    let Some(storage) = storage() else { return };
    let name = format!("{OURS}{name}");
    drop(if text.is_empty() { storage.remove_item(&name) } else { storage.set_item(&name, text) });
}

/// Our name of a changed item, as an event of another tab has it.
pub(crate) fn our_name(item: &str) -> Option<&str> {
    item.strip_prefix(OURS)
}

fn draft_name(session: &SessionRef) -> String {
    // The main agent's sessions are written with and without it.
    let text = session.to_string();
    format!("{DRAFT}{}", text.strip_prefix("agent:main:").unwrap_or(&text))
}

/// What was being written in a session.
pub(crate) fn draft(session: &SessionRef) -> String {
    kept(&draft_name(session)).unwrap_or_default()
}

/// Keeps what is being written in a session.
pub(crate) fn keep_draft(session: &SessionRef, text: &str) {
    keep(&draft_name(session), if text.len() > DRAFT_BYTES { "" } else { text });
}
