//! Reads web pages, with no more than `wasi:http`.

use exoclaw::plugin::types::{Content, Failure, FailureKind, Output};
use exports::exoclaw::plugin::tool::{Guest, Request};
use outgoing::{Error, Method};

wit_bindgen::generate!({ path: "../../crates/exoclaw-sandbox/wit", world: "tool-plugin" });

/// Bytes of a page that the model gets.
const PAGE: usize = 64 * 1024;

#[derive(serde::Deserialize)]
struct Arguments {
    url: String,
}

struct Fetch;

impl Guest for Fetch {
    fn call(request: Request) -> Result<Output, Failure> {
        let Arguments { url } = serde_json::from_str(&request.arguments)
            .map_err(|error| failure(FailureKind::InvalidArguments, error.to_string()))?;
        let response = outgoing::request(Method::Get, &url, &[("accept", "text/*, application/json")], &[], PAGE);
        let response = response.map_err(|error| match error {
            Error::Address => failure(FailureKind::InvalidArguments, format!("{url:?} is no address")),
            Error::Denied => failure(FailureKind::Denied, format!("{url} may not be read")),
            Error::Failed(why) => {
                Failure { retryable: true, ..failure(FailureKind::Unavailable, format!("{url}: {why}")) }
            }
        })?;
        let mut text = format!("HTTP {}\n\n{}", response.status, String::from_utf8_lossy(&response.body));
        if response.cut {
            text.push_str("\n\n(the rest is left out)");
        }
        Ok(Output { content: vec![Content::Text(text)], is_error: response.status >= 400 })
    }
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure { kind, message, retryable: false }
}

export!(Fetch);
