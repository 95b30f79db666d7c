//! Messages, their answers, and stopping them.

use std::collections::BTreeSet;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::openclaw::Version;
use exoclaw_store::Store;
use serde_json::{Value, json};

use super::{BOTH, Claw};
use crate::{chat::in_two_parts, support::World};

fn send(session: &str, message: &str, key: &str) -> Value {
    json!({ "sessionKey": session, "message": message, "idempotencyKey": key })
}

fn said(chat: &Value) -> &str {
    chat["message"]["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn an_answer_grows_and_ends() {
    let world = World::start().await;
    for version in BOTH {
        let session = format!("v{}", version.number());
        let mut claw = Claw::connect(&world, version).await;
        world.script.answer(Answer::text(["one", " two"]).usage(3, 2));
        let sent = claw.call("chat.send", send(&session, "hi", "key-1")).await;
        assert_eq!(sent, json!({ "runId": "key-1", "status": "started" }));
        let chats = claw.chats_until("final").await;
        let (last, deltas) = chats.split_last().unwrap();
        assert_eq!(said(last), "one two");
        assert_eq!(said(deltas.last().unwrap()), "one two");
        let whole = format!("agent:main:{session}");
        for chat in &chats {
            // Version 3 hears the session as it named it, version 4 in full.
            let (key, agent) = match version {
                Version::V3 => (json!(session), Value::Null),
                Version::V4 => (json!(whole), json!("main")),
            };
            assert_eq!((&chat["runId"], &chat["sessionKey"], &chat["agentId"]), (&json!("key-1"), &key, &agent));
        }
        let told: String = deltas.iter().flat_map(|delta| delta["deltaText"].as_str()).collect();
        assert_eq!(told, if version == Version::V3 { "" } else { "one two" });
        let history = claw.call("chat.history", json!({ "sessionKey": session })).await;
        let texts: Vec<&str> =
            history["messages"].as_array().unwrap().iter().flat_map(|m| m["content"][0]["text"].as_str()).collect();
        assert_eq!(texts, ["hi", "one two"]);
        assert_eq!(history["sessionKey"], session);
    }
}

#[tokio::test]
async fn frames_are_numbered_and_runs_are_told_in_order() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    world.script.answer(Answer::text(["a", "b"]));
    claw.call("chat.send", send("main", "hi", "k")).await;
    let (mut frames, mut steps) = (Vec::new(), Vec::new());
    loop {
        let event = claw.event().await;
        frames.push(event["seq"].as_u64().unwrap());
        if event["event"] == "agent" {
            steps.push(event["payload"]["seq"].as_u64().unwrap());
        }
        if event["payload"]["state"] == "final" {
            break;
        }
    }
    assert_eq!(frames, (1..=frames.len() as u64).collect::<Vec<_>>());
    assert_eq!(steps, (1..=steps.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_key_is_sent_once_whatever_is_asked() {
    let world = World::start().await;
    for version in BOTH {
        let session = format!("v{}", version.number());
        let mut claw = Claw::connect(&world, version).await;
        let (answer, go_on) = in_two_parts();
        world.script.answer(answer);
        assert_eq!(claw.call("chat.send", send(&session, "hi", "k")).await["status"], "started");
        assert_eq!(claw.call("chat.send", send(&session, "hi", "k")).await["status"], "in_flight");
        let (code, _) = claw.refused("chat.send", send(&session, "something else", "k")).await;
        assert_eq!(code, "INVALID_REQUEST");
        go_on.send(()).unwrap();
        claw.chats_until("final").await;
        assert_eq!(claw.call("chat.send", send(&session, "hi", "k")).await, json!({ "runId": "k", "status": "ok" }));
    }
}

#[tokio::test]
async fn an_answer_is_delivered_nowhere_else() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        for (method, to) in [("chat.send", json!({ "sessionKey": "main" })), ("agent", json!({}))] {
            let mut params = to;
            (params["message"], params["deliver"], params["idempotencyKey"]) = ("hi".into(), true.into(), "k".into());
            let (code, message) = claw.refused(method, params).await;
            assert!(code == "INVALID_REQUEST" && message.starts_with("deliver: "), "{message}");
        }
    }
    assert_eq!(world.store.session_count().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_under_way_is_stopped() {
    let world = World::start().await;
    for version in BOTH {
        let session = format!("v{}", version.number());
        let mut claw = Claw::connect(&world, version).await;
        let mut other = Claw::connect(&world, version).await;
        for (round, by_word) in [false, true].into_iter().enumerate() {
            let run = format!("run-{round}");
            world.script.answer(Answer::text(["partial"]).then_never());
            claw.call("chat.send", send(&session, "hi", &run)).await;
            claw.chats_until("delta").await;
            let unknown = json!({ "sessionKey": session, "runId": "no such run" });
            let nothing = json!({ "ok": true, "aborted": false, "runIds": [] });
            assert_eq!(claw.call("chat.abort", unknown).await, nothing);
            let elsewhere = json!({ "sessionKey": "elsewhere", "runId": run });
            let (code, message) = claw.refused("chat.abort", elsewhere).await;
            assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", "runId does not match sessionKey"));
            let stopped = if by_word {
                claw.call("chat.send", send(&session, " /Stop ", "stop")).await
            } else {
                // Another connection knows the run by its key as well.
                other.call("chat.abort", json!({ "sessionKey": session, "runId": run })).await
            };
            assert_eq!((&stopped["ok"], &stopped["aborted"]), (&json!(true), &json!(true)), "{stopped}");
            let last = claw.chats_until("aborted").await.pop().unwrap();
            assert_eq!(last["runId"], run);
            let again = json!({ "sessionKey": session, "runId": run });
            assert_eq!(claw.call("chat.abort", again).await["aborted"], false);
        }
    }
}

#[tokio::test]
async fn all_runs_of_a_session_are_stopped_and_say_nothing_more() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    world.script.answer(Answer::text(["partial"]).then_never());
    claw.call("chat.send", send("main", "first", "a")).await;
    claw.chats_until("delta").await;
    claw.call("chat.send", send("main", "second", "b")).await;
    let stopped = claw.call("chat.abort", json!({ "sessionKey": "main" })).await;
    let names: BTreeSet<&str> = stopped["runIds"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    assert_eq!(names, BTreeSet::from(["a", "b"]));
    world.script.answer(Answer::text(["done"]));
    claw.call("chat.send", send("main", "third", "c")).await;
    let chats = claw.chats_until("final").await;
    let mut ended = BTreeSet::new();
    for chat in chats {
        let run = chat["runId"].as_str().unwrap().to_owned();
        assert!(!ended.contains(&run), "{chat} came after the end of its run");
        if chat["state"] != "delta" {
            ended.insert(run);
        }
    }
    assert_eq!(ended.len(), 3, "{ended:?}");
}

#[tokio::test]
async fn an_agent_is_answered_twice() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        let session = format!("v{}", version.number());
        world.script.answer(Answer::text(["done"]));
        let params = json!({ "message": "do it", "sessionKey": session, "idempotencyKey": "agent-1" });
        claw.socket.text(&super::request("a", "agent", &params)).await;
        let accepted = claw.response("a").await;
        assert_eq!((&accepted["ok"], &accepted["payload"]["status"]), (&json!(true), &json!("accepted")));
        let done = claw.response("a").await;
        assert_eq!(done["payload"]["status"], "ok", "{done}");
        assert_eq!(done["payload"]["result"]["payloads"][0]["text"], "done");
        assert_eq!(done["payload"]["runId"], "agent-1");
    }
}

#[tokio::test]
async fn whoever_comes_later_is_told_the_whole_answer() {
    let world = World::start().await;
    let (answer, go_on) = in_two_parts();
    world.script.answer(answer);
    let mut sender = Claw::connect(&world, Version::V4).await;
    sender.call("chat.send", send("main", "hi", "k")).await;
    sender.chats_until("delta").await;
    let mut late = Claw::connect(&world, Version::V4).await;
    let history = late.call("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(history["inFlightRun"]["text"], "one", "{history}");
    go_on.send(()).unwrap();
    let chats = late.chats_until("final").await;
    let delta = chats.iter().find(|chat| chat["state"] == "delta").unwrap();
    assert_eq!((said(delta), &delta["deltaText"]), ("onetwo", &json!("two")));
    assert_eq!(said(chats.last().unwrap()), "onetwo");
}

#[tokio::test]
async fn what_a_model_failed_at_is_told_as_an_error() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    world.script.answer(Answer::error(exoclaw_agent::ProviderErrorKind::Auth, "bad key"));
    claw.call("chat.send", send("main", "hi", "k")).await;
    let last = claw.chats_until("error").await.pop().unwrap();
    assert!(last["errorMessage"].as_str().is_some_and(|message| !message.is_empty()), "{last}");
    let again = claw.ask("chat.send", send("main", "hi", "k")).await;
    assert_eq!((&again["ok"], &again["payload"]["status"]), (&json!(false), &json!("error")), "{again}");
    assert_eq!(again["error"]["code"], "UNAVAILABLE");
}

#[tokio::test]
async fn histories_have_bounds_and_say_what_is_wrong() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V3).await;
    let (_, message) = claw.refused("chat.history", json!({ "sessionKey": "main", "limit": 100_000 })).await;
    assert_eq!(message, "invalid chat.history params: at /limit: must be <= 1000");
    let empty = claw.call("chat.history", json!({ "sessionKey": "nosuch" })).await;
    assert_eq!((&empty["messages"], empty.get("sessionId")), (&json!([]), None));
    let (_, message) = claw.refused("chat.send", json!({ "sessionKey": "main" })).await;
    let missing = "must have required property 'message'; must have required property 'idempotencyKey'";
    assert_eq!(message, format!("invalid chat.send params: {missing}"));
}

