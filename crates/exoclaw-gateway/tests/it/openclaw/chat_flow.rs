//! The steps of a chat that their gateway's own test takes, in its order, in version 3; the bytes of a history are for a page of version 4 to bound.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ChatSendParams, Origin, openclaw::Version};
use exoclaw_store::Record;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Claw, request};
use crate::{
    chat::in_two_parts,
    support::{World, store::Fault},
};

/// Bytes of the longest history that it is asked for.
const CAP: usize = 192 * 1024;

impl Claw {
    async fn say(&mut self, message: &str, key: &str) -> Value {
        self.call("chat.send", json!({ "sessionKey": "main", "message": message, "idempotencyKey": key })).await
    }

    async fn stop(&mut self, run: Option<&str>) -> Value {
        let mut params = json!({ "sessionKey": "main" });
        if let Some(run) = run {
            params["runId"] = run.into();
        }
        self.call("chat.abort", params).await
    }
}

fn stopped(runs: &[&str]) -> Value {
    json!({ "ok": true, "aborted": !runs.is_empty(), "runIds": runs })
}

fn started(key: &str) -> Value {
    json!({ "runId": key, "status": "started" })
}

#[tokio::test]
async fn a_chat_goes_step_by_step() {
    let (world, store) = World::with_faults().await;
    let mut claw = Claw::connect(&world, Version::V3).await;
    let hang = || world.script.answer(Answer::text(["partial"]).then_never());

    // A long history is capped from the front.
    for at in 0..60 {
        claw.call("chat.inject", json!({ "sessionKey": "main", "message": format!("{at:02}{}", "x".repeat(4_000)) }))
            .await;
    }
    let mut page = Claw::connect(&world, Version::V4).await;
    let history = page.call("chat.history", json!({ "sessionKey": "main", "limit": 1_000, "maxBytes": CAP })).await;
    let messages = history["messages"].as_array().unwrap();
    assert!(
        serde_json::to_vec(messages).unwrap().len() <= CAP && (1..60).contains(&messages.len()),
        "{}",
        messages.len()
    );
    assert!(messages.last().unwrap()["content"][0]["text"].as_str().unwrap().starts_with("59"));
    claw.events.clear();

    // Who writes from a page leaves alone where the conversation came from.
    let origin = Origin { peer: Some("dm:U1".parse().unwrap()), ..Origin::channel("telegram") };
    let message = ChatSendParams { origin: Some(origin), text: Some("hi".to_owned()), ..ChatSendParams::default() };
    world.script.answer(Answer::text(["from there"])).answer(Answer::text(["from here"]));
    let session = world.runtime.send(message).await.unwrap().session;
    let here = json!({ "sessionKey": session, "message": "and here", "idempotencyKey": "here-1" });
    claw.call("chat.send", here).await;
    claw.chats_until("final").await;
    let listed = claw.call("sessions.list", json!({ "search": "U1" })).await;
    let row = &listed["sessions"][0];
    assert_eq!((&row["lastChannel"], &row["lastTo"]), (&json!("telegram"), &json!("U1")), "{listed}");
    claw.events.clear();

    // A run is stopped by its name.
    hang();
    assert_eq!(claw.say("hello", "by-name").await, started("by-name"));
    claw.chats_until("delta").await;
    assert_eq!(claw.stop(Some("by-name")).await, stopped(&["by-name"]));
    assert_eq!(claw.chats_until("aborted").await.pop().unwrap()["runId"], "by-name");

    // Also one whose message the store has not kept yet: neither is answered before it is.
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    store.on_append(move |record| matches!(record, Record::Accepted { .. }).then(|| Fault::Hold(held.clone())));
    hang();
    let slow = json!({ "sessionKey": "main", "message": "slow", "idempotencyKey": "while-slow" });
    claw.socket.text(&request("slow", "chat.send", &slow)).await;
    claw.socket.text(&request("stop", "chat.abort", &json!({ "sessionKey": "main", "runId": "while-slow" }))).await;
    gate.add_permits(1);
    assert_eq!(claw.response("slow").await["payload"], started("while-slow"));
    assert_eq!(claw.response("stop").await["payload"], stopped(&["while-slow"]));
    assert_eq!(claw.chats_until("aborted").await.pop().unwrap()["runId"], "while-slow");
    store.heal();

    // A word stops what is under way.
    hang();
    claw.say("hello", "by-word").await;
    claw.chats_until("delta").await;
    assert_eq!(claw.say("/stop", "the word").await, stopped(&["by-word"]));
    let last = claw.chats_until("aborted").await.pop().unwrap();
    assert_eq!((&last["runId"], &last["stopReason"]), (&json!("by-word"), &json!("stop")));

    // A key is started once: started, in flight, ok.
    let (answer, go_on) = in_two_parts();
    world.script.answer(answer);
    assert_eq!(claw.say("once", "key").await, started("key"));
    assert_eq!(claw.say("once", "key").await, json!({ "runId": "key", "status": "in_flight" }));
    go_on.send(()).unwrap();
    claw.chats_until("final").await;
    assert_eq!(claw.say("once", "key").await, json!({ "runId": "key", "status": "ok" }));

    // All runs are stopped, and nothing more is told of them.
    hang();
    claw.say("first", "all-1").await;
    claw.chats_until("delta").await;
    claw.say("second", "all-2").await;
    let all = claw.stop(None).await;
    assert_eq!((&all["aborted"], all["runIds"].as_array().map(Vec::len)), (&json!(true), Some(2)), "{all}");
    let mut ended = Vec::new();
    while ended.len() < 2 {
        ended.push(claw.chats_until("aborted").await.pop().unwrap()["runId"].clone());
    }
    world.script.answer(Answer::text(["after"]));
    claw.say("third", "after").await;
    for chat in claw.chats_until("final").await {
        assert_eq!(chat["runId"], "after", "{chat} came after all was stopped");
    }

    // A run that nobody knows is not stopped; one of another session is refused.
    assert_eq!(claw.stop(Some("missing-run")).await, stopped(&[]));
    hang();
    claw.say("hello", "here").await;
    claw.chats_until("delta").await;
    let elsewhere = json!({ "sessionKey": "other", "runId": "here" });
    let refused = claw.refused("chat.abort", elsewhere).await;
    assert_eq!(refused, ("INVALID_REQUEST".to_owned(), "runId does not match sessionKey".to_owned()));
    claw.stop(Some("here")).await;
    claw.chats_until("aborted").await;

    // One that has ended is left alone.
    world.script.answer(Answer::text(["done"]));
    claw.say("quick", "quick").await;
    claw.chats_until("final").await;
    assert_eq!(claw.stop(Some("quick")).await, stopped(&[]));

    // Two runs end in their order.
    world.script.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    claw.say("first", "order-1").await;
    claw.say("second", "order-2").await;
    let mut finals = Vec::new();
    while finals.len() < 2 {
        finals.push(claw.chats_until("final").await.pop().unwrap()["runId"].clone());
    }
    assert_eq!(finals, ["order-1", "order-2"]);
}
