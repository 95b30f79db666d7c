use crossterm::event::{KeyCode, KeyModifiers};
use exoclaw_client::CloseReason;
use exoclaw_protocol::{RpcError, SessionEvent};
use serde_json::{Value, json};

use super::{
    turn::{Part, Progress, ToolState},
    *,
};

const NOW: u64 = 1_000_000;
const KEY: &str = "agent:main:main";

fn key(code: KeyCode) -> Action {
    Action::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(c: char) -> Action {
    Action::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))
}

fn event(seq: u64, run: &str, event: Value) -> Action {
    let mut whole = json!({ "session": KEY, "epoch": 1, "seq": seq, "runId": run });
    whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    let event: SessionEvent = serde_json::from_value(whole).unwrap();
    Action::Pushed(Push::Event(event.into()))
}

fn accepted(seq: u64, run: &str, text: &str) -> Action {
    let message = json!({ "role": "user", "content": [{ "type": "text", "text": text }] });
    event(seq, run, json!({ "type": "accepted", "message": message }))
}

fn approval(id: &str) -> Value {
    json!({
        "id": id, "session": KEY, "runId": "r1", "callId": id, "tool": "notes.append", "input": { "text": "milk" },
        "digest": "d", "effect": "once", "expiresMs": NOW + 60_000,
    })
}

fn read(seq: u64, snapshot: Value) -> SessionSubscribeResult {
    let whole = json!({ "session": KEY, "epoch": 1, "seq": seq, "recovered": false, "snapshot": snapshot });
    serde_json::from_value(whole).unwrap()
}

/// A screen that shows an empty conversation.
fn ready() -> State {
    let mut state = State::new("main".parse().unwrap(), "seed".to_owned());
    state.start();
    state.reduce(Action::Pushed(Push::State(Link::Open)), NOW);
    let outcome = Ok(read(0, json!({ "messages": [] })));
    state.reduce(Action::Read { session: "main".parse().unwrap(), outcome }, NOW);
    state
}

fn run(state: &mut State, actions: impl IntoIterator<Item = Action>) -> Vec<Command> {
    actions.into_iter().flat_map(|action| state.reduce(action, NOW)).collect()
}

fn type_in(state: &mut State, text: &str) -> Vec<Command> {
    run(state, text.chars().map(|c| key(KeyCode::Char(c))))
}

/// A screen on which a question was drawn, of which so many lines were not seen.
fn asked(rest: usize) -> State {
    let mut state = ready();
    let asked = event(2, "r1", json!({ "type": "approval.requested", "approval": approval("00000000000000a1") }));
    run(&mut state, [accepted(1, "r1", "hi"), asked]);
    state.drawn = Drawn { lines: 9, height: 4, question: Some(("00000000000000a1".parse().unwrap(), rest)) };
    state
}

fn names(commands: &[Command]) -> Vec<String> {
    let name = |command: &Command| match command {
        Command::Resolve(approval, verdict) => format!("{verdict:?} {}", approval.id),
        other => format!("{other:?}"),
    };
    commands.iter().map(name).collect()
}

#[test]
fn a_message_is_shown_while_it_is_on_its_way_and_adopted_by_its_run() {
    let mut state = ready();
    type_in(&mut state, "hi");
    let commands = run(&mut state, [key(KeyCode::Enter)]);
    let expected = Command::Send { session: KEY.parse().unwrap(), text: "hi".to_owned(), key: "seed-1".to_owned() };
    assert_eq!(commands, [expected]);
    assert_eq!((state.conversation.turns.len(), state.composer.text()), (1, ""));
    assert_eq!(state.conversation.turns[0].progress, Progress::Sending);

    run(&mut state, [accepted(1, "r1", "hi"), event(2, "r1", json!({ "type": "delta", "text": "Hel" }))]);
    run(&mut state, [event(3, "r1", json!({ "type": "delta", "text": "lo" }))]);
    assert_eq!(state.conversation.turns.len(), 1, "it is the same message");
    assert_eq!(state.conversation.turns[0].parts, [Part::Text("Hello".to_owned())]);
    let message = json!({ "role": "assistant", "content": [{ "type": "text", "text": "Hello!" }] });
    let last = json!({ "type": "final", "message": message, "stopReason": "end_turn", "usage": {} });
    assert_eq!(run(&mut state, [event(4, "r1", last)]), [Command::List]);
    assert_eq!(state.conversation.turns[0].parts, [Part::Text("Hello!".to_owned())]);
    assert_eq!(state.conversation.turns[0].progress, Progress::Done);
}

