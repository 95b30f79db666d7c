use std::{sync::Arc, time::Duration};

use exoclaw_protocol::{FailureKind, ToolContent};
use exoclaw_sandbox::{CallError, Grants, Host, KeyValue, Limits, Permit};
use futures::FutureExt;
use serde_json::json;

use crate::{
    guest::{ECHO, Guest, call, permit, request, text},
    imports::{KV_GET, Stuck},
};

#[tokio::test]
async fn echo_answers() {
    let plugin = Guest { call: ECHO, ..Guest::default() }.load();
    let called = plugin.call(&permit(&plugin), request(json!({ "text": "hello" })), Host::default()).await;
    assert_eq!(text(&called), r#"{"text":"hello"}"#);
    assert!(called.metering.fuel > 0 && called.metering.peak_memory == 4 * 65536, "{:?}", called.metering);
    assert_eq!((called.metering.bytes_in, called.metering.bytes_out), (16, 16));
}

#[tokio::test]
async fn each_call_meets_a_fresh_instance() {
    let count = "(i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
                 (call $number (i32.load (i32.const 512)))";
    let plugin = Guest { call: count, ..Guest::default() }.load();
    for _ in 0..3 {
        assert_eq!(text(&call(&plugin, &Limits::default()).await), "01");
    }
}

#[tokio::test]
async fn a_trap_is_a_crash_and_nothing_more() {
    let in_start = Guest { functions: "(func $boom unreachable) (start $boom)", call: ECHO, ..Guest::default() };
    let in_call = Guest { call: "unreachable", ..Guest::default() };
    for guest in [in_start, in_call] {
        let plugin = guest.load();
        for _ in 0..2 {
            let called = call(&plugin, &Limits::default()).await;
            assert_eq!(called.output.failure, Some(FailureKind::Crashed));
            assert!(matches!(called.detail, Some(CallError::Crashed(_))));
        }
    }
}

#[tokio::test]
async fn the_guest_never_sees_arguments_that_do_not_fit() {
    let plugin = Guest { call: ECHO, ..Guest::default() }.load();
    for (arguments, place) in
        [(json!({ "text": 5 }), "/text"), (json!({ "text": "x".repeat(101) }), "/text"), (json!([]), "")]
    {
        let called = plugin.call(&permit(&plugin), request(arguments), Host::default()).await;
        assert_eq!(called.output.failure, Some(FailureKind::InvalidArguments));
        assert_eq!(called.metering.fuel, 0, "the guest ran");
        assert!(
            matches!(&called.detail, Some(CallError::Arguments { place: found, .. }) if found == place),
            "{called:?}"
        );
        let [ToolContent::Text { text }] = called.output.content.as_slice() else { panic!("{called:?}") };
        assert!(text.contains(place), "{text}");
    }
}

#[tokio::test]
async fn tools_and_permits_of_others_are_refused() {
    let plugin = Guest { call: ECHO, ..Guest::default() }.load();
    let mut unknown = request(json!({}));
    unknown.tool = "walk".parse().unwrap();
    let called = plugin.call(&permit(&plugin), unknown, Host::default()).await;
    assert_eq!(called.output.failure, Some(FailureKind::UnknownTool));

    let mut other = plugin.manifest().clone();
    other.name = "other".parse().unwrap();
    let permit = Permit::new(&other, &Grants::default(), &Limits::default()).unwrap();
    let called = plugin.call(&permit, request(json!({})), Host::default()).await;
    assert_eq!(called.output.failure, Some(FailureKind::Denied));
}

#[tokio::test]
async fn a_guest_can_fail_in_its_own_words() {
    // The result is tag 1, then: kind, message, retryable.
    let fails = r#"(i32.store8 (i32.const 32) (i32.const 1)) (i32.store8 (i32.const 36) (i32.const 2))
                   (i32.store (i32.const 40) (i32.const 1024)) (i32.store (i32.const 44) (i32.const 9))
                   (i32.store8 (i32.const 48) (i32.const 1)) (i32.const 32)"#;
    let plugin = Guest { functions: r#"(data (i32.const 1024) "come back")"#, call: fails, ..Guest::default() }.load();
    let called = call(&plugin, &Limits::default()).await;
    assert_eq!(called.output.failure, Some(FailureKind::Unavailable));
    assert_eq!(called.output.content, [ToolContent::Text { text: "come back (it may succeed later)".into() }]);
    assert!(called.detail.is_none());
}

#[tokio::test]
async fn output_that_is_no_output_is_told() {
    // One JSON block of one byte that is no JSON.
    let bad = "(i32.store8 (i32.const 1024) (i32.const 123)) (drop (call $text (i32.const 1024) (i32.const 1)))
               (i32.store (i32.const 64) (i32.const 1)) (i32.const 32)";
    let called = call(&Guest { call: bad, ..Guest::default() }.load(), &Limits::default()).await;
    assert!(matches!(called.detail, Some(CallError::Malformed { .. })), "{called:?}");
    assert_eq!(called.output.failure, Some(FailureKind::Failed));
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_told() {
    // The second is cut within its last character.
    for bytes in ["\\ff\\fe", "caf\\c3"] {
        let functions = format!("(data (i32.const 512) \"{bytes}\")");
        let size = bytes.replace("\\ff", "x").replace("\\fe", "x").replace("\\c3", "x").len();
        let say = format!("(call $text (i32.const 512) (i32.const {size}))");
        let plugin = Guest { functions: &functions, call: &say, ..Guest::NONE }.load();
        let called = call(&plugin, &Limits::default()).await;
        assert_eq!(called.output.failure, Some(FailureKind::Failed), "{called:?}");
        assert!(called.detail.as_ref().unwrap().to_string().contains("not UTF-8"), "{called:?}");
    }
}

#[tokio::test]
async fn dropping_the_call_stops_a_guest_that_computes() {
    let spins = "(if (i32.gt_u (local.get $arguments_len) (i32.const 2)) (then (loop $on (br $on))))
                 (call $text (i32.const 0) (i32.const 0))";
    let plugin = Guest { call: spins, ..Guest::default() }.load();
    let limits = Limits {
        time: Duration::from_secs(600),
        fuel: exoclaw_sandbox::limits::CEILING.fuel,
        concurrency: 1,
        ..Limits::default()
    };
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &limits).unwrap();
    let endless = plugin.call(&permit, request(json!({ "text": "spin" })), Host::default());
    assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err());
    // Its turn, the only one, is free again.
    assert_eq!(text(&plugin.call(&permit, request(json!({})), Host::default()).await), "");
}

#[tokio::test]
async fn dropping_the_call_stops_a_guest_that_waits() {
    let plugin = KV_GET.load();
    let (stuck, mut entered, left) = Stuck::new();
    let host = Host { kv: Some(Arc::new(stuck) as Arc<dyn KeyValue>), ..Host::default() };
    let permit = Permit::new(plugin.manifest(), &KV_GET.grants(), &Limits::default()).unwrap();
    let mut waiting = Box::pin(plugin.call(&permit, request(json!({})), host));
    tokio::select! {
        _ = &mut waiting => panic!("the store never answers"),
        _ = entered.recv() => {}
    }
    assert!(left.clone().now_or_never().is_none());
    drop(waiting);
    assert!(left.now_or_never().is_some(), "the host call was not dropped");
}

#[tokio::test]
async fn a_call_waits_for_its_turn_and_no_longer_than_its_time() {
    let plugin = KV_GET.load();
    let (stuck, mut entered, _left) = Stuck::new();
    let host = Host { kv: Some(Arc::new(stuck) as Arc<dyn KeyValue>), ..Host::default() };
    let limits = Limits { concurrency: 1, time: Duration::from_secs(600), ..Limits::default() };
    let permit = Permit::new(plugin.manifest(), &KV_GET.grants(), &limits).unwrap();
    let mut waiting = Box::pin(plugin.call(&permit, request(json!({})), host.clone()));
    tokio::select! {
        _ = &mut waiting => panic!("the store never answers"),
        _ = entered.recv() => {}
    }
    // The queue has room for eight; they wait, the ninth is refused at once.
    let mut queued: Vec<_> = (0..8).map(|_| Box::pin(plugin.call(&permit, request(json!({})), host.clone()))).collect();
    for call in &mut queued {
        assert!(call.as_mut().now_or_never().is_none());
    }
    let refused = plugin.call(&permit, request(json!({})), host).await;
    assert_eq!(refused.output.failure, Some(FailureKind::Unavailable));
    // A place in the queue is given back, and so is the turn.
    drop(queued);
    drop(waiting);
    let called = plugin.call(&permit, request(json!({})), Host::default()).await;
    assert_eq!(text(&called), "05", "without a store it is unavailable");
}
