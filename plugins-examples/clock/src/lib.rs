//! Tells the time by the clock that every component has.

use std::time::{SystemTime, UNIX_EPOCH};

use exoclaw::plugin::types::{Content, Failure, FailureKind, Output};
use exports::exoclaw::plugin::tool::{Guest, Request};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

struct Clock;

impl Guest for Clock {
    fn call(_: Request) -> Result<Output, Failure> {
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).map_err(|_| Failure {
            kind: FailureKind::Failed,
            message: "the clock stands before 1970".to_owned(),
            retryable: false,
        })?;
        let time = serde_json::json!({
            "utc": humantime::format_rfc3339_seconds(now).to_string(),
            "unixSeconds": since.as_secs(),
        });
        Ok(Output { content: vec![Content::Json(time.to_string())], is_error: false })
    }
}

export!(Clock);