#[test]
fn a_message_that_did_not_get_there_is_sent_again_under_its_key() {
    let mut state = ready();
    type_in(&mut state, "hi");
    run(&mut state, [key(KeyCode::Enter)]);
    let outcome = Err(RequestError::Timeout(std::time::Duration::from_secs(30)));
    run(&mut state, [Action::Sent { key: "seed-1".to_owned(), outcome }]);
    assert!(matches!(state.conversation.turns[0].progress, Progress::NotSent(_)));
    let again = run(&mut state, [control('r')]);
    assert!(matches!(&again[..], [Command::Send { text, key, .. }] if text == "hi" && key == "seed-1"), "{again:?}");
    assert_eq!(run(&mut state, [control('r')]), []);
}

#[test]
fn an_event_that_does_not_follow_makes_it_read_again() {
    let mut state = ready();
    let commands = run(&mut state, [accepted(1, "r1", "hi"), event(3, "r1", json!({ "type": "delta", "text": "x" }))]);
    assert_eq!(commands, [Command::Subscribe(KEY.parse().unwrap())]);
    // What comes until then is taken afterwards, once.
    run(&mut state, [event(4, "r1", json!({ "type": "delta", "text": "d" }))]);
    let messages =
        json!([{ "seq": 1, "runId": "r1", "atMs": 1, "role": "user", "content": [{ "type": "text", "text": "hi" }] }]);
    let snapshot = read(3, json!({ "messages": messages, "run": { "runId": "r1", "text": "abc" } }));
    let read = Action::Read { session: state.open.clone(), outcome: Ok(snapshot) };
    run(&mut state, [read]);
    assert_eq!(state.conversation.turns[0].parts, [Part::Text("abcd".to_owned())]);
}

#[test]
fn a_call_is_allowed_when_it_was_seen_whole_and_denied_always() {
    let mut state = asked(0);
    assert_eq!(names(&run(&mut state, [control('y')])), ["Allow 00000000000000a1"]);
    let mut state = asked(3);
    assert_eq!(names(&run(&mut state, [control('y')])), [""; 0], "three lines were not seen");
    assert_eq!(state.question_top, 3);
    assert!(state.notice.is_some());
    assert_eq!(names(&run(&mut state, [control('n')])), ["Deny 00000000000000a1"]);
}

#[test]
fn what_is_typed_answers_no_question() {
    let mut state = asked(0);
    assert_eq!(names(&type_in(&mut state, "yes, allow it")), [""; 0]);
    let sent = run(&mut state, [key(KeyCode::Enter)]);
    assert!(matches!(&sent[..], [Command::Send { .. }]), "{sent:?}");
}

#[test]
fn a_question_that_was_not_drawn_can_not_be_allowed() {
    let mut state = asked(0);
    // The one that is asked now is another one than the one on the screen.
    let next = event(3, "r1", json!({ "type": "approval.requested", "approval": approval("00000000000000a2") }));
    let resolved =
        event(4, "r1", json!({ "type": "approval.resolved", "id": "00000000000000a1", "decision": "denied" }));
    run(&mut state, [next, resolved]);
    assert_eq!(names(&run(&mut state, [control('y')])), [""; 0]);
}

#[test]
fn a_call_that_was_denied_stays_so() {
    let mut state = asked(0);
    let id = "00000000000000a1";
    let failed = json!({ "content": [], "isError": true, "failure": "denied" });
    let metering = json!({ "wallUs": 0, "fuel": 0, "peakMemory": 0, "hostCalls": 0, "bytesOut": 0, "bytesIn": 0 });
    let call = json!({ "type": "tool.started", "callId": id, "tool": "notes.append", "input": {}, "effect": "once" });
    let end = json!({
        "type": "tool.finished", "callId": id, "tool": "notes.append", "output": failed, "metering": metering,
    });
    let resolved = json!({ "type": "approval.resolved", "id": id, "decision": "denied" });
    run(&mut state, [event(3, "r1", resolved), event(4, "r1", call), event(5, "r1", end)]);
    let Part::Tool(tool) = &state.conversation.turns[0].parts[0] else { panic!("no call") };
    assert_eq!((&tool.state, state.question()), (&ToolState::Denied, None));
}

#[test]
fn escape_stops_what_is_under_way_and_nothing_else() {
    let mut state = ready();
    assert_eq!(run(&mut state, [key(KeyCode::Esc)]), []);
    run(&mut state, [accepted(1, "r1", "hi")]);
    assert_eq!(run(&mut state, [key(KeyCode::Esc)]), [Command::Abort(KEY.parse().unwrap())]);
    assert_eq!(run(&mut state, [control('c')]), [Command::Abort(KEY.parse().unwrap())]);
    run(&mut state, [event(2, "r1", json!({ "type": "aborted", "text": "so f" }))]);
    assert_eq!(state.conversation.turns[0].progress, Progress::Stopped);
}

#[test]
fn ctrl_c_clears_what_is_typed_before_it_leaves() {
    let mut state = ready();
    type_in(&mut state, "hi");
    assert_eq!(run(&mut state, [control('d'), control('c')]), []);
    assert!(state.composer.is_empty());
    assert_eq!(run(&mut state, [control('c')]), [Command::Quit]);
}

