use std::time::Duration;

use exoclaw_agent::test_util::Answer;
use serde_json::json;
use tokio::sync::oneshot;

use crate::support::World;

/// An answer that says "one", waits for the test, and says "two".
pub(crate) fn in_two_parts() -> (Answer, oneshot::Sender<()>) {
    let (go_on, wait) = oneshot::channel::<()>();
    let wait = async { drop(wait.await) };
    (Answer::text(["one"]).and_wait(wait).and_text(["two"]), go_on)
}

#[tokio::test]
async fn whoever_sends_gets_the_events_after_the_answer() {
    let world = World::start().await;
    world.script.answer(Answer::text(["a", "b"]).usage(3, 2));
    let mut socket = world.client().await;
    let params = r#"{"text":"hi"}"#;
    let sent = socket.ask(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"chat.send","params":{params}}}"#)).await;
    let sent = &sent["result"];
    assert_eq!((sent["session"].as_str(), sent["status"].as_str()), (Some("agent:main:main"), Some("started")));
    let mut seq = sent["seq"].as_u64().unwrap();
    let mut types = Vec::new();
    while types.last() != Some(&"final".to_owned()) {
        let event = socket.next().await;
        let params = &event["params"];
        seq += 1;
        assert_eq!((&params["runId"], &params["epoch"], &params["seq"]), (&sent["runId"], &sent["epoch"], &json!(seq)));
        types.push(params["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(types.first().map(String::as_str), Some("accepted"));
    assert!(types.contains(&"delta".to_owned()), "{types:?}");
}

/// The second send finds the session followed already: its events are held back until it is answered.
#[tokio::test]
async fn the_answer_comes_before_the_first_event_of_its_run_every_time() {
    let world = World::start().await;
    let mut socket = world.client().await;
    for round in 0..200 {
        world.script.answer(Answer::text(["x"]));
        let request = json!({ "jsonrpc": "2.0", "id": round, "method": "chat.send", "params": { "text": "hi" } });
        let first = socket.ask(&request.to_string()).await;
        assert_eq!(first["id"], round, "{first}");
        socket.events_until("final").await;
    }
}

#[tokio::test]
async fn two_sockets_see_the_same_events() {
    let world = World::start().await;
    world.script.answer(Answer::text(["a", "b", "c"]));
    let (mut sender, mut watcher) = (world.client().await, world.client().await);
    watcher.ask(r#"{"jsonrpc":"2.0","id":1,"method":"session.subscribe","params":{"session":"main"}}"#).await;
    sender.send("main", "hi").await;
    let seen = sender.events_until("final").await;
    assert_eq!(watcher.events_until("final").await, seen);
}

#[tokio::test]
async fn a_socket_that_closes_cancels_nothing() {
    let world = World::start().await;
    let (answer, go_on) = in_two_parts();
    world.script.answer(answer);
    let mut socket = world.client().await;
    let sent = socket.send("main", "hi").await;
    socket.events_until("delta").await;
    drop(socket);

    let mut socket = world.client().await;
    let params = json!({ "session": "main", "epoch": sent["epoch"], "seq": sent["seq"] });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.subscribe", "params": params });
    let resumed = socket.ask(&request.to_string()).await;
    assert_eq!(resumed["result"]["recovered"], true, "{resumed}");
    go_on.send(()).unwrap();
    let types = socket.events_until("final").await;
    assert_eq!(types.first().map(String::as_str), Some("accepted"), "from the place that was named: {types:?}");
}

#[tokio::test]
async fn the_end_of_a_run_is_told_before_the_daemon_stops() {
    let world = World::start().await;
    let (answer, go_on) = in_two_parts();
    world.script.answer(answer);
    let mut socket = world.client().await;
    socket.send("main", "hi").await;
    socket.events_until("delta").await;
    let end = async {
        go_on.send(()).unwrap();
        let types = socket.events_until("final").await;
        (types, socket.closed().await)
    };
    let ((_, closed), stopped) = tokio::join!(end, world.runtime.shutdown(Duration::from_secs(30)));
    assert_eq!(closed, (1012, "the daemon is stopping".to_owned()));
    assert!(stopped, "nothing had to be torn down");
    world.served.await.unwrap();
}

#[tokio::test]
async fn the_quietest_session_makes_room_and_the_client_is_told() {
    let world = World::start().await;
    let mut socket = world.client().await;
    for n in 0..=exoclaw_protocol::limits::SUBSCRIPTIONS {
        world.script.answer(Answer::text(["x"]));
        let sent = socket.send(&format!("s{n}"), "hi").await;
        assert_eq!(sent["session"], format!("agent:main:s{n}"));
        if n < exoclaw_protocol::limits::SUBSCRIPTIONS {
            socket.events_until("final").await;
        }
    }
    let told = socket.next().await;
    let params = json!({ "session": "agent:main:s0" });
    assert_eq!(told, json!({ "jsonrpc": "2.0", "method": "session.unsubscribed", "params": params }));
    socket.events_until("final").await;
}
