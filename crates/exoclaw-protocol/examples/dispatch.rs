//! Answers JSON-RPC lines from standard input:
//! `echo '{"jsonrpc":"2.0","id":1,"method":"ping"}' | cargo run -p exoclaw-protocol --example dispatch`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::BufRead;

use exoclaw_protocol::{Call, ErrorCode, PingResult, RpcError, Scope, rpc};

fn answer(parsed: Result<rpc::Request, rpc::Response>) -> Option<rpc::Response> {
    let request = match parsed {
        Ok(request) => request,
        Err(refusal) => return Some(refusal),
    };
    let outcome = Call::parse(&request.method, request.params.as_deref()).and_then(|call| {
        if !Scope::Read.covers(call.scope()) {
            return Err(RpcError::new(ErrorCode::Forbidden, "this service only lets you look"));
        }
        match call {
            Call::Ping(_) => Ok(PingResult { now_ms: 0 }),
            other => Err(RpcError::new(ErrorCode::Internal, format!("{} is not built here", other.method()))),
        }
    });
    // Without an id it is a notification, which is never answered.
    let id = request.id?;
    Some(match outcome {
        Ok(result) => rpc::Response::result(id, &result),
        Err(error) => rpc::Response::error(id, &error),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        match rpc::parse(line?.as_bytes()) {
            rpc::Incoming::One(one) => {
                if let Some(response) = answer(one) {
                    println!("{}", serde_json::to_string(&response)?);
                }
            }
            rpc::Incoming::Batch(batch) => {
                let responses: Vec<_> = batch.into_iter().filter_map(answer).collect();
                if !responses.is_empty() {
                    println!("{}", serde_json::to_string(&responses)?);
                }
            }
        }
    }
    Ok(())
}
