mod approvals;
mod history;
mod sessions;

use std::{sync::Arc, time::Duration};

use exoclaw_client::{CloseReason, Push, RequestError, State as Link};
use exoclaw_protocol::{
    ChatSendResult, ErrorCode, Event, RpcError, SessionEvent, SessionInfo, SessionListResult, SessionRef,
    SessionSubscribeResult,
};
use serde_json::{Value, json};

use super::{Action, Command, Notice, Part, Phase, Progress, State, ToolState, conversation, tool};

const MAIN: &str = "agent:main:main";

fn main() -> SessionRef {
    MAIN.parse().unwrap()
}

/// A page that shows an empty session, up to event 10 of epoch 1.
fn page() -> State {
    let mut state = State::new(main());
    read(&mut state, 10, json!({ "messages": [] }));
    state
}

fn read(state: &mut State, seq: u64, snapshot: Value) -> Vec<Command> {
    let result = json!({ "session": MAIN, "epoch": 1, "seq": seq, "recovered": false, "snapshot": snapshot });
    let outcome = Ok(serde_json::from_value::<SessionSubscribeResult>(result).unwrap());
    state.reduce(Action::Read { session: main(), outcome })
}

fn event(seq: u64, run: &str, event: Value) -> Action {
    let event: Event = serde_json::from_value(event).unwrap();
    let session = MAIN.parse().unwrap();
    Action::Pushed(Push::Event(Arc::new(SessionEvent {
        session,
        epoch: 1,
        seq,
        first_seq: None,
        run_id: run.parse().unwrap(),
        event,
    })))
}

fn accepted(seq: u64, run: &str, text: &str) -> Action {
    let message = json!({ "role": "user", "content": [{ "type": "text", "text": text }] });
    event(seq, run, json!({ "type": "accepted", "message": message }))
}

fn delta(seq: u64, run: &str, text: &str) -> Action {
    event(seq, run, json!({ "type": "delta", "text": text }))
}

fn finished(seq: u64, run: &str, text: &str) -> Action {
    let message = json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] });
    event(seq, run, json!({ "type": "final", "message": message, "stopReason": "end_turn", "usage": {} }))
}

fn sent(key: &str, run: &str, seq: u64) -> Action {
    let result = json!({ "runId": run, "session": MAIN, "status": "started", "epoch": 1, "seq": seq });
    let outcome = Ok(serde_json::from_value::<ChatSendResult>(result).unwrap());
    Action::Sent { key: key.to_owned(), outcome }
}

fn send(text: &str, key: &str) -> Action {
    Action::Send { text: text.to_owned(), attachments: Vec::new(), key: key.to_owned() }
}

fn sends(text: &str, key: &str) -> Command {
    Command::Send { session: main(), text: text.to_owned(), attachments: Vec::new(), key: key.to_owned() }
}

fn offline() -> RequestError {
    RequestError::Timeout(Duration::from_secs(30))
}

/// Takes all actions; gives all commands.
fn all(state: &mut State, actions: impl IntoIterator<Item = Action>) -> Vec<Command> {
    actions.into_iter().flat_map(|action| state.reduce(action)).collect()
}

/// The conversation in short: a line for each question and each part.
fn told(state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for turn in &state.conversation.turns {
        lines.push(format!("> {} ({:?})", turn.question, turn.progress));
        for part in &turn.parts {
            lines.push(match &**part {
                Part::Text(text) => text.clone(),
                Part::Thinking(text) => format!("({text})"),
                Part::Tool(tool) => format!("{} {:?}: {}", tool.name, tool.state, tool.output),
            });
        }
    }
    lines
}

#[test]
fn a_turn_from_question_to_answer() {
    let mut state = page();
    let commands = state.reduce(send("Hello", "k1"));
    assert_eq!(commands, [sends("Hello", "k1")]);
    assert_eq!(told(&state), ["> Hello (Sending)"]);
    assert!(!state.conversation.is_busy(), "there is nothing to stop yet");

    all(&mut state, [sent("k1", "r1", 10), accepted(11, "r1", "Hello")]);
    assert_eq!(told(&state), ["> Hello (Queued)"]);
    assert!(state.conversation.is_busy());

    all(
        &mut state,
        [
            event(12, "r1", json!({ "type": "thinking", "text": "Hm." })),
            delta(13, "r1", "Let me "),
            delta(14, "r1", "look."),
            event(
                15,
                "r1",
                json!({ "type": "tool.started", "callId": "c1", "tool": "notes.read", "input": {}, "effect": "read" }),
            ),
            event(16, "r1", json!({ "type": "tool.progress", "callId": "c1", "fraction": 0.5, "message": "half" })),
        ],
    );
    assert_eq!(told(&state), ["> Hello (Running)", "(Hm.)", "Let me look.", "notes.read Running: "]);

    let output = json!({ "content": [{ "type": "text", "text": "two lines" }], "isError": false });
    let metering = json!({ "wallUs": 12, "fuel": 1, "peakMemory": 1, "hostCalls": 1, "bytesOut": 0, "bytesIn": 0 });
    let commands = all(
        &mut state,
        [
            event(
                17,
                "r1",
                json!({ "type": "tool.finished", "callId": "c1", "tool": "notes.read", "output": output, "metering": metering }),
            ),
            delta(18, "r1", "Two"),
            finished(19, "r1", "Two lines."),
        ],
    );
    assert_eq!(told(&state), ["> Hello (Done)", "(Hm.)", "Let me look.", "notes.read Done: two lines", "Two lines."]);
    assert_eq!(commands, [Command::List]);
    assert!(!state.conversation.is_busy());
}

