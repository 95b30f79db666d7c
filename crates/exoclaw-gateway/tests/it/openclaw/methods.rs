//! What clients ask at load.

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::openclaw::Version;
use serde_json::json;

use super::{BOTH, Claw};
use crate::support::World;

#[tokio::test]
async fn what_is_asked_at_load_is_answered() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        let health = claw.call("health", json!({})).await;
        assert_eq!((&health["ok"], &health["defaultAgentId"]), (&json!(true), &json!("main")));
        assert!(claw.call("status", json!({})).await["sessions"]["count"].is_u64());
        let agents = claw.call("agents.list", json!({})).await;
        assert_eq!((&agents["defaultId"], &agents["agents"][0]["id"]), (&json!("main"), &json!("main")));
        assert_eq!(claw.call("models.list", json!({})).await["models"][0]["id"], "model-1");
        assert_eq!(claw.call("channels.status", json!({})).await["channelOrder"], json!([]));
        assert!(!claw.call("system-presence", json!({})).await.as_array().unwrap().is_empty());
        assert_eq!(claw.call("node.list", json!({})).await["nodes"], json!([]));
        assert!(claw.call("last-heartbeat", json!({})).await.is_null());
        assert_eq!(claw.call("agent.identity.get", json!({})).await["agentId"], "main");
        let (code, message) = claw.refused("agent.identity.get", json!({ "agentId": "nobody" })).await;
        assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", "unknown agent id \"nobody\""));
        let (code, message) = claw.refused("no.such.method", json!({})).await;
        assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", "unknown method: no.such.method"));
        let (_, message) = claw.refused("connect", json!({})).await;
        assert_eq!(message, "connect is only valid as the first request");
    }
}

