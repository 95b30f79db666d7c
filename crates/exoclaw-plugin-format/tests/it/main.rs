//! The plugin file through its public API.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod componentize;
mod http;
mod manifest;
mod policy;
mod section;
mod signature;
mod size;

use exoclaw_plugin_format::Manifest;

const NOTES: &str = r#"
name = "notes"
version = "0.1.0"
description = "Keeps notes"

[[tools]]
name = "append"
description = "Add a line"
effect = "once"
input_schema = { type = "object", required = ["text"], properties = { text = { type = "string" } } }

[[tools]]
name = "read"
description = "Read them all"
effect = "read"
input_schema = { type = "object" }

[requests]
fs = [{ guest = "/notes", access = "read-write" }]
env = ["TZ"]
kv = "1 MiB"
http = ["GET https://api.github.com/repos/*"]
secrets = [{ name = "github", header = "authorization", format = "Bearer {}", to = "api.github.com" }]
"#;

/// The smallest component: magic, version, layer.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

fn notes() -> Manifest {
    Manifest::from_toml(NOTES).unwrap()
}
