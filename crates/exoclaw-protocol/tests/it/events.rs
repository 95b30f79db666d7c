//! Events as they stand on the wire.

use exoclaw_protocol::{
    AbortReason, Approval, ApprovalId, Block, Decision, Effect, ErrorCode, Event, FailureKind, Message, Metering,
    SessionEvent, StopReason, ToolContent, ToolOutput, Usage, rpc,
};
use serde_json::{Value, json};

fn all() -> Vec<Event> {
    let call_id = || "call_1".parse().unwrap();
    let usage = Usage { input_tokens: 10, output_tokens: 20, cache_read_tokens: 3, cache_write_tokens: 4 };
    let metering =
        Metering { wall_us: 15, fuel: u64::MAX, peak_memory: 65_536, host_calls: 2, bytes_out: 7, bytes_in: 8 };
    let output = ToolOutput {
        content: vec![
            ToolContent::Text { text: "done".into() },
            ToolContent::Json { value: json!({"n": 1}) },
            ToolContent::Image { media_type: "image/png".into(), data: "AAAA".into() },
        ],
        is_error: false,
        failure: None,
    };
    let said = Message::assistant(vec![
        Block::Thinking { text: "hm".into(), signature: Some("sig".into()) },
        Block::RedactedThinking { data: "opaque".into() },
        Block::text("let me see"),
        Block::ToolCall { id: call_id(), name: "notes__append".into(), input: json!({"text": "x"}) },
    ]);
    let id: ApprovalId = "0123456789abcdef".parse().unwrap();
    let approval = Approval {
        id: id.clone(),
        session: "agent:main:main".parse().unwrap(),
        run_id: "run-1".parse().unwrap(),
        call_id: call_id(),
        tool: "notes.append".into(),
        input: json!({"text": "x"}),
        digest: "0a".into(),
        effect: Effect::Once,
        expires_ms: 1_800_000_600_000,
    };
    let started =
        |input| Event::ToolStarted { call_id: call_id(), tool: "notes.append".into(), input, effect: Effect::Once };
    let finished = |output| Event::ToolFinished { call_id: call_id(), tool: "notes.append".into(), output, metering };
    vec![
        Event::Accepted { message: Message::user("hi") },
        Event::Delta { text: "let".into() },
        Event::Thinking { text: "h".into() },
        Event::ApprovalRequested { approval },
        Event::ApprovalResolved { id, decision: Decision::Allowed, by: Some("phone".parse().unwrap()) },
        started(json!({"text": "x"})),
        Event::ToolProgress { call_id: call_id(), fraction: Some(0.5), message: "half".into() },
        Event::ToolProgress { call_id: call_id(), fraction: None, message: "more".into() },
        finished(output),
        finished(ToolOutput::failed(FailureKind::TimedOut, "notes.append ran past its 10 s")),
        Event::Usage { usage },
        Event::Final { message: said, stop_reason: StopReason::EndTurn, usage },
        Event::Aborted { text: "let".into(), reason: AbortReason::Asked },
        Event::Aborted { text: "let".into(), reason: AbortReason::Timeout },
        Event::Noted { message: Message::user("noted") },
        Event::Reset {},
        Event::Joined { into: "run-2".parse().unwrap() },
        Event::Error { code: ErrorCode::RateLimited, message: "wait".into(), retryable: true },
    ]
}

fn numbered(event: Event) -> SessionEvent {
    let session = "agent:main:main".parse().unwrap();
    SessionEvent { session, epoch: 7, seq: 1, first_seq: None, run_id: "run-1".parse().unwrap(), event }
}

#[test]
fn every_event_on_the_wire() {
    let lines: Vec<String> = all().into_iter().map(|event| rpc::notification(&numbered(event)).unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_event_is_read_as_it_was_written() {
    for event in all() {
        let event = numbered(event);
        let text = rpc::notification(&event).unwrap();
        let rpc::FromServer::Event(read) = rpc::parse_from_server(&text).unwrap() else { panic!("{text}") };
        assert_eq!(*read, event);
    }
}

#[test]
fn a_session_that_leaves_a_socket() {
    let left = rpc::SessionUnsubscribed { session: "agent:main:main".parse().unwrap() };
    let text = rpc::unsubscribed(&left).unwrap();
    assert_eq!(text, r#"{"jsonrpc":"2.0","method":"session.unsubscribed","params":{"session":"agent:main:main"}}"#);
    let rpc::FromServer::Unsubscribed(read) = rpc::parse_from_server(&text).unwrap() else { panic!("{text}") };
    assert_eq!(read, left);
}

#[test]
fn the_type_is_flat_beside_the_number() {
    for event in all() {
        let value: Value = serde_json::to_value(numbered(event)).unwrap();
        assert!(value["type"].is_string() && value["seq"] == 1 && value["runId"] == "run-1", "{value}");
    }
}

#[test]
fn four_events_end_a_run() {
    let ends: Vec<bool> = all().iter().map(Event::is_terminal).collect();
    assert_eq!(ends, [vec![false; 11], vec![true; 3], vec![false; 2], vec![true; 2]].concat());
}

/// A newer daemon may say more than a client knows.
#[test]
fn unknown_fields_are_passed_over() {
    let text = r#"{"session":"agent:a:main","epoch":1,"seq":2,"runId":"r","type":"delta","text":"x","mood":"good"}"#;
    let read: SessionEvent = serde_json::from_str(text).unwrap();
    assert_eq!(read.event, Event::Delta { text: "x".into() });
}
