use futures::{FutureExt, StreamExt};

use super::*;

#[test]
fn a_listener_that_lags_is_told_where() {
    let mut listeners = Listeners::default();
    let mut pushes = listeners.add();
    for _ in 0..=PUSHES {
        listeners.push(&Push::State(State::Open));
    }
    listeners.end();
    let got: Vec<Push> = std::iter::from_fn(|| pushes.next().now_or_never().flatten()).collect();
    assert_eq!(got, [Push::Lagged, Push::State(State::Open)]);
    assert_eq!(pushes.next().now_or_never(), Some(None), "the stream has ended");
}

#[test]
fn a_listener_that_is_dropped_is_forgotten() {
    let mut listeners = Listeners::default();
    drop(listeners.add());
    listeners.push(&Push::Lagged);
    assert!(listeners.queues.is_empty());
}
