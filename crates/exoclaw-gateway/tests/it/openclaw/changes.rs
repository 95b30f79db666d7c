//! What subscribers are told of sessions.

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::openclaw::Version;
use serde_json::{Value, json};

use super::Claw;
use crate::support::World;

impl Claw {
    /// What the next change is called, of which session, and its row.
    async fn change(&mut self) -> (String, String, Value) {
        let event = self.event_named("sessions.changed").await;
        let payload = &event["payload"];
        let called = payload["reason"].as_str().or(payload["phase"].as_str()).unwrap().to_owned();
        (called, payload["sessionKey"].as_str().unwrap().to_owned(), payload["session"].clone())
    }
}

#[tokio::test]
async fn changes_of_all_sessions_are_told_to_those_who_asked() {
    let world = World::start().await;
    let mut watcher = Claw::connect(&world, Version::V4).await;
    let mut other = Claw::connect(&world, Version::V4).await;
    watcher.call("sessions.subscribe", json!({})).await;
    world.script.answer(Answer::text(["hello"]));
    other.call("chat.send", json!({ "sessionKey": "one", "message": "hi", "idempotencyKey": "k1" })).await;
    other.chats_until("final").await;
    let one = "agent:main:one".to_owned();
    let (called, session, row) = watcher.change().await;
    assert_eq!((called.as_str(), &session, &row["key"]), ("send", &one, &json!(one)));
    assert_eq!(watcher.change().await.0, "end");
    other.call("sessions.patch", json!({ "key": "one", "label": "Trip" })).await;
    let (called, _, row) = watcher.change().await;
    assert_eq!((called.as_str(), &row["label"]), ("patch", &json!("Trip")));
    other.call("chat.inject", json!({ "sessionKey": "one", "message": "note" })).await;
    assert_eq!(watcher.change().await.0, "inject");
    other.call("sessions.compact", json!({ "key": "one", "maxLines": 1 })).await;
    other.call("sessions.reset", json!({ "key": "one" })).await;
    assert_eq!(watcher.change().await.0, "reset");
    other.call("sessions.delete", json!({ "key": "one" })).await;
    let (called, session, row) = watcher.change().await;
    assert_eq!((called.as_str(), session, row), ("delete", one, Value::Null));

    watcher.call("sessions.unsubscribe", json!({})).await;
    other.call("sessions.patch", json!({ "key": "one", "label": "Trip" })).await;
    watcher.call("health", json!({})).await;
    let told = |claw: &Claw| claw.events.iter().any(|event| event["event"] == "sessions.changed");
    assert!(!told(&watcher) && !told(&other), "{:?} {:?}", watcher.events, other.events);
}

#[tokio::test]
async fn messages_of_a_session_are_told_once_each() {
    let world = World::start().await;
    let mut watcher = Claw::connect(&world, Version::V4).await;
    let mut other = Claw::connect(&world, Version::V4).await;
    watcher.call("sessions.messages.subscribe", json!({ "key": "one" })).await;
    for (session, text) in [("two", "elsewhere"), ("one", "hi")] {
        world.script.answer(Answer::text(["hello"]));
        let key = format!("k-{session}");
        other.call("chat.send", json!({ "sessionKey": session, "message": text, "idempotencyKey": key })).await;
        other.chats_until("final").await;
    }
    let asked = watcher.event_named("session.message").await["payload"].clone();
    let answered = watcher.event_named("session.message").await["payload"].clone();
    assert_eq!((&asked["sessionKey"], &asked["message"]["content"]), (&json!("agent:main:one"), &json!("hi")));
    assert_eq!(answered["message"]["content"][0]["text"], "hello");
    assert_ne!(asked["messageId"], answered["messageId"]);
    assert!(answered["messageSeq"].as_u64() > asked["messageSeq"].as_u64());
    assert!(!other.events.iter().any(|event| event["event"] == "session.message"));

    watcher.chats_until("final").await;
    watcher.call("sessions.messages.unsubscribe", json!({ "key": "one" })).await;
    world.script.answer(Answer::text(["again"]));
    other.call("chat.send", json!({ "sessionKey": "one", "message": "more", "idempotencyKey": "k3" })).await;
    loop {
        let event = watcher.event().await;
        assert_ne!(event["event"], "session.message", "{event}");
        if event["payload"]["state"] == "final" {
            break;
        }
    }
}