#[test]
fn the_first_event_may_come_before_the_answer_of_send() {
    let mut state = page();
    all(&mut state, [send("Hello", "k1"), accepted(11, "r1", "Hello"), delta(12, "r1", "Hi"), sent("k1", "r1", 10)]);
    assert_eq!(told(&state), ["> Hello (Running)", "Hi"]);
}

#[test]
fn equal_messages_are_two_messages() {
    let mut state = page();
    all(
        &mut state,
        [
            send("Hello", "k1"),
            send("Hello", "k2"),
            accepted(11, "r1", "Hello"),
            accepted(12, "r2", "Hello"),
            sent("k1", "r1", 10),
            sent("k2", "r2", 10),
        ],
    );
    assert_eq!(told(&state), ["> Hello (Queued)", "> Hello (Queued)"]);
}

#[test]
fn what_others_send_meanwhile_is_not_taken_for_ours() {
    let mut state = page();
    all(
        &mut state,
        [send("ours", "k1"), accepted(11, "r9", "theirs"), sent("k1", "r1", 11), accepted(12, "r1", "ours")],
    );
    assert_eq!(told(&state), ["> ours (Queued)", "> theirs (Queued)"]);
}

#[test]
fn what_others_send_is_shown_and_runs_do_not_mix() {
    let mut state = page();
    all(
        &mut state,
        [
            accepted(11, "r1", "one"),
            delta(12, "r1", "a"),
            accepted(13, "r2", "two"),
            delta(14, "r1", "b"),
            finished(15, "r1", "ab"),
            delta(16, "r2", "c"),
        ],
    );
    assert_eq!(told(&state), ["> one (Done)", "ab", "> two (Running)", "c"]);
}

#[test]
fn an_event_that_was_seen_changes_nothing() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "one"), delta(12, "r1", "a"), delta(12, "r1", "a"), accepted(11, "r1", "one")]);
    assert_eq!(told(&state), ["> one (Running)", "a"]);
}

#[test]
fn a_missing_event_reads_the_session_again_and_loses_nothing() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "one")]);
    assert_eq!(state.reduce(delta(13, "r1", "b")), [Command::Subscribe(main())]);
    assert_eq!(state.conversation.phase, Phase::Loading);
    // Events that come before the answer are kept, and those that it covers are dropped.
    all(&mut state, [delta(14, "r1", "c"), delta(15, "r1", "d")]);
    let message =
        json!({ "seq": 1, "runId": "r1", "atMs": 0, "role": "user", "content": [{ "type": "text", "text": "one" }] });
    let commands = read(&mut state, 14, json!({ "messages": [message], "run": { "runId": "r1", "text": "abc" } }));
    assert_eq!(commands, [Command::Peek { session: MAIN.parse().unwrap(), before: 1 }]);
    assert_eq!(told(&state), ["> one (Running)", "abcd"]);
}

#[test]
fn events_that_overflow_read_the_session_again() {
    let mut state = State::new(main());
    let many = u64::try_from(conversation::EARLY_EVENTS).unwrap();
    assert_eq!(all(&mut state, (1..=many).map(|seq| delta(seq, "r1", "x"))), []);
    assert_eq!(state.reduce(delta(many + 1, "r1", "x")), [Command::Subscribe(main())]);
}

#[test]
fn a_new_epoch_reads_the_session_again() {
    let mut state = page();
    let Action::Pushed(Push::Event(event)) = delta(11, "r1", "a") else { unreachable!() };
    let other = SessionEvent { epoch: 2, ..SessionEvent::clone(&event) };
    assert_eq!(state.reduce(Action::Pushed(Push::Event(Arc::new(other)))), [Command::Subscribe(main())]);
}

#[test]
fn a_slow_page_reads_all_again() {
    let mut state = page();
    assert_eq!(state.reduce(Action::Pushed(Push::Lagged)), [Command::Subscribe(main()), Command::List]);
}

