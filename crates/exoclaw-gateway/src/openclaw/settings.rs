//! What the daemon was told, and what its log says.

use exoclaw_protocol::openclaw::{Code, ErrorShape};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answers::Reply;
use crate::{ShownConfig, http::Door};

/// Lines and bytes of the log where a client names none.
const LINES: usize = 500;
const BYTES: usize = 250_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tail {
    #[serde(default)]
    cursor: Option<u64>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    max_bytes: Option<usize>,
}

/// The config: our own keys.
pub(super) fn config(door: &Door) -> Value {
    let ShownConfig { path, exists, values, .. } = &door.shown;
    json!({
        "path": path, "exists": exists, "raw": null, "parsed": values, "config": values, "valid": true,
        "hash": hex::encode(Sha256::digest(values.to_string())), "issues": [], "warnings": [], "legacyIssues": [],
    })
}

/// What can stand in it. It came with the program, and has no time of its own.
pub(super) fn schema(door: &Door) -> Result<Reply, ErrorShape> {
    let schema: Value = serde_json::from_str(door.shown.schema).map_err(|error| {
        tracing::error!(%error, "the schema of the config is no JSON");
        ErrorShape::new(Code::Unavailable, "the gateway has no schema of its config")
    })?;
    Ok(json!({
        "schema": schema, "uiHints": {}, "version": door.runtime.version(), "generatedAt": "1970-01-01T00:00:00Z",
    })
    .into())
}

/// The end of the log, or what came after the place that an earlier answer named.
pub(super) fn log(door: &Door, params: &Tail) -> Result<Reply, ErrorShape> {
    let (lines, bytes) = (params.limit.unwrap_or(LINES), params.max_bytes.unwrap_or(BYTES));
    let part = door.log.after(params.cursor.unwrap_or(0), lines, bytes);
    // The log of an earlier process was longer.
    let reset = params.cursor.is_some_and(|cursor| cursor > part.end);
    let part = if reset { door.log.after(0, lines, bytes) } else { part };
    Ok(json!({
        "file": "", "cursor": part.end, "size": part.end, "lines": part.lines,
        "truncated": part.is_cut, "reset": reset,
    })
    .into())
}