#[tokio::test]
async fn long_texts_of_a_history_are_cut() {
    let world = World::start().await;
    world.script.answer(Answer::text(["é".repeat(9_000)])).answer(Answer::text(["b".repeat(200_000)]));
    let mut claw = Claw::connect(&world, Version::V4).await;
    for key in ["a", "b"] {
        claw.call("chat.send", send("main", key, key)).await;
        claw.chats_until("final").await;
    }
    let texts = |history: serde_json::Value| {
        let text = |message: &serde_json::Value| message["content"][0]["text"].as_str().unwrap().to_owned();
        history["messages"].as_array().unwrap().iter().map(text).collect::<Vec<_>>()
    };
    let cut = |text: &str, times| text.repeat(times) + "\n...(truncated)...";
    let told = texts(claw.call("chat.history", json!({ "sessionKey": "main" })).await);
    assert_eq!(told, ["a".into(), cut("é", 8_000), "b".into(), cut("b", 8_000)]);
    let told = texts(claw.call("chat.startup", json!({ "sessionKey": "main", "maxChars": 5 })).await);
    assert_eq!(told, ["a".into(), cut("é", 5), "b".into(), cut("b", 5)]);
    let told = texts(claw.call("chat.history", json!({ "sessionKey": "main", "maxChars": 500_000 })).await);
    assert_eq!(told[1..3], ["é".repeat(9_000), "b".into()]);
    assert_eq!(told[3], "[chat.history omitted: message too large]");
    let mut older = Claw::connect(&world, Version::V3).await;
    let told = texts(older.call("chat.history", json!({ "sessionKey": "main" })).await);
    assert_eq!(told[3].len(), 200_000);
}

