//! The smallest plugin: one tool, no grants.

use exoclaw::plugin::types::{Content, Failure, FailureKind, Output};
use exports::exoclaw::plugin::tool::{Guest, Request};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

#[derive(serde::Deserialize)]
struct Arguments {
    text: String,
}

struct Echo;

impl Guest for Echo {
    fn call(request: Request) -> Result<Output, Failure> {
        let arguments: Arguments = serde_json::from_str(&request.arguments).map_err(|error| Failure {
            kind: FailureKind::InvalidArguments,
            message: error.to_string(),
            retryable: false,
        })?;
        Ok(Output { content: vec![Content::Text(arguments.text)], is_error: false })
    }
}

export!(Echo);
