//! One owner of one socket: what a client promises, with every attempt to connect counted and time in the test's hands.

use std::time::Duration;

use exoclaw_client::{Client, CloseReason, Push, Pushes, RequestError, State};
use exoclaw_protocol::{ChatAbortParams, ChatSendParams, PingParams, SessionSubscribeParams, StatusParams};
use futures::{FutureExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::time::{Instant, advance};

use crate::network::{Network, Peer, endpoint, soon};

/// Longer than any pause of a client.
const LONG: Duration = Duration::from_secs(3_600);

/// Answers every `ping` until the client lets go; says how many there were.
async fn answer_pings(mut peer: Peer) -> usize {
    let mut count = 0;
    while let Some(request) = peer.receive().await {
        assert_eq!(request["method"], "ping");
        peer.result(&request, json!({ "nowMs": 1 })).await;
        count += 1;
    }
    count
}

async fn opened(network: &Network, client: &Client) -> Peer {
    let peer = network.accept().await;
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    peer
}

/// The next push that is no state.
async fn next(pushes: &mut Pushes) -> String {
    loop {
        match soon(pushes.next()).await.expect("a push") {
            Push::State(_) => {}
            Push::Event(event) => return format!("event {}/{}", event.epoch, event.seq),
            Push::SeqGap { seen, next, .. } => return format!("gap {seen:?} {next:?}"),
            Push::Snapshot(result) => return format!("snapshot {}/{}", result.epoch, result.seq),
            other => panic!("got {other:?}"),
        }
    }
}

fn subscribe() -> SessionSubscribeParams {
    SessionSubscribeParams { session: "main".parse().unwrap(), epoch: None, seq: None }
}

fn snapshot(epoch: u64, seq: u64) -> Value {
    let snapshot = json!({ "messages": [] });
    json!({ "session": "agent:main:main", "epoch": epoch, "seq": seq, "recovered": false, "snapshot": snapshot })
}

/// A client that watches a session whose last event was 5/2.
async fn watching() -> (Network, Client, Peer, Pushes) {
    let (network, client) = Network::with_client();
    let mut peer = opened(&network, &client).await;
    let pushes = client.subscribe();
    let (outcome, _) = tokio::join!(client.request(subscribe()), peer.answer("session.subscribe", snapshot(5, 2)));
    outcome.unwrap();
    (network, client, peer, pushes)
}

#[tokio::test(start_paused = true)]
async fn repeated_requests_make_one_connection() {
    let (network, client) = Network::with_client();
    let ask = async {
        for _ in 0..50 {
            client.request(PingParams {}).await.unwrap();
        }
        client.close().await;
    };
    let serve = async { answer_pings(network.accept().await).await };
    assert_eq!(tokio::join!(ask, serve).1, 50);
    assert_eq!(network.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_make_one_connection() {
    let (network, client) = Network::with_client();
    let clones: Vec<Client> = (0..100).map(|_| client.clone()).collect();
    let ask = async {
        let outcomes = join_all(clones.iter().map(|clone| clone.request(PingParams {}))).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        client.close().await;
    };
    // They are asked while the connection is being made.
    let serve = async { answer_pings(network.accept().await).await };
    assert_eq!(tokio::join!(ask, serve).1, 100);
    assert_eq!(network.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn consumers_share_the_connection_and_all_hear_everything() {
    let (network, client, mut peer, first) = watching().await;
    let other = client.clone();
    let mut all = [first, client.subscribe(), other.subscribe()];
    drop(client);
    peer.event(5, 3).await;
    for pushes in &mut all[1..] {
        assert_eq!(next(pushes).await, "snapshot 5/2");
    }
    for pushes in &mut all {
        assert_eq!(next(pushes).await, "event 5/3");
    }
    assert_eq!((network.dials(), network.open()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_late_is_told_what_there_is() {
    let (_network, client, mut peer, mut early) = watching().await;
    peer.event(5, 3).await;
    assert_eq!(next(&mut early).await, "event 5/3");
    let mut late = client.subscribe();
    assert_eq!(late.next().await, Some(Push::State(State::Open)));
    assert_eq!((next(&mut late).await, next(&mut late).await), ("snapshot 5/2".to_owned(), "event 5/3".to_owned()));
    assert_eq!(client.states().next().await, Some(State::Open));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_before_the_event_that_revealed_it() {
    let (_network, _client, mut peer, mut pushes) = watching().await;
    for seq in [3, 4, 7] {
        peer.event(5, seq).await;
    }
    for line in ["event 5/3", "event 5/4", "gap (5, 4) (5, 7)", "event 5/7"] {
        assert_eq!(next(&mut pushes).await, line);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_where_it_was_after_a_break() {
    let (network, _client, mut peer, mut pushes) = watching().await;
    peer.event(5, 3).await;
    drop(peer);
    let mut peer = network.accept().await;
    let recovered = json!({ "session": "agent:main:main", "epoch": 5, "seq": 3, "recovered": true });
    let asked = peer.answer("session.subscribe", recovered).await;
    assert_eq!(asked, json!({ "session": "agent:main:main", "epoch": 5, "seq": 3 }));
    peer.event(5, 4).await;
    assert_eq!((next(&mut pushes).await, next(&mut pushes).await), ("event 5/3".to_owned(), "event 5/4".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_can_not_go_on_is_told_anew() {
    let (network, _client, peer, mut pushes) = watching().await;
    drop(peer);
    let mut peer = network.accept().await;
    peer.answer("session.subscribe", snapshot(9, 40)).await;
    peer.event(9, 41).await;
    for line in ["gap (5, 2) (9, 41)", "snapshot 9/40", "event 9/41"] {
        assert_eq!(next(&mut pushes).await, line);
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_begin_anew_after_success() {
    let (network, client) = Network::with_client();
    let mut last = network.dial().await;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let before = last.at;
        last.refuse();
        last = network.dial().await;
        pauses.push(last.at - before);
    }
    for (n, pause) in (0..).zip(&pauses) {
        let whole = (Duration::from_millis(250) * (1 << n)).min(Duration::from_secs(8));
        // A timer is a millisecond late at most.
        let most = whole + Duration::from_millis(1);
        assert!((whole / 2..=most).contains(pause), "pause {n} is {pause:?} of {whole:?}");
    }
    let mut peer = last.accept();
    let (outcome, _) = tokio::join!(client.request(PingParams {}), peer.answer("ping", json!({ "nowMs": 1 })));
    outcome.unwrap();
    let broken = Instant::now();
    drop(peer);
    assert!(network.dial().await.at - broken <= Duration::from_millis(251));
}

#[tokio::test(start_paused = true)]
async fn another_token_ends_the_old_socket_and_connects_once() {
    let (network, client) = Network::with_client();
    let mut old = opened(&network, &client).await;
    client.reconfigure(endpoint("t1")).await;
    client.reconfigure(endpoint("t2")).await;
    let dial = network.dial().await;
    assert_eq!(dial.endpoint, endpoint("t2"));
    assert_eq!(old.receive().await, None, "the old socket is let go");
    assert_eq!(network.open(), 0);
    let _new = dial.accept();
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    advance(Duration::from_secs(20)).await;
    assert_eq!((network.dials(), network.open()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_ends_an_attempt_or_a_pause() {
    let (network, client) = Network::with_client();
    let first = network.dial().await;
    client.reconfigure(endpoint("t2")).await;
    let second = network.dial().await;
    assert!(first.is_given_up());
    second.refuse();
    client.states().wait_for(|state| matches!(state, State::Waiting { .. })).await.unwrap();
    let now = Instant::now();
    client.reconfigure(endpoint("t3")).await;
    let third = network.dial().await;
    assert_eq!((third.at, third.endpoint.clone()), (now, endpoint("t3")));
    let _peer = third.accept();
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    // The pause that was begun ends, too, and nothing comes of it.
    advance(Duration::from_secs(20)).await;
    assert_eq!((network.dials(), network.open()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn another_token_revives_a_client_that_was_refused() {
    let (network, client) = Network::with_client();
    let pushes = client.subscribe();
    network.dial().await.refuse_token();
    let last = pushes.collect::<Vec<Push>>().await.pop();
    assert_eq!(last, Some(Push::State(State::Closed { reason: CloseReason::Unauthorized })));
    advance(LONG).await;
    assert_eq!(network.dials(), 1, "a token that was refused is not tried again");
    assert_eq!(client.request(PingParams {}).await, Err(RequestError::Closed(CloseReason::Unauthorized)));

    client.reconfigure(endpoint("t2")).await;
    assert_eq!(client.state(), State::Connecting, "what was refused is over");
    let mut peer = network.accept().await;
    let (outcome, _) = tokio::join!(client.request(PingParams {}), peer.answer("ping", json!({ "nowMs": 1 })));
    outcome.unwrap();
    assert_eq!(network.dials(), 2);
}

/// Closes a client; afterwards everything has ended, and nothing is tried any more.
async fn ends(network: &Network, client: &Client) {
    let (dials, pushes) = (network.dials(), client.subscribe());
    let waiting = client.request(StatusParams {});
    tokio::join!(client.close(), async {
        let closed = CloseReason::Requested;
        assert_eq!(waiting.await, Err(RequestError::Closed(closed.clone())));
        let last = pushes.collect::<Vec<Push>>().await.pop();
        assert_eq!(last, Some(Push::State(State::Closed { reason: closed })));
    });
    client.reconfigure(endpoint("t9")).await;
    client.check().await;
    advance(LONG).await;
    assert_eq!(client.request(PingParams {}).await, Err(RequestError::Closed(CloseReason::Requested)));
    assert_eq!((network.dials(), network.open()), (dials, 0));
}

#[tokio::test(start_paused = true)]
async fn close_ends_an_open_connection() {
    let (network, client) = Network::with_client();
    let _peer = opened(&network, &client).await;
    ends(&network, &client).await;
}

#[tokio::test(start_paused = true)]
async fn close_ends_an_attempt() {
    let (network, client) = Network::with_client();
    let dial = network.dial().await;
    ends(&network, &client).await;
    assert!(dial.is_given_up());
}

#[tokio::test(start_paused = true)]
async fn close_ends_a_pause() {
    let (network, client) = Network::with_client();
    network.dial().await.refuse();
    client.states().wait_for(|state| matches!(state, State::Waiting { .. })).await.unwrap();
    ends(&network, &client).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_fails_with_its_reason_when_the_connection_breaks() {
    let (network, client) = Network::with_client();
    let mut peer = opened(&network, &client).await;
    let abort = client.request(ChatAbortParams { session: "main".parse().unwrap(), run_id: None });
    let (outcome, ()) = tokio::join!(abort, async {
        peer.receive().await;
        drop(peer);
    });
    assert_eq!(outcome, Err(RequestError::Disconnected));
    let mut peer = network.accept().await;
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    assert!(peer.receive().now_or_never().is_none(), "it is not sent again");
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_to_repeat_is_sent_again_with_its_key() {
    let (network, client) = Network::with_client();
    let mut peer = opened(&network, &client).await;
    let key = Some("k1".parse().unwrap());
    let params = ChatSendParams { idempotency_key: key, ..ChatSendParams::text("main".parse().unwrap(), "hi") };
    let serve = async {
        let first = peer.receive().await.unwrap();
        drop(peer);
        let mut peer = network.accept().await;
        let sent = json!({ "runId": "r1", "session": "agent:main:main", "status": "started", "epoch": 1, "seq": 0 });
        let again = peer.answer("chat.send", sent).await;
        assert_eq!((&again, &again["idempotencyKey"]), (&first["params"], &json!("k1")));
        peer
    };
    let (outcome, _peer) = tokio::join!(client.request(params), serve);
    outcome.unwrap();
    assert_eq!(network.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_socket_is_noticed() {
    let (network, client) = Network::with_client();
    let mut silent = opened(&network, &client).await;
    let begun = Instant::now();
    assert_eq!(silent.receive().await.unwrap()["method"], "ping");
    assert_eq!(begun.elapsed().as_secs(), 25);
    let next = network.dial().await;
    assert_eq!((next.at - begun).as_secs(), 35);
    assert_eq!(network.open(), 0, "the dead socket is let go");
    let _peer = next.accept();
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    assert_eq!((network.dials(), network.open()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_died_in_sleep_is_noticed_on_waking() {
    let (network, client) = Network::with_client();
    let mut silent = opened(&network, &client).await;
    advance(Duration::from_secs(10)).await;
    let woken = Instant::now();
    client.check().await;
    assert_eq!(silent.receive().await.unwrap()["method"], "ping");
    let next = network.dial().await;
    assert_eq!((next.at - woken).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_slept_and_lives_is_kept() {
    let (network, client) = Network::with_client();
    let mut peer = opened(&network, &client).await;
    // Time goes on by hours at once.
    advance(LONG).await;
    peer.answer("ping", json!({ "nowMs": 1 })).await;
    let (outcome, _) = tokio::join!(client.request(PingParams {}), peer.answer("ping", json!({ "nowMs": 1 })));
    outcome.unwrap();
    assert_eq!((network.dials(), network.open()), (1, 1));
}
