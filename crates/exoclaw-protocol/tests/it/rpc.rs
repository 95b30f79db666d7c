//! What the specification leaves to its readers: ids, limits, malice.

use exoclaw_protocol::{
    ErrorCode, RpcError, limits,
    rpc::{self, FromServer, Id, Incoming, Response},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn one(text: &[u8]) -> Result<rpc::Request, Response> {
    match rpc::parse(text) {
        Incoming::One(parsed) => parsed,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn written(response: &Response) -> String {
    serde_json::to_string(response).unwrap()
}

#[track_caller]
fn refused(text: &[u8], code: ErrorCode, id: &Value) -> String {
    let refusal = serde_json::to_value(one(text).unwrap_err()).unwrap();
    assert_eq!((&refusal["error"]["code"], &refusal["id"]), (&json!(code.number()), id));
    refusal["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn ids_come_back_as_they_were_written() {
    for id in [
        "1",
        "0",
        "-7",
        "-0",
        "1.0",
        "1.5",
        "1e3",
        "18446744073709551616",
        "1E400",
        "123456789012345678901234567890",
        r#""""#,
        r#""1""#,
        r#""a\"b""#,
        "\"\u{e9}\"",
        "null",
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"ping","id":{id}}}"#);
        let request = one(text.as_bytes()).unwrap();
        let response = Response::result(request.id.unwrap(), &true);
        assert_eq!(written(&response), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":true}}"#));
    }
}

#[test]
fn an_absent_id_is_a_notification_and_null_is_not() {
    assert_eq!(one(br#"{"jsonrpc":"2.0","method":"ping"}"#).unwrap().id, None);
    assert_eq!(one(br#"{"jsonrpc":"2.0","method":"ping","id":null}"#).unwrap().id, Some(Id::Null));
}

#[test]
fn requests_that_are_none() {
    let null = Value::Null;
    for text in [
        r#"{"jsonrpc":"2.0","method":"ping","id":true}"#,
        r#"{"jsonrpc":"2.0","method":"ping","id":[1]}"#,
        r#"{"jsonrpc":"2.0","method":"ping","id":{}}"#,
        r#"{"jsonrpc":"2.0","method":"ping","id":1,"id":2}"#,
        r#"{"jsonrpc":"2.0","method":"ping","method":"status","id":1}"#,
        r#"{"jsonrpc":"2.0","method":"ping","params":{},"params":{},"id":1}"#,
        r#""ping""#,
        "null",
        "7",
        "{}",
    ] {
        refused(text.as_bytes(), ErrorCode::InvalidRequest, &null);
    }
    let one = json!(1);
    for text in [
        r#"{"method":"ping","id":1}"#,
        r#"{"jsonrpc":"1.0","method":"ping","id":1}"#,
        r#"{"jsonrpc":2.0,"method":"ping","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","method":null,"id":1}"#,
        r#"{"jsonrpc":"2.0","method":"ping","params":null,"id":1}"#,
        r#"{"jsonrpc":"2.0","method":"ping","params":"x","id":1}"#,
    ] {
        refused(text.as_bytes(), ErrorCode::InvalidRequest, &one);
    }
}

#[test]
fn texts_that_are_no_json() {
    for text in
        [&b""[..], b" ", b"{", b"{}x", b"\xff", b"\"\xff\"", b"{'a':1}", b"[1,]", b"nul", b"NaN", b"\xef\xbb\xbf{}"]
    {
        refused(text, ErrorCode::ParseError, &Value::Null);
    }
}

/// serde reads structs from arrays too: `["2.0", 1, "ping"]` must not pass for a request.
#[test]
fn an_array_within_a_batch_is_no_request() {
    let Incoming::Batch(batch) = rpc::parse(br#"[["2.0",1,"ping",{}]]"#) else { panic!("no batch") };
    assert!(matches!(batch.as_slice(), [Err(_)]));
}

#[test]
fn batches_have_a_bound() {
    let batch = |count: usize| {
        let one = r#"{"jsonrpc":"2.0","method":"ping","id":1}"#;
        rpc::parse(format!("[{}]", vec![one; count].join(",")).as_bytes())
    };
    let Incoming::Batch(full) = batch(limits::BATCH_REQUESTS) else { panic!("no batch") };
    assert_eq!(full.iter().filter(|parsed| parsed.is_ok()).count(), limits::BATCH_REQUESTS);
    for count in [limits::BATCH_REQUESTS + 1, 100_000] {
        let Incoming::One(Err(refusal)) = batch(count) else { panic!("taken") };
        assert_eq!(refusal.outcome().unwrap_err().code, ErrorCode::InvalidRequest);
    }
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let deep = nested(1_000_000);
    refused(
        format!(r#"{{"jsonrpc":"2.0","method":"ping","id":{deep}}}"#).as_bytes(),
        ErrorCode::InvalidRequest,
        &Value::Null,
    );
    let Incoming::Batch(batch) = rpc::parse(deep.as_bytes()) else { panic!("no batch") };
    assert!(matches!(batch.as_slice(), [Err(_)]));
    // What reaches a method stays within the depth that is read.
    let call = |depth: usize| {
        let block = format!(r#"{{"type":"toolCall","id":"c","name":"n","input":{}}}"#, nested(depth));
        let params = format!(r#"{{"content":[{block}]}}"#);
        let raw = serde_json::value::RawValue::from_string(params).unwrap();
        exoclaw_protocol::Call::parse("chat.send", Some(&raw))
    };
    assert!(call(limits::JSON_DEPTH - 4).is_ok());
    assert_eq!(call(limits::JSON_DEPTH).unwrap_err().code, ErrorCode::InvalidParams);
}

/// An answer never repeats megabytes of nonsense.
#[test]
fn refusals_are_short() {
    let long = "x".repeat(1_000_000);
    let text = refused(format!("\"{long}\"").as_bytes(), ErrorCode::InvalidRequest, &Value::Null);
    assert!(text.len() < 1_000, "{} bytes", text.len());
    for params in [format!(r#"{{"{long}":1}}"#), format!(r#"{{"session":"main","limit":"{long}"}}"#)] {
        let raw = serde_json::value::RawValue::from_string(params).unwrap();
        let error = exoclaw_protocol::Call::parse("chat.history", Some(&raw)).unwrap_err();
        assert!(error.message.len() < 1_000, "{} bytes", error.message.len());
    }
}

#[test]
fn responses_hold_a_result_or_an_error() {
    let read = |text: &str| match rpc::parse_from_server(text).unwrap() {
        FromServer::Response(response) => response.outcome().map(|raw| raw.get().to_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#).unwrap(), r#"{"a":1}"#);
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).unwrap(), "null");
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":1}"#).unwrap_err().code, ErrorCode::Internal);
    let sent = RpcError { retry_after_ms: Some(1500), ..RpcError::new(ErrorCode::RateLimited, "wait a little") };
    assert_eq!(read(&written(&Response::error(Id::Number(7.into()), &sent))).unwrap_err(), sent);
}

#[test]
fn unknown_notifications_are_passed_over() {
    let text = r#"{"jsonrpc":"2.0","method":"weather.changed","params":{"sun":true}}"#;
    assert!(matches!(rpc::parse_from_server(text).unwrap(), FromServer::Unknown));
}

/// Whatever is JSON is never called none, and the other way round for what is not even UTF-8 or has no value.
fn is_judged_as_json(bytes: &[u8]) -> Result<(), TestCaseError> {
    let no_json = match rpc::parse(bytes) {
        Incoming::One(Err(refusal)) => refusal.outcome().unwrap_err().code == ErrorCode::ParseError,
        Incoming::One(Ok(_)) | Incoming::Batch(_) => false,
    };
    if serde_json::from_slice::<Value>(bytes).is_ok() {
        prop_assert!(!no_json);
    } else if std::str::from_utf8(bytes).map_or(true, |text| text.trim().is_empty()) {
        prop_assert!(no_json);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        is_judged_as_json(&bytes)?;
    }

    #[test]
    fn anything_that_looks_like_json_gets_an_answer(text in "[\\[\\]{}\":,0-9a-z\\\\ -]{0,12}") {
        is_judged_as_json(text.as_bytes())?;
    }

    #[test]
    fn what_a_client_writes_the_server_reads(id in any::<u64>(), text in "\\PC{1,40}") {
        let params = exoclaw_protocol::ChatSendParams::text("main".parse().unwrap(), text);
        let sent = rpc::request(id, &params).unwrap();
        let request = one(sent.as_bytes()).unwrap();
        prop_assert_eq!(request.id, Some(Id::Number(id.into())));
        let call = exoclaw_protocol::Call::parse(&request.method, request.params.as_deref()).unwrap();
        prop_assert_eq!(call, exoclaw_protocol::Call::ChatSend(params));
    }
}