#[tokio::test]
async fn sessions_are_listed_and_shown() {
    let world = World::start().await;
    world.script.answer(Answer::text(["hello"]));
    let mut claw = Claw::connect(&world, Version::V4).await;
    claw.call("chat.send", json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "k1" })).await;
    claw.chats_until("final").await;
    let list = claw.call("sessions.list", json!({ "limit": 10 })).await;
    assert_eq!((&list["count"], &list["sessions"][0]["key"]), (&json!(1), &json!("agent:main:main")));
    let none = claw.call("sessions.list", json!({ "search": "elsewhere" })).await;
    assert_eq!(none["count"], 0);
    let preview = claw.call("sessions.preview", json!({ "keys": ["main", "nothing", "agent:nobody:x"] })).await;
    let items = json!([{ "role": "user", "text": "hi" }, { "role": "assistant", "text": "hello" }]);
    assert_eq!(preview["previews"][0]["items"], items);
    assert_eq!(preview["previews"][1]["status"], "missing");
    assert_eq!(preview["previews"][2]["status"], "missing");
    let described = claw.call("sessions.describe", json!({ "key": "main" })).await;
    assert_eq!(described["session"]["sessionId"], list["sessions"][0]["sessionId"]);
    assert!(claw.call("sessions.describe", json!({ "key": "nothing" })).await["session"].is_null());
    assert_eq!(claw.call("sessions.get", json!({ "key": "main" })).await["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_said_is_found() {
    let world = World::start().await;
    world.script.answer(Answer::text(["beside the bakery"]));
    let mut claw = Claw::connect(&world, Version::V4).await;
    claw.call("chat.send", json!({ "sessionKey": "main", "message": "Café?", "idempotencyKey": "k1" })).await;
    claw.chats_until("final").await;
    let found = claw.call("sessions.search", json!({ "query": "cafe", "sessionKeys": ["main"], "limit": 25 })).await;
    let id = &claw.call("sessions.list", json!({})).await["sessions"][0]["sessionId"];
    let hit = &found["results"][0];
    assert_eq!((&hit["sessionKey"], &hit["sessionId"]), (&json!("agent:main:main"), id));
    assert_eq!((&hit["role"], &hit["snippet"], &hit["score"]), (&json!("user"), &json!("Café?"), &json!(1)));
    assert!(hit["messageId"].as_str().unwrap().ends_with(":user") && hit["timestamp"].is_u64(), "{hit}");
    assert_eq!((found["results"].as_array().unwrap().len(), &found["truncated"]), (1, &json!(false)));
    let found = claw.call("sessions.search", json!({ "query": "NEAR(\"bakery", "agentId": "main" })).await;
    assert_eq!(found["results"], json!([]));
    let one = claw.call("sessions.search", json!({ "query": "beside bak", "limit": 1 })).await;
    assert_eq!((&one["results"][0]["role"], &one["truncated"]), (&json!("assistant"), &json!(true)));
    let (code, _) = claw.refused("sessions.search", json!({ "query": "" })).await;
    assert_eq!(code, "INVALID_REQUEST");
    let (_, message) = Claw::connect(&world, Version::V3).await.refused("sessions.search", json!({})).await;
    assert_eq!(message, "unknown method: sessions.search");
}

#[tokio::test]
async fn sessions_are_set_reset_and_deleted() {
    let world = World::start().await;
    for version in BOTH {
        let name = format!("v{}", version.number());
        let mut claw = Claw::connect(&world, version).await;
        world.script.answer(Answer::text(["one"]));
        claw.call("chat.send", json!({ "sessionKey": name, "message": "first", "idempotencyKey": "k1" })).await;
        claw.chats_until("final").await;
        let patch = json!({ "key": name, "label": "Trip", "thinkingLevel": "high", "sendPolicy": "deny" });
        let patched = claw.call("sessions.patch", patch).await;
        assert_eq!(patched["key"], format!("agent:main:{name}"));
        assert_eq!((&patched["entry"]["label"], &patched["entry"]["thinkingLevel"]), (&json!("Trip"), &json!("high")));
        assert_eq!(claw.call("sessions.resolve", json!({ "label": "Trip" })).await["key"], patched["key"]);
        let denied = json!({ "sessionKey": name, "message": "second", "idempotencyKey": "k2" });
        let (_, message) = claw.refused("chat.send", denied).await;
        assert!(message.contains("no messages") || message.contains("policy"), "{message}");
        let cleared = json!({ "key": name, "label": null, "thinkingLevel": null, "sendPolicy": null });
        assert!(claw.call("sessions.patch", cleared).await["entry"].get("label").is_none());
        let (_, message) = claw.refused("sessions.patch", json!({ "key": name, "thinkingLevel": "a lot" })).await;
        assert_eq!(message, "invalid thinkingLevel (use off|minimal|low|medium|high)");

        let before = claw.call("sessions.list", json!({ "search": name })).await["sessions"][0]["sessionId"].clone();
        let reset = claw.call("sessions.reset", json!({ "key": name })).await;
        assert_ne!(reset["entry"]["sessionId"], before);
        assert_eq!(claw.call("chat.history", json!({ "sessionKey": name })).await["messages"], json!([]));
        assert_eq!(claw.call("sessions.delete", json!({ "key": name })).await["deleted"], true);
        assert_eq!(claw.call("sessions.list", json!({ "search": name })).await["count"], 0);
        let (_, message) = claw.refused("sessions.delete", json!({ "key": "main" })).await;
        assert_eq!(message, "Cannot delete the main session (agent:main:main).");
    }
}

#[tokio::test]
async fn a_session_is_made_with_its_first_message() {
    let world = World::start().await;
    world.script.answer(Answer::text(["hello"]));
    let mut claw = Claw::connect(&world, Version::V4).await;
    let create = json!({ "label": "Plans", "message": "hi", "idempotencyKey": "k" });
    let created = claw.call("sessions.create", create).await;
    assert_eq!((&created["runStarted"], &created["runId"]), (&json!(true), &json!("k")), "{created}");
    claw.chats_until("final").await;
    let listed = claw.call("sessions.list", json!({ "label": "Plans" })).await;
    assert_eq!(listed["sessions"][0]["key"], created["key"]);
    assert_eq!(listed["sessions"][0]["derivedTitle"], "hi");
    // Whoever may only talk sets nothing.
    let writer = |params: &mut serde_json::Value| params["scopes"] = json!(["operator.write"]);
    let mut writer = Claw::connect_with(&world, Version::V4, writer).await;
    let (_, message) = writer.refused("sessions.create", json!({ "label": "Mine" })).await;
    assert_eq!(message, "missing scope: operator.admin");
}
