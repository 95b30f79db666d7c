//! Counts, in the plugin's own store.

use exoclaw::plugin::{
    kv,
    types::{Content, Failure, FailureKind, Output},
};
use exports::exoclaw::plugin::tool::{Guest, Request};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

#[derive(serde::Deserialize)]
struct Arguments {
    name: String,
}

struct Counter;

impl Guest for Counter {
    fn call(request: Request) -> Result<Output, Failure> {
        let Arguments { name } = serde_json::from_str(&request.arguments)
            .map_err(|error| failure(FailureKind::InvalidArguments, error.to_string()))?;
        let kept = kv::get(&name).map_err(refused)?.unwrap_or_default();
        let mut count: u64 = String::from_utf8_lossy(&kept).parse().unwrap_or(0);
        if request.tool == "increment" {
            count += 1;
            kv::set(&name, count.to_string().as_bytes()).map_err(refused)?;
        }
        Ok(Output { content: vec![Content::Text(count.to_string())], is_error: false })
    }
}

fn refused(error: kv::Error) -> Failure {
    let kind = match error {
        kv::Error::Denied | kv::Error::OverQuota => FailureKind::Denied,
        kv::Error::TooLarge => FailureKind::InvalidArguments,
        kv::Error::Unavailable => FailureKind::Unavailable,
    };
    failure(kind, format!("the store refused: {error:?}"))
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure { kind, message, retryable: false }
}

export!(Counter);
