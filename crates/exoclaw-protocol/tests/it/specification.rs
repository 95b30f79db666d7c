//! The examples of the JSON-RPC 2.0 specification, section 7, with its own methods. `>` is sent, `<` must come back; error
//! messages are ours, so that only their codes are compared.

use exoclaw_protocol::{ErrorCode, RpcError, rpc};
use serde_json::{Value, json, value::RawValue};

/// The server that the examples talk to.
fn answer(request: rpc::Request) -> Option<rpc::Response> {
    let params: Value = request.params.as_deref().map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap());
    let outcome = match request.method.as_str() {
        "subtract" => Ok(match params {
            Value::Array(p) => json!(p[0].as_i64().unwrap() - p[1].as_i64().unwrap()),
            p => json!(p["minuend"].as_i64().unwrap() - p["subtrahend"].as_i64().unwrap()),
        }),
        "sum" => Ok(json!(params.as_array().unwrap().iter().filter_map(Value::as_i64).sum::<i64>())),
        "get_data" => Ok(json!(["hello", 5])),
        "update" | "notify_hello" | "notify_sum" => Ok(Value::Null),
        _ => Err(RpcError::new(ErrorCode::MethodNotFound, "no such method")),
    };
    let id = request.id?;
    Some(match outcome {
        Ok(result) => rpc::Response::result(id, &result),
        Err(error) => rpc::Response::error(id, &error),
    })
}

fn reply(text: &str) -> Option<Value> {
    let one = |parsed: Result<_, _>| match parsed {
        Ok(request) => answer(request),
        Err(refusal) => Some(refusal),
    };
    match rpc::parse(text.as_bytes()) {
        rpc::Incoming::One(parsed) => one(parsed).map(|response| serde_json::to_value(response).unwrap()),
        rpc::Incoming::Batch(batch) => {
            let responses: Vec<_> = batch.into_iter().filter_map(one).collect();
            (!responses.is_empty()).then(|| serde_json::to_value(responses).unwrap())
        }
    }
}

/// Leaves of an error what the specification fixes.
fn fixed_part(mut value: Value) -> Value {
    match &mut value {
        Value::Array(all) => all.iter_mut().for_each(|one| *one = fixed_part(one.take())),
        value => {
            if let Some(error) = value.get_mut("error") {
                *error = json!({ "code": error["code"] });
            }
        }
    }
    value
}

#[track_caller]
fn check(transcript: &str) {
    let mut lines = transcript.lines().map(str::trim).filter(|line| !line.is_empty());
    while let Some(sent) = lines.next() {
        let expected = lines.next().unwrap().strip_prefix('<').unwrap().trim();
        let expected = (!expected.is_empty()).then(|| fixed_part(serde_json::from_str(expected).unwrap()));
        let sent = sent.strip_prefix('>').unwrap();
        assert_eq!(reply(sent).map(fixed_part), expected, "{sent}");
    }
}

#[test]
fn positional_and_named_parameters() {
    check(
        r#"
        > {"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}
        < {"jsonrpc": "2.0", "result": 19, "id": 1}
        > {"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}
        < {"jsonrpc": "2.0", "result": -19, "id": 2}
        > {"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}
        < {"jsonrpc": "2.0", "result": 19, "id": 3}
        > {"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}
        < {"jsonrpc": "2.0", "result": 19, "id": 4}
        "#,
    );
}

#[test]
fn notifications_are_not_answered() {
    check(
        r#"
        > {"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}
        <
        > {"jsonrpc": "2.0", "method": "foobar"}
        <
        "#,
    );
}

#[test]
fn refusals() {
    check(
        r#"
        > {"jsonrpc": "2.0", "method": "foobar", "id": "1"}
        < {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}
        > {"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]
        < {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}
        > {"jsonrpc": "2.0", "method": 1, "params": "bar"}
        < {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
        "#,
    );
}

#[test]
fn batches() {
    check(
        r#"
        > [{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"
        < {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}
        > []
        < {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
        > [1]
        < [{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]
        > [1,2,3]
        < [{"jsonrpc": "2.0", "error": {"code": -32600}, "id": null}, {"jsonrpc": "2.0", "error": {"code": -32600}, "id": null}, {"jsonrpc": "2.0", "error": {"code": -32600}, "id": null}]
        > [{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}, {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"}, {"foo": "boo"}, {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"}, {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]
        < [{"jsonrpc": "2.0", "result": 7, "id": "1"}, {"jsonrpc": "2.0", "result": 19, "id": "2"}, {"jsonrpc": "2.0", "error": {"code": -32600}, "id": null}, {"jsonrpc": "2.0", "error": {"code": -32601}, "id": "5"}, {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}]
        > [{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]
        <
        "#,
    );
}

/// The parameters that reach a method are the text that was sent.
#[test]
fn parameters_are_handed_on_as_written() {
    let text = br#" {"jsonrpc":"2.0","method":"m","id":1,"params": { "big": 123456789012345678901234567890, "a":1, "a":2 } } "#;
    let rpc::Incoming::One(Ok(request)) = rpc::parse(text) else { panic!("refused") };
    let raw: Option<&RawValue> = request.params.as_deref();
    assert_eq!(raw.unwrap().get(), r#"{ "big": 123456789012345678901234567890, "a":1, "a":2 }"#);
}
