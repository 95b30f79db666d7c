//! A thousand clients of a daemon that restarts, each an engine with a clock of its own: nothing is left to chance.

use std::{collections::BTreeMap, time::Duration};

use exoclaw_client::{
    Options, Push, State,
    engine::{Engine, Gone, Greeting, Output},
};

const CLIENTS: u64 = 1_000;

/// How long a daemon takes to refuse.
const REFUSAL: Duration = Duration::from_millis(1);

/// What the daemon does with a connection in the end.
#[derive(Clone, Copy)]
enum Daemon {
    /// Refuses until then.
    Down(Duration),
    /// Takes each and drops it at once until then, as one that crashes or is full.
    Crashing(Duration),
}

/// When a client, whose connection breaks at 0, tries to connect, until it is back.
fn attempts(seed: u64, daemon: Daemon) -> Vec<Duration> {
    let mut engine: Engine<()> = Engine::new(Options::default(), seed, Duration::ZERO);
    let mut now = Duration::ZERO;
    engine.opened(now, &Greeting::Done);
    engine.text(now, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    while engine.poll().is_some() {}
    engine.gone(now, Gone::broken("restart"));
    let mut attempts = Vec::new();
    loop {
        while let Some(output) = engine.poll() {
            match output {
                Output::Connect => {
                    attempts.push(now);
                    match daemon {
                        Daemon::Down(until) if now < until => engine.gone(now + REFUSAL, Gone::broken("refused")),
                        Daemon::Crashing(until) if now < until => {
                            engine.opened(now, &Greeting::Done);
                            engine.gone(now + REFUSAL, Gone::broken("dropped"));
                        }
                        Daemon::Down(_) | Daemon::Crashing(_) => engine.opened(now, &Greeting::Done),
                    }
                }
                Output::Push(Push::State(State::Open)) if is_up(daemon, now) => return attempts,
                _ => {}
            }
        }
        now = engine.deadline().expect("a client that is away comes back");
        engine.tick(now);
    }
}

fn is_up(daemon: Daemon, now: Duration) -> bool {
    let (Daemon::Down(until) | Daemon::Crashing(until)) = daemon;
    now >= until
}

/// Attempts of all clients in each such stretch of time.
fn histogram(all: &[Vec<Duration>], stretch: Duration) -> BTreeMap<u128, usize> {
    let mut counts = BTreeMap::new();
    for at in all.iter().flatten() {
        *counts.entry(at.as_millis() / stretch.as_millis()).or_default() += 1;
    }
    counts
}

#[track_caller]
fn check(daemon: Daemon) {
    let (Daemon::Down(away) | Daemon::Crashing(away)) = daemon;
    let all: Vec<Vec<Duration>> = (0..CLIENTS).map(|seed| attempts(seed, daemon)).collect();

    // The first pause is 125 to 250 ms: 80 clients in each 10 ms, evenly spread. Never twice that.
    let peak = histogram(&all, Duration::from_millis(10)).into_values().max().unwrap();
    assert!(peak <= 160, "{peak} attempts within 10 ms");
    // Pauses of 4 to 8 s: 167 a second, evenly spread.
    let late = histogram(&all, Duration::from_secs(1)).into_iter().filter(|(second, _)| *second >= 20);
    let late = late.map(|(_, count)| count).max().unwrap_or_default();
    assert!(late <= 334, "{late} attempts within a second, long after the restart");
    for client in &all {
        // Six within the first 7.9 s, then one in 4 s or less often, and the last one.
        let most = 7 + away.as_secs() / 4;
        assert!(client.len() as u64 <= most, "{} attempts in {away:?}", client.len());
        let back = *client.last().unwrap();
        assert!(back >= away && back <= away + Duration::from_secs(8), "back at {back:?}");
    }
}

#[test]
fn a_daemon_that_restarts_is_not_stormed() {
    for seconds in [1, 5, 60] {
        check(Daemon::Down(Duration::from_secs(seconds)));
    }
}

#[test]
fn a_daemon_that_takes_connections_and_drops_them_is_not_stormed() {
    for seconds in [1, 5, 60] {
        check(Daemon::Crashing(Duration::from_secs(seconds)));
    }
}
