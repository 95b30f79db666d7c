//! The decoders.

mod audit;
mod functions;
mod plugins;
mod rpc;
mod sessions;
mod sse;
mod stored;

use crate::Target;

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("audit", audit::lines),
    ("grants", plugins::grants),
    ("http", plugins::http),
    ("json", plugins::json),
    ("manifest", plugins::manifest),
    ("plugins", plugins::files),
    ("policy", functions::policy),
    ("rpc", rpc::frames),
    ("session-key", sessions::keys),
    ("sse", sse::events),
    ("sse-anthropic", sse::anthropic),
    ("sse-openai", sse::openai),
    ("records", stored::records),
    ("tokens", stored::tokens),
    ("values", functions::values),
];
