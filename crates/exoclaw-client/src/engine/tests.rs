use exoclaw_protocol::{ChatAbortParams, Event, SessionEvent, SessionKey, StatusParams};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

type TestEngine = Engine<&'static str>;

fn drain(engine: &mut TestEngine) -> Vec<String> {
    std::iter::from_fn(|| engine.poll())
        .map(|output| match output {
            Output::Connect => "connect".to_owned(),
            Output::Send(text) => format!("send {text}"),
            Output::Disconnect => "disconnect".to_owned(),
            Output::Reply(who, Ok(raw)) => format!("{who} got {raw}"),
            Output::Reply(who, Err(error)) => format!("{who} failed: {error}"),
            Output::Push(Push::State(state)) => format!("{state:?}"),
            Output::Push(Push::Event(event)) => format!("event {}/{}", event.epoch, event.seq),
            Output::Push(Push::SeqGap { seen, next, .. }) => format!("gap {seen:?} {next:?}"),
            Output::Push(Push::Snapshot(result)) => format!("snapshot {}/{}", result.epoch, result.seq),
            Output::Push(other) => format!("{other:?}"),
            Output::Keep(result) => format!("keep {}/{}", result.epoch, result.seq),
        })
        .collect()
}

fn open() -> TestEngine {
    let mut engine = TestEngine::new(Options::default(), 7, Duration::ZERO);
    engine.opened(Duration::ZERO, &Greeting::Done);
    drain(&mut engine);
    engine
}