#[tokio::test]
async fn a_page_bounds_the_bytes_of_its_history() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    for text in ["first", "second"] {
        claw.call("chat.inject", json!({ "sessionKey": "main", "message": text.repeat(200) })).await;
    }
    for method in ["chat.history", "chat.startup"] {
        let all = claw.call(method, json!({ "sessionKey": "main" })).await;
        assert_eq!(all["messages"].as_array().unwrap().len(), 2, "{all}");
        let bound = claw.call(method, json!({ "sessionKey": "main", "maxBytes": 1500 })).await;
        assert_eq!(bound["messages"].as_array().unwrap()[..], all["messages"].as_array().unwrap()[1..], "{bound}");
    }
}

#[tokio::test]
async fn a_run_is_waited_for() {
    let world = World::start().await;
    for version in BOTH {
        let session = format!("v{}", version.number());
        let mut claw = Claw::connect(&world, version).await;
        let (answer, go_on) = in_two_parts();
        world.script.answer(answer);
        claw.call("chat.send", send(&session, "hi", "k")).await;
        let pending = claw.call("agent.wait", json!({ "runId": "k", "timeoutMs": 1 })).await;
        assert_eq!(pending, json!({ "runId": "k", "status": "timeout" }));
        go_on.send(()).unwrap();
        let waited = claw.call("agent.wait", json!({ "runId": "k", "timeoutMs": 60_000 })).await;
        assert_eq!(waited["status"], "ok", "{waited}");
        assert!(waited["endedAt"].as_u64() >= waited["startedAt"].as_u64(), "{waited}");
        let unknown = claw.call("agent.wait", json!({ "runId": "no such run", "timeoutMs": 1 })).await;
        assert_eq!(unknown["status"], "timeout");
    }
}

