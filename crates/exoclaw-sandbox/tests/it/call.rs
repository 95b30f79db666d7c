use exoclaw_protocol::FailureKind;
use exoclaw_sandbox::{CallError, Grants, Host, Limits, Permit};
use serde_json::json;

use crate::guest::{ECHO, Guest, call, request, text};

#[tokio::test]
async fn echo_answers() {
    let plugin = Guest { call: ECHO, ..Guest::default() }.load();
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).unwrap();
    let called = plugin.call(&permit, request(json!({ "text": "hello" })), Host::default()).await;
    assert_eq!(text(&called), r#"{"text":"hello"}"#);
    assert!(called.metering.fuel > 0 && called.metering.peak_memory == 4 * 65536, "{:?}", called.metering);
    assert_eq!((called.metering.bytes_in, called.metering.bytes_out), (16, 16));
}

#[tokio::test]
async fn a_trap_is_a_crash_and_nothing_more() {
    let plugin = Guest { call: "unreachable", ..Guest::default() }.load();
    for _ in 0..2 {
        let called = call(&plugin, &Limits::default()).await;
        assert_eq!(called.output.failure, Some(FailureKind::Crashed));
        assert!(matches!(called.detail, Some(CallError::Crashed(_))));
    }
}
