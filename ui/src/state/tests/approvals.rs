//! Calls that wait until somebody allows them.

use exoclaw_protocol::Verdict;
use serde_json::{Value, json};

use super::*;

const ID: &str = "0123456789abcdef";

fn approval(id: &str) -> Value {
    json!({
        "id": id, "session": MAIN, "runId": "r1", "callId": "c1", "tool": "mail.send",
        "input": { "to": "ada@exoclaw.example" }, "digest": "d".repeat(64), "effect": "once", "expiresMs": 1_000,
    })
}

fn asked(seq: u64) -> Action {
    event(seq, "r1", json!({ "type": "approval.requested", "approval": approval(ID) }))
}

fn tool(state: &State) -> &crate::state::Tool {
    state.conversation.turns[0].tools().next().unwrap()
}

fn answer(state: &mut State, verdict: Verdict) -> Vec<Command> {
    let approval = Box::new(tool(state).question.clone().unwrap().approval);
    state.reduce(Action::Answer { approval, verdict })
}

#[test]
fn a_question_is_answered_once_with_what_was_shown() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "Send it"), asked(12)]);
    assert_eq!(tool(&state).state, ToolState::Waiting);
    let commands = answer(&mut state, Verdict::Allow);
    let Command::Resolve(params) = &commands[0] else { panic!("{commands:?}") };
    assert_eq!((params.digest.as_str(), params.verdict), ("d".repeat(64).as_str(), Verdict::Allow));
    assert!(tool(&state).question.as_ref().unwrap().answered, "nobody answers twice");

    state.reduce(event(
        13,
        "r1",
        json!({ "type": "approval.resolved", "id": ID, "decision": "allowed", "by": "phone" }),
    ));
    assert_eq!(tool(&state).state, ToolState::Running);
    assert_eq!(tool(&state).question, None);
    assert_eq!(tool(&state).decision, Some((exoclaw_protocol::Decision::Allowed, Some("phone".into()))));
}

#[test]
fn what_is_denied_is_denied_at_once() {
    let mut state = page();
    all(
        &mut state,
        [
            accepted(11, "r1", "Send it"),
            asked(12),
            event(13, "r1", json!({ "type": "approval.resolved", "id": ID, "decision": "expired" })),
        ],
    );
    assert_eq!(tool(&state).state, ToolState::Failed(Some(exoclaw_protocol::FailureKind::Denied)));
}

#[test]
fn an_answer_that_was_refused_can_be_given_again() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "Send it"), asked(12)]);
    answer(&mut state, Verdict::Deny);
    state.reduce(Action::Answered { id: ID.parse().unwrap(), outcome: Err(offline()) });
    assert!(!tool(&state).question.as_ref().unwrap().answered);
    assert!(matches!(state.notice, Some(Notice::Change(_))));
}

#[test]
fn a_run_that_is_stopped_asks_no_more() {
    let mut state = page();
    all(
        &mut state,
        [accepted(11, "r1", "Send it"), asked(12), event(13, "r1", json!({ "type": "aborted", "text": "" }))],
    );
    assert_eq!((tool(&state).state, &tool(&state).question), (ToolState::Stopped, &None));
}

#[test]
fn what_only_events_tell_is_kept_when_the_session_is_read_anew() {
    let mut state = page();
    let output = json!({ "content": [{ "type": "text", "text": "no" }], "isError": true, "failure": "denied" });
    let metering = json!({ "wallUs": 12, "fuel": 1, "peakMemory": 1, "hostCalls": 1, "bytesOut": 0, "bytesIn": 0 });
    all(
        &mut state,
        [
            accepted(11, "r1", "Send it"),
            event(
                12,
                "r1",
                json!({ "type": "tool.started", "callId": "c1", "tool": "mail.send", "input": {}, "effect": "once" }),
            ),
            event(
                13,
                "r1",
                json!({ "type": "tool.finished", "callId": "c1", "tool": "mail.send", "output": output, "metering": metering }),
            ),
            finished(14, "r1", "Denied."),
        ],
    );
    let before = tool(&state).clone();
    let message = |seq: u64, role: &str, content: Value| json!({ "seq": seq, "runId": "r1", "atMs": 1, "role": role, "content": content });
    let messages = json!([
        message(1, "user", json!([{ "type": "text", "text": "Send it" }])),
        message(2, "assistant", json!([{ "type": "toolCall", "id": "c1", "name": "mail__send", "input": {} }])),
        message(
            3,
            "user",
            json!([{ "type": "toolResult", "id": "c1", "content": [{ "type": "text", "text": "no" }], "isError": true }])
        ),
        message(4, "assistant", json!([{ "type": "text", "text": "Denied." }])),
    ]);
    read(&mut state, 14, json!({ "messages": messages }));
    assert_eq!(*tool(&state), before);
}
