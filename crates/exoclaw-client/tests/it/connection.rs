use std::time::Duration;

use exoclaw_client::{Client, CloseReason, Endpoint, Options, Push, Pushes, RequestError, State};
use exoclaw_protocol::{ChatSendParams, PingParams, Secret, StatusParams};
use futures::StreamExt;
use serde_json::json;

use crate::server::Server;

fn quick() -> Options {
    Options { backoff_first: Duration::from_millis(2), ..Options::default() }
}

/// The next push that is no state.
async fn next(pushes: &mut Pushes) -> String {
    loop {
        match pushes.next().await.expect("a push") {
            Push::State(_) => {}
            Push::Event(event) => return format!("event {}/{}", event.epoch, event.seq),
            Push::SeqGap { seen, next, .. } => return format!("gap {seen:?} {next:?}"),
            Push::Snapshot(result) => return format!("snapshot {}/{}", result.epoch, result.seq),
            other => panic!("got {other:?}"),
        }
    }
}

fn sent(epoch: u64, seq: u64) -> serde_json::Value {
    json!({ "runId": "r1", "session": "agent:main:main", "status": "started", "epoch": epoch, "seq": seq })
}

#[tokio::test]
async fn what_was_sent_is_followed_over_a_break() {
    let server = Server::start().await;
    let client = server.client(quick());
    let mut pushes = client.subscribe();
    let params = ChatSendParams::text("main".parse().unwrap(), "hi");
    let serve = async {
        let mut peer = server.accept().await.unwrap();
        peer.answer("chat.send", sent(5, 2)).await;
        peer.event(5, 3, "a").await;
        peer
    };
    let (peer, outcome) = tokio::join!(serve, client.request(params));
    assert_eq!(outcome.unwrap().seq, 2);
    assert_eq!(next(&mut pushes).await, "event 5/3");
    drop(peer);

    let mut peer = server.accept().await.unwrap();
    let recovered = json!({ "session": "agent:main:main", "epoch": 5, "seq": 3, "recovered": true });
    let asked = peer.answer("session.subscribe", recovered).await;
    assert_eq!(asked, json!({ "session": "agent:main:main", "epoch": 5, "seq": 3 }));
    peer.event(5, 4, "b").await;
    assert_eq!(next(&mut pushes).await, "event 5/4");
    drop(peer);

    let mut peer = server.accept().await.unwrap();
    let snapshot = json!({ "messages": [], "run": { "runId": "r1", "text": "abc" } });
    let fresh = json!({ "session": "agent:main:main", "epoch": 6, "seq": 1, "recovered": false, "snapshot": snapshot });
    peer.answer("session.subscribe", fresh).await;
    peer.event(6, 2, "d").await;
    peer.event(6, 4, "f").await;
    for line in ["gap (5, 4) (6, 2)", "snapshot 6/1", "event 6/2", "gap (6, 2) (6, 4)", "event 6/4"] {
        assert_eq!(next(&mut pushes).await, line);
    }
}

#[tokio::test]
async fn a_request_made_while_away_is_sent_on_return() {
    let server = Server::start().await;
    let client = server.client(quick());
    let serve = async {
        server.slam().await;
        server.slam().await;
        let mut peer = server.accept().await.unwrap();
        peer.answer("ping", json!({ "nowMs": 1 })).await;
        peer
    };
    let (_peer, outcome) = tokio::join!(serve, client.request(PingParams {}));
    assert_eq!(outcome.unwrap().now_ms, 1);
    assert_eq!(client.state(), State::Open);
}

#[tokio::test]
async fn a_message_without_a_key_is_not_sent_twice() {
    let server = Server::start().await;
    let client = server.client(quick());
    let params = ChatSendParams::text("main".parse().unwrap(), "hi");
    let serve = async {
        let mut peer = server.accept().await.unwrap();
        peer.receive().await;
    };
    let ((), outcome) = tokio::join!(serve, client.request(params));
    assert_eq!(outcome, Err(RequestError::Disconnected));
}

#[tokio::test]
async fn a_message_with_a_key_is_sent_again() {
    let server = Server::start().await;
    let client = server.client(quick());
    let key = Some("k1".parse().unwrap());
    let params = ChatSendParams { idempotency_key: key, ..ChatSendParams::text("main".parse().unwrap(), "hi") };
    let serve = async {
        let mut peer = server.accept().await.unwrap();
        let first = peer.receive().await;
        drop(peer);
        let mut peer = server.accept().await.unwrap();
        assert_eq!(peer.answer("chat.send", sent(1, 0)).await, first["params"]);
        peer
    };
    let (_peer, outcome) = tokio::join!(serve, client.request(params));
    assert_eq!(outcome.unwrap().run_id.as_str(), "r1");
}

#[tokio::test]
async fn a_wrong_token_closes_the_client_for_good() {
    let server = Server::start().await;
    let endpoint = Endpoint::new(format!("ws://{}/ws", server.addr())).with_token(Secret::new("wrong"));
    let client = Client::connect(endpoint, quick());
    let (refused, outcome) = tokio::join!(server.accept(), client.request(StatusParams {}));
    assert!(refused.is_err());
    assert_eq!(outcome, Err(RequestError::Closed(CloseReason::Unauthorized)));
    assert_eq!(client.request(StatusParams {}).await, Err(RequestError::Closed(CloseReason::Unauthorized)));
}

#[tokio::test]
async fn once_means_once() {
    let server = Server::start().await;
    let (url, options) = (format!("ws://{}/ws", server.addr()), Options::once());
    drop(server);
    let outcome = Client::connect(Endpoint::new(url.clone()), options).request(PingParams {}).await;
    let Err(RequestError::Closed(CloseReason::Failed(why))) = outcome else { panic!("got {outcome:?}") };
    assert!(why.contains(&url) && why.contains("refused"), "{why}");
}

#[tokio::test]
async fn closing_tells_the_daemon_and_ends_the_streams() {
    let server = Server::start().await;
    let client = server.client(quick());
    let mut peer = server.accept().await.unwrap();
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    let pushes = client.subscribe();
    let (code, ()) = tokio::join!(peer.receive_close(), client.close());
    assert_eq!(code, 1000);
    let last = pushes.collect::<Vec<_>>().await.pop();
    assert_eq!(last, Some(Push::State(State::Closed { reason: CloseReason::Requested })));
    let late: Vec<Push> = client.subscribe().collect().await;
    assert_eq!(late, [Push::State(client.state())], "a stream made afterwards ends at once");
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let server = Server::start().await;
    let client = server.client(quick());
    let mut peer = server.accept().await.unwrap();
    drop(client.clone());
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    drop(client);
    assert_eq!(peer.receive_close().await, 1000);
}