#[test]
fn another_conversation_is_opened_and_marks_say_what_happened_elsewhere() {
    let info = |name: &str| {
        let key = format!("agent:main:{name}");
        json!({ "session": key, "agent": "main", "createdMs": 1, "updatedMs": 1, "messages": 1, "active": false })
    };
    let list = serde_json::from_value(json!({ "sessions": [info("main"), info("work")] })).unwrap();
    let mut state = ready();
    let work: SessionKey = "agent:main:work".parse().unwrap();
    run(&mut state, [Action::Listed(Ok(list))]);
    let Action::Pushed(Push::Event(event)) = event(1, "r9", json!({ "type": "joined", "into": "r8" })) else {
        unreachable!()
    };
    let elsewhere = SessionEvent { session: work.clone(), ..SessionEvent::clone(&event) };
    run(&mut state, [Action::Pushed(Push::Event(elsewhere.into()))]);
    assert_eq!(state.marks.get(&work), Some(&Mark::Unread));

    let opened = run(&mut state, [key(KeyCode::Tab), key(KeyCode::Down), key(KeyCode::Enter)]);
    assert_eq!(opened, [Command::Subscribe(SessionRef::Key(work.clone()))]);
    let mut result = read(5, json!({ "messages": [] }));
    result.session = work.clone();
    run(&mut state, [Action::Read { session: SessionRef::Key(work.clone()), outcome: Ok(result) }]);
    assert_eq!((state.conversation.session.as_ref(), state.marks.len()), (Some(&work), 0));

    let new = run(&mut state, [key(KeyCode::Tab), key(KeyCode::Char('n'))]);
    assert_eq!(new, [Command::Subscribe("chat-seed-1".parse().unwrap())]);
    let unknown = RpcError::new(ErrorCode::UnknownSession, "no");
    let read = Action::Read { session: state.open.clone(), outcome: Err(RequestError::Rpc(unknown)) };
    run(&mut state, [read]);
    assert_eq!(state.conversation.phase, Phase::Ready);
}

#[test]
fn a_break_is_told_with_what_became_of_it() {
    let away = || Action::Pushed(Push::State(Link::Waiting { retry_in: Default::default(), why: "cut".to_owned() }));
    let back = || Action::Pushed(Push::State(Link::Open));
    let mut state = ready();
    run(&mut state, [accepted(1, "r1", "hi"), away()]);
    assert_eq!(state.broke, Some(Break::Lasts));
    run(&mut state, [back()]);
    assert_eq!(state.broke, Some(Break::Resumed));
    run(&mut state, [away(), back(), Action::Pushed(Push::Snapshot(read(7, json!({ "messages": [] })).into()))]);
    assert_eq!(state.broke, Some(Break::Read));
    let closed = Link::Closed { reason: CloseReason::Unauthorized };
    run(&mut state, [Action::Pushed(Push::State(closed.clone()))]);
    assert_eq!(state.link, closed);
}

#[test]
fn scrolling_stays_where_it_is_until_the_end_is_reached() {
    let mut state = ready();
    state.drawn = Drawn { lines: 100, height: 10, question: None };
    run(&mut state, [key(KeyCode::PageUp), key(KeyCode::Up)]);
    assert_eq!(state.top, Some(81));
    state.drawn.lines = 200;
    assert_eq!(state.top, Some(81), "an answer that grows does not move it");
    run(&mut state, [key(KeyCode::PageDown)]);
    assert_eq!(state.top, Some(89));
    state.drawn.lines = 100;
    run(&mut state, [key(KeyCode::Down)]);
    assert_eq!(state.top, None, "the end is followed again");
}

#[test]
fn typing_is_that_of_a_terminal() {
    let mut state = ready();
    let check = |state: &State, text: &str, before: &str| {
        assert_eq!((state.composer.text(), state.composer.before()), (text, before));
    };
    type_in(&mut state, "one two");
    run(&mut state, [control('w')]);
    check(&state, "one ", "one ");
    run(&mut state, [Action::Paste("äb\r\ncd\x1b[2J".to_owned())]);
    check(&state, "one äb\ncd[2J", "one äb\ncd[2J");
    run(&mut state, [key(KeyCode::Up)]);
    check(&state, "one äb\ncd[2J", "one ä");
    run(&mut state, [key(KeyCode::Backspace), key(KeyCode::Delete), control('a'), control('k')]);
    check(&state, "\ncd[2J", "");
    run(&mut state, [key(KeyCode::Down), key(KeyCode::End), control('u')]);
    check(&state, "\n", "\n");
    run(&mut state, [key(KeyCode::Left), key(KeyCode::Delete), control('j'), key(KeyCode::Enter)]);
    check(&state, "\n", "\n");
    run(&mut state, [Action::Paste("x".repeat(composer::TEXT_BYTES))]);
    check(&state, "\n", "\n");
    assert!(state.notice.is_some(), "what does not fit is said");
}