#[tokio::test]
async fn what_is_injected_is_told_and_kept() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    claw.call("chat.history", json!({ "sessionKey": "main" })).await;
    let note = json!({ "sessionKey": "main", "message": "the door is open", "label": "sensor" });
    assert_eq!(claw.call("chat.inject", note).await["ok"], true);
    let told = claw.chats_until("final").await.pop().unwrap();
    assert_eq!((said(&told), &told["seq"]), ("[sensor]\n\nthe door is open", &json!(0)));
    let history = claw.call("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(history["messages"][0]["content"][0]["text"], "[sensor]\n\nthe door is open");
}

#[tokio::test]
async fn a_newer_message_takes_the_place_of_the_one_under_way() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    world.script.answer(Answer::text(["partial"]).then_never()).answer(Answer::text(["new"]));
    claw.call("chat.send", send("main", "first", "a")).await;
    claw.chats_until("delta").await;
    let mut newer = send("main", "second", "b");
    newer["queueMode"] = json!("interrupt");
    claw.call("chat.send", newer).await;
    let chats = claw.chats_until("final").await;
    let aborted = chats.iter().find(|chat| chat["state"] == "aborted").unwrap();
    assert_eq!((&aborted["runId"], &aborted["stopReason"]), (&json!("a"), &json!("interrupt")));
    assert_eq!(said(chats.last().unwrap()), "new");
}

#[tokio::test]
async fn texts_and_images_are_attached() {
    let world = World::start().await;
    world.script.answer(Answer::text(["seen"]));
    let mut claw = Claw::connect(&world, Version::V4).await;
    let mut message = send("main", "look", "k");
    message["attachments"] = json!([
        { "type": "file", "mimeType": "text/plain", "fileName": "notes.txt", "content": "bWlsaw==" },
        { "type": "image", "mimeType": "image/png", "fileName": "dot.png", "content": "data:image/png;base64,AAAA" },
    ]);
    claw.call("chat.send", message).await;
    claw.chats_until("final").await;
    let shown = format!("{:?}", world.script.requests()[0].messages);
    assert!(shown.contains("milk") && shown.contains("AAAA"), "{shown}");
    let mut wrong = send("main", "look", "k2");
    wrong["attachments"] = json!([{ "mimeType": "audio/wav", "fileName": "a.wav", "content": "/w==" }]);
    let (code, message) = claw.refused("chat.send", wrong).await;
    assert_eq!(code, "INVALID_REQUEST");
    assert!(message.contains("a.wav"), "{message}");
}
