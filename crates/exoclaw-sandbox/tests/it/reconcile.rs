//! What a plugin says of a call whose answer was lost.

use std::time::Duration;

use exoclaw_protocol::Reconciled;
use exoclaw_sandbox::{CallError, Grants, Host, Limits, Permit, Plugin};
use serde_json::json;

use crate::guest::{Guest, call, permit, request, text};

/// Its `call` traps; its `reconcile` does what `body` says.
fn guest(body: &str) -> Plugin {
    let reconcile = format!(
        r#"(func (export "exoclaw:plugin/reconciler@0.1.0#reconcile") (param $tool i32) (param $tool_len i32)
             (param $arguments i32) (param $arguments_len i32) (param $id i32) (param $id_len i32)
             (param $key i32) (param $key_len i32) (param $agent i32) (param $agent_len i32)
             (param $session i32) (param $session_len i32) (param $deadline i64) (result i32) {body})"#
    );
    let world = "export exoclaw:plugin/reconciler@0.1.0;";
    Guest { world, functions: &reconcile, call: "unreachable", ..Guest::NONE }.load()
}

async fn asked(body: &str) -> Reconciled {
    let plugin = guest(body);
    assert!(plugin.can_reconcile());
    let asked = plugin.reconcile(&permit(&plugin), request(json!({})), Host::default()).await;
    assert!(asked.detail.is_none(), "{:?}", asked.detail);
    assert!(asked.metering.fuel > 0 && asked.metering.wall_us > 0, "{:?}", asked.metering);
    asked.outcome
}

#[tokio::test]
async fn the_plugin_is_asked_with_the_key_of_the_call() {
    let Reconciled::Happened(output) = asked("(call $text (local.get $key) (local.get $key_len))").await else {
        panic!("it happened")
    };
    assert_eq!(output, exoclaw_protocol::ToolOutput::text("key-1"));
}

#[tokio::test]
async fn each_answer_is_told() {
    assert_eq!(asked("(i32.store8 (i32.const 32) (i32.const 1)) (i32.const 32)").await, Reconciled::NotHappened);
    assert_eq!(asked("(i32.store8 (i32.const 32) (i32.const 2)) (i32.const 32)").await, Reconciled::Unknown);
}

#[tokio::test]
async fn a_plugin_that_cannot_say_is_not_asked() {
    let plugin = Guest { call: crate::guest::ECHO, ..Guest::NONE }.load();
    assert!(!plugin.can_reconcile());
    let asked = plugin.reconcile(&permit(&plugin), request(json!({})), Host::default()).await;
    assert!(matches!((asked.outcome, asked.detail), (Reconciled::Unknown, None)));
    assert_eq!(text(&call(&plugin, &Limits::default()).await), "{}");
}

#[tokio::test]
async fn asking_is_under_the_limits_of_a_call() {
    let plugin = guest("(loop $on (br $on)) unreachable");
    let limits = Limits { time: Duration::from_millis(30), ..Limits::default() };
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &limits).unwrap();
    let asked = plugin.reconcile(&permit, request(json!({})), Host::default()).await;
    assert_eq!(asked.outcome, Reconciled::Unknown);
    assert!(matches!(asked.detail, Some(CallError::TimedOut { .. })), "{:?}", asked.detail);
}