#[test]
fn events_of_other_sessions_are_not_shown() {
    let mut state = page();
    let Action::Pushed(Push::Event(event)) = delta(11, "r1", "a") else { unreachable!() };
    let other = SessionEvent { session: "agent:main:other".parse().unwrap(), ..SessionEvent::clone(&event) };
    assert_eq!(state.reduce(Action::Pushed(Push::Event(Arc::new(other)))), []);
    assert_eq!(told(&state), Vec::<String>::new());
}

#[test]
fn a_message_that_did_not_get_there_can_be_sent_again_under_its_key() {
    let mut state = page();
    all(&mut state, [send("Hello", "k1"), Action::Sent { key: "k1".into(), outcome: Err(offline()) }]);
    assert_eq!(told(&state), ["> Hello (NotSent { why: \"no answer within 30s\" })"]);
    assert!(!state.conversation.is_busy());
    let again = state.reduce(Action::SendAgain { key: "k1".into() });
    assert_eq!(again, [sends("Hello", "k1")]);
    // A second click sends nothing.
    assert_eq!(state.reduce(Action::SendAgain { key: "k1".into() }), []);
    state.reduce(sent("k1", "r1", 10));
    assert_eq!(told(&state), ["> Hello (Queued)"]);
}

#[test]
fn a_message_under_way_survives_reading_again_and_is_not_doubled() {
    let mut state = page();
    state.reduce(send("Hello", "k1"));
    let message =
        json!({ "seq": 1, "runId": "r1", "atMs": 0, "role": "user", "content": [{ "type": "text", "text": "Hello" }] });
    read(&mut state, 12, json!({ "messages": [], "run": null }));
    assert_eq!(told(&state), ["> Hello (Sending)"]);
    read(&mut state, 13, json!({ "messages": [message], "run": { "runId": "r1", "text": "" } }));
    assert_eq!(told(&state), ["> Hello (Running)", "> Hello (Sending)"]);
    state.reduce(sent("k1", "r1", 10));
    assert_eq!(told(&state), ["> Hello (Running)"]);
}

#[test]
fn stopped_and_failed_runs_say_so_and_keep_what_was_said() {
    let mut state = page();
    all(
        &mut state,
        [
            accepted(11, "r1", "one"),
            event(
                12,
                "r1",
                json!({ "type": "tool.started", "callId": "c1", "tool": "clock", "input": {}, "effect": "read" }),
            ),
            delta(13, "r1", "part"),
        ],
    );
    assert_eq!(state.reduce(Action::Stop), [Command::Abort(main())]);
    all(
        &mut state,
        [
            event(14, "r1", json!({ "type": "aborted", "text": "partly" })),
            accepted(15, "r2", "two"),
            delta(16, "r2", "so"),
            event(
                17,
                "r2",
                json!({ "type": "error", "code": "rate_limited", "message": "try later", "retryable": true }),
            ),
        ],
    );
    assert_eq!(
        told(&state),
        ["> one (Stopped)", "clock Stopped: ", "partly", "> two (Failed { why: \"try later\" })", "so"]
    );
}

#[test]
fn history_is_told_like_events() {
    let mut state = State::new(main());
    let message = |seq: u64, run: &str, role: &str, content: Value| json!({ "seq": seq, "runId": run, "atMs": 0, "role": role, "content": content });
    let mut broken = message(7, "r2", "assistant", json!([{ "type": "text", "text": "I" }]));
    broken["interrupted"] = json!("interrupted");
    read(
        &mut state,
        40,
        json!({ "messages": [
            message(1, "r1", "user", json!([{ "type": "text", "text": "one" }])),
            message(2, "r2", "user", json!([{ "type": "text", "text": "two" }])),
            message(3, "r1", "assistant", json!([
                { "type": "thinking", "text": "Hm." },
                { "type": "text", "text": "Look:" },
                { "type": "toolCall", "id": "c1", "name": "notes__read", "input": { "file": "a" } },
            ])),
            message(4, "r1", "user", json!([{ "type": "toolResult", "id": "c1", "content": [{ "type": "text", "text": "no" }], "isError": true }])),
            message(5, "r1", "assistant", json!([{ "type": "text", "text": "It failed." }])),
            broken,
        ]}),
    );
    assert_eq!(
        told(&state),
        ["> one (Done)", "(Hm.)", "Look:", "notes.read Failed(None): no", "It failed.", "> two (Stopped)", "I"]
    );
    assert_eq!(state.conversation.turns[0].parts.len(), 4);
}

#[test]
fn a_session_that_does_not_exist_begins_with_its_first_message() {
    let mut state = State::new("web-1".parse().unwrap());
    let error = RpcError::new(ErrorCode::UnknownSession, "no such session");
    state.reduce(Action::Read { session: "web-1".parse().unwrap(), outcome: Err(RequestError::Rpc(error)) });
    assert_eq!(state.conversation.phase, Phase::Ready);
    all(&mut state, [send("Hello", "k1"), sent("k1", "r1", 0), accepted(1, "r1", "Hello"), delta(2, "r1", "Hi")]);
    assert_eq!(told(&state), ["> Hello (Running)", "Hi"]);
}

