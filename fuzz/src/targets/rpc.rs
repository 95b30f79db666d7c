//! JSON-RPC texts of clients, and of the daemon as clients read them.

use exoclaw_protocol::{
    Call,
    rpc::{self, Incoming, Request, Response},
};
use serde_json::value::RawValue;

/// Whatever comes, each request is understood or answered with an error, and the answer is JSON.
pub(crate) fn frames(bytes: &[u8]) {
    let one = |request: Result<Request, Response>| match request {
        Ok(request) => match Call::parse(&request.method, request.params.as_deref()) {
            Ok(call) => assert_eq!(call.method(), request.method),
            Err(error) => {
                let response = Response::error(request.id.unwrap_or(rpc::Id::Null), &error);
                is_json(&serde_json::to_string(&response).unwrap_or_default());
            }
        },
        Err(refusal) => is_json(&serde_json::to_string(&refusal).unwrap_or_default()),
    };
    match rpc::parse(bytes) {
        Incoming::One(request) => one(request),
        Incoming::Batch(batch) => {
            assert!(batch.len() <= exoclaw_protocol::limits::BATCH_REQUESTS, "{} requests", batch.len());
            batch.into_iter().for_each(one);
        }
    }
}

#[track_caller]
fn is_json(text: &str) {
    // By its grammar alone: an id may be a number that is too large for anyone to hold, and goes back as it came.
    assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "{text:?} is no JSON");
}
