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
    let preview = claw.call("sessions.preview", json!({ "keys": ["main", "empty", "agent:nobody:x"] })).await;
    let items = json!([{ "role": "user", "text": "hi" }, { "role": "assistant", "text": "hello" }]);
    assert_eq!(preview["previews"][0]["items"], items);
    assert_eq!(preview["previews"][1]["status"], "empty");
    assert_eq!(preview["previews"][2]["status"], "missing");
    let described = claw.call("sessions.describe", json!({ "key": "main" })).await;
    assert_eq!(described["session"]["sessionId"], list["sessions"][0]["sessionId"]);
    assert!(claw.call("sessions.describe", json!({ "key": "empty" })).await["session"].is_null());
    assert_eq!(claw.call("sessions.get", json!({ "key": "main" })).await["messages"].as_array().unwrap().len(), 2);
}
