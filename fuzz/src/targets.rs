//! The decoders.

mod audit;
#[path = "../../crates/exoclaw-sandbox/guests/component.rs"]
#[expect(dead_code, reason = "guests of tests use more of it")]
mod component;
mod config;
mod functions;
mod plugins;
mod returns;
mod rpc;
mod sessions;
mod sse;
mod stored;

use tempfile::TempDir;

use crate::Target;

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("audit", audit::lines),
    ("config", config::file),
    ("grants", plugins::grants),
    ("http", plugins::http),
    ("json", plugins::json),
    ("manifest", plugins::manifest),
    ("plugins", plugins::files),
    ("policy", functions::policy),
    ("returns", returns::results),
    ("rpc", rpc::frames),
    ("session-key", sessions::keys),
    ("sse", sse::events),
    ("sse-anthropic", sse::anthropic),
    ("sse-openai", sse::openai),
    ("records", stored::records),
    ("tokens", stored::tokens),
    ("values", functions::values),
];

/// A folder for what is read from files. In memory where the system has such a place: it is decoders that are tried, and
/// waiting for a disk would take most of the time.
fn folder() -> Option<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).ok()
}
