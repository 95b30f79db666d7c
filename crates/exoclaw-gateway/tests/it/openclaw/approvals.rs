//! What clients ask before they do something elsewhere, as they were recorded to.

use exoclaw_protocol::openclaw::Version;
use serde_json::{Value, json};

use super::{BOTH, Claw};
use crate::support::World;

fn asked() -> Value {
    json!({
        "command": "rm -rf /nothing", "cwd": "/tmp", "host": "gateway", "security": "allowlist", "ask": "always",
        "agentId": "main", "sessionKey": "agent:main:main", "timeoutMs": 10_000,
    })
}

fn approves(params: &mut Value) {
    params["scopes"] = json!(["operator.approvals"]);
}

/// Asks, and leaves the answer to come.
async fn begin(claw: &mut Claw, params: &Value) -> String {
    claw.begin("exec.approval.request", params).await
}

#[tokio::test]
async fn what_a_client_asks_is_answered_by_another() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        let mut approver = Claw::connect_with(&world, version, approves).await;
        for decision in ["allow-once", "deny"] {
            let request = begin(&mut claw, &asked()).await;
            let event = approver.event_named("exec.approval.requested").await["payload"].clone();
            let id = event["id"].as_str().unwrap().to_owned();
            let shown = json!({
                "command": "rm -rf /nothing", "cwd": "/tmp", "host": "gateway", "security": "allowlist", "ask": "always",
                "agentId": "main", "sessionKey": "agent:main:main",
            });
            assert_eq!(event["request"], shown);
            let lives = event["expiresAtMs"].as_u64().unwrap() - event["createdAtMs"].as_u64().unwrap();
            assert_eq!(lives, 10_000);
            let resolved = approver.call("exec.approval.resolve", json!({ "id": id, "decision": decision })).await;
            assert_eq!(resolved, json!({ "ok": true }));
            let told = approver.event_named("exec.approval.resolved").await["payload"].clone();
            assert_eq!((&told["id"], &told["decision"]), (&event["id"], &json!(decision)));
            let answer = claw.response(&request).await["payload"].clone();
            let times = (&answer["createdAtMs"], &answer["expiresAtMs"]);
            assert_eq!(times, (&event["createdAtMs"], &event["expiresAtMs"]));
            assert_eq!(answer["decision"], decision, "{answer}");
            let again = approver.refused("exec.approval.resolve", json!({ "id": id, "decision": decision })).await;
            assert_eq!(again.1, "unknown or expired approval id");
        }
    }
}

#[tokio::test]
async fn the_two_phases_of_a_question_may_come_from_two_connections() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    let mut params = asked();
    params["twoPhase"] = true.into();
    params["id"] = "my own name".into();
    params["env"] = json!({ "KEY": "a secret" });
    let request = begin(&mut claw, &params).await;
    let accepted = claw.response(&request).await["payload"].clone();
    assert_eq!((&accepted["status"], &accepted["id"]), (&json!("accepted"), &json!("my own name")));
    let mut other = Claw::connect(&world, Version::V4).await;
    let taken = other.refused("exec.approval.request", params.clone()).await;
    assert_eq!(taken.1, "an approval of that name waits already");

    let waits = other.begin("exec.approval.waitDecision", &json!({ "id": "my own name" })).await;
    let mut approver = Claw::connect_with(&world, Version::V4, approves).await;
    let list = approver.call("exec.approval.list", json!({})).await;
    assert_eq!(list[0]["request"]["envKeys"], json!(["KEY"]), "{list}");
    assert!(!list.to_string().contains("a secret"), "{list}");
    approver.call("exec.approval.resolve", json!({ "id": "my own name", "decision": "allow-once" })).await;
    let times = (&accepted["createdAtMs"], &accepted["expiresAtMs"]);
    let answers = [claw.response(&request).await, other.response(&waits).await];
    for answer in answers.map(|answer| answer["payload"].clone()) {
        assert_eq!((&answer["id"], &answer["decision"]), (&json!("my own name"), &json!("allow-once")), "{answer}");
        assert_eq!((&answer["createdAtMs"], &answer["expiresAtMs"]), times);
    }
    // Whoever asks late is told, too.
    let late = other.call("exec.approval.waitDecision", json!({ "id": list[0]["id"] })).await;
    assert_eq!(late["decision"], "allow-once");
    let (code, text) = other.refused("exec.approval.waitDecision", json!({ "id": "another" })).await;
    assert_eq!((code.as_str(), text.as_str()), ("APPROVAL_NOT_FOUND", "approval expired or not found"));
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_answered_with_nothing() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        let mut params = asked();
        params["timeoutMs"] = 50.into();
        let request = begin(&mut claw, &params).await;
        claw.event_named("exec.approval.requested").await;
        // The clock of the gateway stands still until then.
        world.clock.passed_ms.fetch_add(50, std::sync::atomic::Ordering::Relaxed);
        let answer = claw.response(&request).await;
        assert_eq!((&answer["ok"], &answer["payload"]["decision"]), (&json!(true), &Value::Null), "{answer}");
    }
}

#[tokio::test]
async fn what_can_not_be_asked_is_refused() {
    let world = World::start().await;
    let mut reader =
        Claw::connect_with(&world, Version::V4, |params| params["scopes"] = json!(["operator.read"])).await;
    for method in ["exec.approval.request", "exec.approval.waitDecision"] {
        assert_eq!(reader.refused(method, asked()).await.1, "missing scope: operator.approvals");
    }
    let mut claw = Claw::connect(&world, Version::V4).await;
    let wrong = [
        (json!({}), "must have required property 'command'"),
        (json!({ "command": "x", "approvalReviewerDeviceIds": ["d"] }), "approvalReviewerDeviceIds"),
        (json!({ "command": "x", "agentId": "nobody" }), "nobody"),
        (json!({ "command": "x".repeat(70_000) }), "64 KiB"),
    ];
    for (params, reason) in wrong {
        let (code, text) = claw.refused("exec.approval.request", params).await;
        assert_eq!(code, "INVALID_REQUEST");
        assert!(text.contains(reason), "{text}");
    }
    assert_eq!(claw.call("exec.approval.list", json!({})).await, json!([]));
}
