//! The same tests natively and in a browser, against a running daemon with the demo model. `tests/it/browser/client.rs`
//! starts it and names it, at compile time: a page has no environment. By themselves they pass over.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};

use exoclaw_client::{Client, CloseReason, Endpoint, Options, Push, Pushes, RequestError, State};
use exoclaw_protocol::{
    ChatSendParams, Event, PingParams, RunId, Secret, SessionRef, SessionSubscribeParams, StatusParams,
};
use futures::{StreamExt, future::join_all};

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Where the daemon is: its URL, and the same by another name.
const URLS: Option<(&str, &str)> = match (option_env!("EXOCLAW_TEST_URL"), option_env!("EXOCLAW_TEST_OTHER_URL")) {
    (Some(url), Some(other)) => Some((url, other)),
    _ => None,
};

const TOKEN: &str = "test-token-of-no-value-0123456789abcdef";

fn endpoint(url: &str) -> Endpoint {
    Endpoint::new(url).with_token(Secret::new(TOKEN))
}

fn client() -> Option<Client> {
    Some(Client::connect(endpoint(URLS?.0), Options::default()))
}

/// A session that no other test uses.
fn session(name: &str) -> SessionRef {
    static USED: AtomicU32 = AtomicU32::new(0);
    let kind = if cfg!(target_arch = "wasm32") { "browser" } else { "native" };
    format!("{kind}-{name}-{}", USED.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

fn subscribe(session: &SessionRef) -> SessionSubscribeParams {
    SessionSubscribeParams { session: session.clone(), epoch: None, seq: None }
}

/// The answer of a run as its deltas tell it; that is what its last event says, too, and no event is missed or told twice.
async fn answer(pushes: &mut Pushes, run: &RunId) -> String {
    let (mut said, mut last) = (String::new(), None);
    loop {
        let event = match pushes.next().await.expect("the client is open") {
            Push::Event(event) if event.run_id == *run => event,
            Push::SeqGap { .. } => panic!("something was missed"),
            _ => continue,
        };
        assert!(last.is_none_or(|last| event.follows() == last), "{last:?}, then {event:?}");
        last = Some(event.seq);
        match &event.event {
            Event::Delta { text } => said.push_str(text),
            Event::Usage { .. } => {}
            Event::Final { message, .. } => {
                assert_eq!(message.text(), said);
                return said;
            }
            Event::Error { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), tokio::test)]
async fn requests_of_many_are_answered() {
    let Some(client) = client() else { return };
    let pings = (0..20).map(|_| client.request(PingParams {}));
    assert!(join_all(pings).await.iter().all(Result::is_ok));
    assert!(client.request(StatusParams {}).await.unwrap().demo);
    client.close().await;
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), tokio::test)]
async fn an_answer_streams_to_all_who_listen() {
    let Some(client) = client() else { return };
    let session = session("stream");
    let (mut first, mut second) = (client.subscribe(), client.subscribe());
    let sent = client.request(ChatSendParams::text(session.clone(), "hello there")).await.unwrap();
    let (one, other) = futures::join!(answer(&mut first, &sent.run_id), answer(&mut second, &sent.run_id));
    assert!(!one.is_empty() && one == other, "{one:?} {other:?}");

    // Who comes late is told what there is, once somebody has read it.
    let read = client.request(subscribe(&session)).await.unwrap();
    let mut late = client.subscribe();
    assert_eq!(late.next().await, Some(Push::State(State::Open)));
    assert_eq!(late.next().await, Some(Push::Snapshot(read.into())));
    client.close().await;
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), tokio::test)]
async fn an_answer_goes_on_over_another_connection() {
    let Some(client) = client() else { return };
    let session = session("resume");
    let mut pushes = client.subscribe();
    let sent = client.request(ChatSendParams::text(session, "tell me a story")).await.unwrap();
    // In the middle of the answer: the old socket goes, and the session is resumed on the new one.
    let other = async {
        let mut before = client.subscribe();
        while !matches!(before.next().await, Some(Push::Event(event)) if matches!(event.event, Event::Delta { .. })) {}
        client.reconfigure(endpoint(URLS.unwrap().1)).await;
    };
    let (said, ()) = futures::join!(answer(&mut pushes, &sent.run_id), other);
    assert!(!said.is_empty());
    assert_eq!(client.states().wait_for(|state| *state == State::Open).await, Some(State::Open));
    client.close().await;
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), tokio::test)]
async fn a_wrong_token_is_refused_and_another_one_taken() {
    let Some((url, _)) = URLS else { return };
    let client = Client::connect(Endpoint::new(url).with_token(Secret::new("wrong")), Options::default());
    assert_eq!(client.request(PingParams {}).await, Err(RequestError::Closed(CloseReason::Unauthorized)));
    client.reconfigure(endpoint(url)).await;
    client.states().wait_for(|state| *state == State::Open).await.unwrap();
    client.request(PingParams {}).await.unwrap();
    client.close().await;
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), tokio::test)]
async fn close_ends_everything() {
    let Some(client) = client() else { return };
    client.request(PingParams {}).await.unwrap();
    let (pushes, states) = (client.subscribe(), client.states());
    client.close().await;
    let closed = State::Closed { reason: CloseReason::Requested };
    assert_eq!(pushes.collect::<Vec<_>>().await.pop(), Some(Push::State(closed.clone())));
    assert_eq!(states.collect::<Vec<_>>().await, [closed]);
    assert_eq!(client.request(PingParams {}).await, Err(RequestError::Closed(CloseReason::Requested)));
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), tokio::test)]
async fn nobody_at_the_other_end_is_told_and_tried_again() {
    if URLS.is_none() {
        return;
    }
    // Port 9 is that of a service which discards what comes; nobody runs it any more.
    let client = Client::connect(endpoint("ws://127.0.0.1:9/ws"), Options::default());
    let mut states = client.states();
    states.wait_for(|state| matches!(state, State::Waiting { .. })).await.unwrap();
    states.wait_for(|state| matches!(state, State::Connecting)).await.unwrap();
    client.reconfigure(endpoint(URLS.unwrap().0)).await;
    client.request(PingParams {}).await.unwrap();
    client.close().await;
}