fn ask<M: Method>(id: u64, reply: &'static str, repeatable: bool, params: &M) -> Asked<&'static str> {
    Asked { id, method: M::NAME, text: rpc::request(id, params).unwrap(), repeatable, reply }
}

fn event(epoch: u64, seq: u64) -> String {
    let session: SessionKey = "agent:main:main".parse().unwrap();
    let event = Event::Delta { text: "x".to_owned() };
    rpc::notification(&SessionEvent { session, epoch, seq, first_seq: None, run_id: "r1".parse().unwrap(), event })
        .unwrap()
}

#[test]
fn deltas_that_were_put_together_are_no_gap() {
    let mut engine = watching();
    let together = |seq, first_seq| {
        let session: SessionKey = "agent:main:main".parse().unwrap();
        let event = Event::Delta { text: "x".to_owned() };
        let event = SessionEvent { session, epoch: 5, seq, first_seq, run_id: "r1".parse().unwrap(), event };
        rpc::notification(&event).unwrap()
    };
    let mut told = |text: String| {
        engine.text(SECOND, &text);
        drain(&mut engine)
    };
    assert_eq!(told(together(9, Some(3))), ["event 5/9"]);
    assert_eq!(told(together(20, Some(12))), ["gap (5, 9) (5, 12)", "event 5/20"]);
}

/// An open connection that watches a session whose last event was 5/2.
fn watching() -> TestEngine {
    let mut engine = open();
    let params = SessionSubscribeParams { session: "main".parse().unwrap(), epoch: None, seq: None };
    engine.request(Duration::ZERO, ask(2, "subscribe", true, &params));
    let result = r#"{"session":"agent:main:main","epoch":5,"seq":2,"recovered":false}"#;
    engine.text(Duration::ZERO, &format!(r#"{{"jsonrpc":"2.0","id":2,"result":{result}}}"#));
    drain(&mut engine);
    engine
}

fn break_and_return(engine: &mut TestEngine) -> Vec<String> {
    engine.gone(SECOND, Gone::broken("cut"));
    drain(engine);
    engine.tick(20 * SECOND);
    engine.opened(20 * SECOND, &Greeting::Done);
    drain(engine)
}

#[test]
fn the_token_goes_first_and_requests_wait_for_the_welcome() {
    let mut engine = TestEngine::new(Options::default(), 7, Duration::ZERO);
    engine.request(Duration::ZERO, ask(2, "status", true, &StatusParams {}));
    assert_eq!(drain(&mut engine), ["Connecting", "connect"]);
    engine.opened(Duration::ZERO, &Greeting::Token(Secret::new("t0k")));
    assert_eq!(drain(&mut engine), [r#"send {"token":"t0k"}"#]);
    engine.text(Duration::ZERO, r#"{"ok":true}"#);
    assert_eq!(drain(&mut engine), ["Open", r#"send {"jsonrpc":"2.0","id":2,"method":"status","params":{}}"#]);
}

#[test]
fn a_credential_that_is_refused_is_not_tried_again() {
    let mut engine = TestEngine::new(Options::default(), 7, Duration::ZERO);
    engine.request(Duration::ZERO, ask(2, "status", true, &StatusParams {}));
    engine.opened(Duration::ZERO, &Greeting::Probe);
    drain(&mut engine);
    engine.text(Duration::ZERO, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no"}}"#);
    assert_eq!(
        drain(&mut engine),
        [
            "disconnect",
            "status failed: no connection: the daemon does not take the credential",
            "Closed { reason: Unauthorized }",
        ]
    );
    assert_eq!(engine.deadline(), None);
}

#[test]
fn pauses_grow_to_the_longest_and_start_again_after_success() {
    let mut engine = TestEngine::new(Options::default(), 7, Duration::ZERO);
    let mut now = Duration::ZERO;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        engine.gone(now, Gone::broken("refused"));
        let until = engine.deadline().unwrap();
        pauses.push(until - now);
        now = until;
        engine.tick(now);
    }
    for (n, pause) in (0..).zip(&pauses) {
        let whole = (Duration::from_millis(250) * (1 << n)).min(8 * SECOND);
        assert!((whole / 2..=whole).contains(pause), "pause {n} is {pause:?} of {whole:?}");
    }
    // A connection on which nothing was heard, and not for long, is no success.
    engine.opened(now, &Greeting::Done);
    engine.gone(now, Gone::broken("cut"));
    assert!(engine.deadline().unwrap() - now >= 4 * SECOND);
    for (stays, answers) in [(8 * SECOND, false), (Duration::ZERO, true)] {
        now = engine.deadline().unwrap();
        engine.tick(now);
        engine.opened(now, &Greeting::Done);
        now += stays;
        if answers {
            engine.text(now, &event(1, 1));
        }
        engine.gone(now, Gone::broken("cut"));
        assert!(engine.deadline().unwrap() - now <= Duration::from_millis(250));
    }
}

#[test]
fn two_clients_do_not_come_back_at_the_same_moment() {
    let pause = |seed| {
        let mut engine = TestEngine::new(Options::default(), seed, Duration::ZERO);
        engine.gone(Duration::ZERO, Gone::broken("refused"));
        engine.deadline().unwrap()
    };
    assert_ne!(pause(1), pause(2));
}

#[test]
fn after_a_break_only_what_is_safe_to_repeat_is_sent_again() {
    let mut engine = open();
    engine.request(Duration::ZERO, ask(2, "status", true, &StatusParams {}));
    let abort = ChatAbortParams { session: "main".parse().unwrap(), run_id: None };
    engine.request(Duration::ZERO, ask(4, "abort", false, &abort));
    drain(&mut engine);
    engine.gone(SECOND, Gone::broken("cut"));
    let lines = drain(&mut engine);
    assert_eq!(
        lines[0],
        "abort failed: the connection broke before the answer came; the request may have been carried out"
    );
    assert!(lines[1].starts_with("Waiting"), "{lines:?}");
    engine.request(SECOND, ask(6, "late abort", false, &abort));
    engine.tick(20 * SECOND);
    engine.opened(20 * SECOND, &Greeting::Done);
    let sent: Vec<String> = drain(&mut engine).into_iter().filter(|line| line.starts_with("send")).collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].contains(r#""id":2"#) && sent[1].contains(r#""id":6"#), "{sent:?}");
}

#[test]
fn an_event_comes_once_and_a_gap_comes_before_what_revealed_it() {
    let mut engine = watching();
    for seq in [3, 3, 2, 4, 7] {
        engine.text(SECOND, &event(5, seq));
    }
    engine.text(SECOND, &event(6, 1));
    assert_eq!(
        drain(&mut engine),
        ["event 5/3", "event 5/4", "gap (5, 4) (5, 7)", "event 5/7", "gap (5, 7) (6, 1)", "event 6/1"]
    );
}

#[test]
fn a_session_is_resumed_from_the_last_event_that_was_seen() {
    let mut engine = watching();
    engine.text(SECOND, &event(5, 3));
    let lines = break_and_return(&mut engine);
    let resume = r#"{"session":"agent:main:main","epoch":5,"seq":3}"#;
    assert_eq!(
        lines.last().unwrap(),
        &format!(r#"send {{"jsonrpc":"2.0","id":1,"method":"session.subscribe","params":{resume}}}"#)
    );
    let result = r#"{"session":"agent:main:main","epoch":5,"seq":3,"recovered":true}"#;
    engine.text(20 * SECOND, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
    engine.text(20 * SECOND, &event(5, 4));
    assert_eq!(drain(&mut engine), ["event 5/4"]);
}

#[test]
fn a_session_that_can_not_be_resumed_starts_from_a_snapshot() {
    let mut engine = watching();
    break_and_return(&mut engine);
    let snapshot = r#"{"messages":[]}"#;
    let result =
        format!(r#"{{"session":"agent:main:main","epoch":9,"seq":4,"recovered":false,"snapshot":{snapshot}}}"#);
    engine.text(20 * SECOND, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
    engine.text(20 * SECOND, &event(9, 5));
    assert_eq!(drain(&mut engine), ["gap (5, 2) (9, 5)", "snapshot 9/4", "event 9/5"]);
}

#[test]
fn a_silent_daemon_is_asked_and_then_left() {
    let mut engine = open();
    engine.tick(24 * SECOND);
    assert_eq!(drain(&mut engine), [""; 0]);
    engine.tick(25 * SECOND);
    assert_eq!(drain(&mut engine), [r#"send {"jsonrpc":"2.0","id":0,"method":"ping","params":{}}"#]);
    engine.text(26 * SECOND, r#"{"jsonrpc":"2.0","id":0,"result":{"nowMs":1}}"#);
    assert_eq!(engine.deadline(), Some(51 * SECOND), "an answer starts the wait again");
    engine.tick(51 * SECOND);
    assert_eq!(engine.deadline(), Some(61 * SECOND));
    engine.tick(61 * SECOND);
    let lines = drain(&mut engine);
    assert_eq!(lines[1], "disconnect");
    assert!(lines[2].starts_with("Waiting"), "{lines:?}");
}

#[test]
fn a_request_without_an_answer_times_out() {
    let mut engine = open();
    engine.request(Duration::ZERO, ask(2, "status", true, &StatusParams {}));
    drain(&mut engine);
    engine.text(20 * SECOND, &event(1, 1));
    engine.tick(30 * SECOND);
    assert_eq!(drain(&mut engine), ["event 1/1", "status failed: no answer within 30s"]);
}

#[test]
fn watched_sessions_are_bounded() {
    let mut engine = open();
    for n in 0..=exoclaw_protocol::limits::SUBSCRIPTIONS {
        let text = event(1, 1).replace("agent:main:main", &format!("agent:main:s{n}"));
        engine.text(SECOND, &text);
    }
    drain(&mut engine);
    let resumed = break_and_return(&mut engine);
    let resumed: Vec<&String> = resumed.iter().filter(|line| line.contains("session.subscribe")).collect();
    assert_eq!(resumed.len(), exoclaw_protocol::limits::SUBSCRIPTIONS);
    assert!(!resumed.iter().any(|line| line.contains("agent:main:s0\"")), "the oldest is forgotten");
}

#[test]
fn after_a_sleep_the_daemon_has_time_to_answer() {
    let mut engine = open();
    let morning = 30_000 * SECOND;
    engine.tick(morning);
    assert_eq!(drain(&mut engine), [r#"send {"jsonrpc":"2.0","id":0,"method":"ping","params":{}}"#]);
    engine.tick(morning + 9 * SECOND);
    assert_eq!(drain(&mut engine), [""; 0]);
    engine.tick(morning + 10 * SECOND);
    assert_eq!(drain(&mut engine)[0], "disconnect");
}

#[test]
fn a_check_asks_at_once_and_ends_a_pause() {
    let mut engine = open();
    engine.check(SECOND);
    engine.check(2 * SECOND);
    assert_eq!(
        drain(&mut engine),
        [r#"send {"jsonrpc":"2.0","id":0,"method":"ping","params":{}}"#],
        "it is asked once"
    );
    engine.tick(11 * SECOND);
    assert_eq!(drain(&mut engine)[0], "disconnect");
    engine.check(11 * SECOND);
    assert_eq!(drain(&mut engine), ["Connecting", "connect"]);
    engine.check(11 * SECOND);
    assert_eq!(drain(&mut engine), [""; 0], "an attempt is under way");
}

#[test]
fn another_endpoint_is_connected_to_at_once_and_the_old_socket_let_go() {
    let mut engine = open();
    let abort = ChatAbortParams { session: "main".parse().unwrap(), run_id: None };
    engine.request(Duration::ZERO, ask(2, "abort", false, &abort));
    engine.request(Duration::ZERO, ask(4, "status", true, &StatusParams {}));
    drain(&mut engine);
    engine.reconfigured(SECOND);
    let lines = drain(&mut engine);
    assert_eq!(lines[0], "disconnect");
    assert!(lines[1].starts_with("abort failed"), "{lines:?}");
    assert_eq!(lines[2..], ["Connecting", "connect"]);
    engine.opened(SECOND, &Greeting::Done);
    assert_eq!(drain(&mut engine), ["Open", r#"send {"jsonrpc":"2.0","id":4,"method":"status","params":{}}"#]);
}

#[test]
fn another_endpoint_revives_who_was_refused_but_not_who_was_closed() {
    let mut engine = open();
    engine.gone(SECOND, Gone { unauthorized: true, why: String::new() });
    drain(&mut engine);
    engine.reconfigured(SECOND);
    assert_eq!(drain(&mut engine), ["Connecting", "connect"]);
    engine.close(CloseReason::Requested);
    drain(&mut engine);
    engine.reconfigured(SECOND);
    assert_eq!(drain(&mut engine), [""; 0]);
    assert_eq!(engine.deadline(), None);
}

#[test]
fn a_session_that_another_asks_for_is_a_gap_for_who_was_behind() {
    let mut engine = watching();
    let asked = |engine: &mut TestEngine, id, seq: u64| {
        let params = SessionSubscribeParams { session: "main".parse().unwrap(), epoch: None, seq: None };
        engine.request(SECOND, ask(id, "late", true, &params));
        drain(engine);
        let result = format!(
            r#"{{"session":"agent:main:main","epoch":5,"seq":{seq},"recovered":false,"snapshot":{{"messages":[]}}}}"#
        );
        engine.text(SECOND, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        let mut lines = drain(engine);
        assert!(lines.pop().unwrap().starts_with("late got"));
        lines
    };
    assert_eq!(asked(&mut engine, 4, 2), ["keep 5/2"]);
    assert_eq!(asked(&mut engine, 6, 9), ["gap (5, 2) (5, 10)", "snapshot 5/9"]);
}