#[test]
fn the_answer_for_a_session_that_was_left_is_dropped() {
    let mut state = page();
    let commands = state.reduce(Action::Open("other".parse().unwrap()));
    assert_eq!(commands, [Command::Subscribe("other".parse().unwrap()), Command::List]);
    read(&mut state, 12, json!({ "messages": [] }));
    assert_eq!(state.conversation.phase, Phase::Loading);
}

#[test]
fn a_session_that_can_not_be_read_says_so_and_is_read_when_the_connection_is_back() {
    let mut state = State::new(main());
    state.reduce(Action::Pushed(Push::State(Link::Waiting { retry_in: Duration::from_secs(1), why: "away".into() })));
    state.reduce(Action::Read { session: main(), outcome: Err(offline()) });
    assert_eq!(state.conversation.phase, Phase::Failed("no answer within 30s".into()));
    let commands = state.reduce(Action::Pushed(Push::State(Link::Open)));
    assert_eq!(commands, [Command::Status, Command::List, Command::Subscribe(main())]);
}

#[test]
fn a_browser_that_the_daemon_does_not_know_has_to_sign_in() {
    let mut state = State::new(main());
    assert!(!state.tried);
    state.reduce(Action::Pushed(Push::State(Link::Closed { reason: CloseReason::Unauthorized })));
    assert!(state.tried && state.is_logged_out());
    // What fails because of it needs no words of its own.
    state.reduce(Action::Listed(Err(RequestError::Closed(CloseReason::Unauthorized))));
    assert_eq!(state.notice, None);
}

#[test]
fn what_belongs_to_no_message_is_a_notice_until_it_is_read() {
    let mut state = page();
    state.reduce(Action::Stopped(Err(offline())));
    assert_eq!(state.notice, Some(Notice::Stop("no answer within 30s".into())));
    state.reduce(Action::Dismiss);
    assert_eq!(state.notice, None);
}

#[test]
fn the_list_marks_what_is_open() {
    let mut state = page();
    let info = |session: &str| -> SessionInfo {
        serde_json::from_value(json!({
            "session": session, "agent": "main", "createdMs": 1, "updatedMs": 2, "messages": 1, "active": false,
        }))
        .unwrap()
    };
    let sessions = vec![info(MAIN), info("agent:main:other")];
    state.reduce(Action::Listed(Ok(SessionListResult { sessions: sessions.clone() })));
    assert_eq!(sessions.iter().map(|session| state.is_open(session)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_long_conversation_and_a_long_output_are_cut() {
    let mut state = page();
    for at in 0..conversation::TURNS + 10 {
        let seq = u64::try_from(at).unwrap() + 11;
        state.reduce(accepted(seq, &format!("r{at}"), &format!("question {at}")));
    }
    assert_eq!(state.conversation.turns.len(), conversation::TURNS);
    assert_eq!(state.conversation.turns[0].question, "question 10");
    let last = state.conversation.turns.last().unwrap();
    assert_eq!(state.conversation.turn(last.key), Some(last));

    let mut state = page();
    let output =
        json!({ "content": [{ "type": "text", "text": "ä".repeat(tool::TOOL_TEXT_BYTES) }], "isError": false });
    let metering = json!({ "wallUs": 1, "fuel": 1, "peakMemory": 1, "hostCalls": 1, "bytesOut": 0, "bytesIn": 0 });
    all(
        &mut state,
        [
            event(
                11,
                "r1",
                json!({ "type": "tool.started", "callId": "c", "tool": "t", "input": {}, "effect": "pure" }),
            ),
            event(
                12,
                "r1",
                json!({ "type": "tool.finished", "callId": "c", "tool": "t", "output": output, "metering": metering }),
            ),
        ],
    );
    let Part::Tool(tool) = &*state.conversation.turns[0].parts[0] else { panic!("not a tool") };
    assert_eq!(tool.state, ToolState::Done);
    assert!(tool.output.len() < tool::TOOL_TEXT_BYTES + 64 && tool.output.ends_with("131072 bytes in all"));
}

#[test]
fn a_turn_that_did_not_change_is_the_same_allocation() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "one"), finished(12, "r1", "a"), accepted(13, "r2", "two")]);
    let before = Arc::clone(&state.conversation.turns[0]);
    state.reduce(delta(14, "r2", "b"));
    assert!(Arc::ptr_eq(&before, &state.conversation.turns[0]));
    assert_eq!(state.conversation.turns[1].progress, Progress::Running);
}
