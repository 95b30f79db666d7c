use std::time::Duration;

use futures::{FutureExt, StreamExt};
use serde_json::json;

use super::*;
use crate::CloseReason;

#[test]
fn a_listener_that_lags_is_told_where() {
    let mut listeners = Listeners::new();
    let mut pushes = listeners.add();
    for _ in 0..PUSHES - 1 {
        listeners.push(&Push::State(State::Open));
    }
    let closed = Push::State(State::Closed { reason: CloseReason::Requested });
    listeners.push(&closed);
    let got: Vec<Push> = std::iter::from_fn(|| pushes.next().now_or_never().flatten()).collect();
    assert_eq!(got, [Push::Lagged, closed]);
    assert_eq!(pushes.next().now_or_never(), Some(None), "the stream has ended");
}

#[test]
fn a_listener_that_is_dropped_is_forgotten() {
    let mut listeners = Listeners::new();
    drop(listeners.add());
    listeners.push(&Push::Lagged);
    assert!(listeners.queues.is_empty());
}

#[test]
fn who_looks_away_gets_the_latest_state_only() {
    let mut listeners = Listeners::new();
    let mut states = listeners.add_states();
    assert_eq!(states.next().now_or_never().flatten(), Some(State::Connecting));
    listeners.push(&Push::State(State::Waiting { retry_in: Duration::ZERO, why: String::new() }));
    listeners.push(&Push::State(State::Open));
    listeners.push(&Push::Lagged);
    assert_eq!(states.next().now_or_never().flatten(), Some(State::Open));
    assert_eq!(states.next().now_or_never(), None);
}

fn snapshot(session: &str) -> Push {
    let result =
        json!({ "session": session, "epoch": 1, "seq": 0, "recovered": false, "snapshot": { "messages": [] } });
    Push::Snapshot(Arc::new(serde_json::from_value(result).unwrap()))
}

fn event(session: &str, seq: u64) -> Push {
    let event = json!({ "session": session, "epoch": 1, "seq": seq, "runId": "r1", "type": "delta", "text": "x" });
    Push::Event(Arc::new(serde_json::from_value(event).unwrap()))
}

fn told(listeners: &mut Listeners) -> Vec<Push> {
    let mut pushes = listeners.add();
    std::iter::from_fn(|| pushes.next().now_or_never().flatten()).skip(1).collect()
}

#[test]
fn who_comes_late_is_told_as_much_as_is_kept() {
    let (long, short) = ("agent:main:long", "agent:main:short");
    let mut listeners = Listeners::new();
    for push in [snapshot(long), snapshot(short), event(short, 1), event(long, 1), event("agent:main:other", 1)] {
        listeners.push(&push);
    }
    let expected = [snapshot(short), event(short, 1), snapshot(long), event(long, 1)];
    assert_eq!(told(&mut listeners), expected);
    for seq in 2..=513 {
        listeners.push(&event(long, seq));
    }
    assert_eq!(told(&mut listeners), [Push::Lagged, snapshot(short), event(short, 1)]);
    listeners.push(&snapshot(long));
    assert_eq!(told(&mut listeners), [snapshot(short), event(short, 1), snapshot(long)]);
    let error = exoclaw_protocol::RpcError::new(exoclaw_protocol::ErrorCode::Busy, "gone");
    listeners.push(&Push::Lost { session: short.parse().unwrap(), error });
    assert_eq!(told(&mut listeners), [snapshot(long)]);
}

#[test]
fn what_is_kept_for_late_listeners_is_bounded() {
    let mut listeners = Listeners::new();
    for n in 0..=exoclaw_protocol::limits::SUBSCRIPTIONS {
        listeners.push(&snapshot(&format!("agent:main:s{n}")));
    }
    let told = told(&mut listeners);
    assert_eq!(told.len(), exoclaw_protocol::limits::SUBSCRIPTIONS);
    assert_eq!(told[0], snapshot("agent:main:s1"), "the oldest is forgotten");
}
