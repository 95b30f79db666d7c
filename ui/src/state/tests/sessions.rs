//! The list: what is unread, pinned, deleted, and what came while the reader looked away.

use exoclaw_protocol::SessionDeleteResult;
use serde_json::json;

use super::*;

const OTHER: &str = "agent:main:other";

fn info(session: &str, updated_ms: u64) -> SessionInfo {
    serde_json::from_value(json!({
        "session": session, "agent": "main", "createdMs": 1, "updatedMs": updated_ms, "messages": 1, "active": false,
    }))
    .unwrap()
}

fn list(state: &mut State, sessions: &[(&str, u64)]) -> Vec<Command> {
    let sessions = sessions.iter().map(|(session, at)| info(session, *at)).collect();
    state.reduce(Action::Listed(Ok(SessionListResult { sessions })))
}

fn unread(state: &State) -> Vec<String> {
    let list = state.sessions.list.iter().filter(|info| state.sessions.is_unread(info));
    list.map(|info| info.session.to_string()).collect()
}

#[test]
fn what_happens_elsewhere_is_unread_until_it_is_opened() {
    let mut state = page();
    assert_eq!(list(&mut state, &[(MAIN, 10), (OTHER, 5)]), [Command::KeepNotes]);
    assert_eq!(unread(&state), [""; 0], "what was there before counts as read");
    list(&mut state, &[(OTHER, 20), (MAIN, 15), ("agent:main:new", 12)]);
    assert_eq!(unread(&state), [OTHER, "agent:main:new"]);
    state.reduce(Action::Open(OTHER.parse().unwrap()));
    assert_eq!(unread(&state), ["agent:main:new"]);
    assert_eq!(state.sessions.unread(), 1);
}

#[test]
fn what_was_seen_is_read_though_it_is_listed_later() {
    let mut state = page();
    list(&mut state, &[(MAIN, 10), (OTHER, 5)]);
    all(&mut state, [accepted(11, "r1", "one"), finished(12, "r1", "a")]);
    state.reduce(Action::Open(OTHER.parse().unwrap()));
    list(&mut state, &[(MAIN, 20), (OTHER, 5)]);
    assert_eq!(unread(&state), [""; 0]);
    list(&mut state, &[(MAIN, 30), (OTHER, 5)]);
    assert_eq!(unread(&state), [MAIN]);
}

#[test]
fn nobody_reads_a_page_that_is_hidden() {
    let mut state = page();
    list(&mut state, &[(MAIN, 10)]);
    state.reduce(Action::Looked(false));
    list(&mut state, &[(MAIN, 20)]);
    assert_eq!(unread(&state), [MAIN]);
    assert_eq!(state.reduce(Action::Looked(true)), [Command::KeepNotes, Command::List]);
    assert_eq!(unread(&state), [""; 0]);
}

#[test]
fn what_came_while_the_reader_looked_away_is_marked_until_they_write() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "one"), finished(12, "r1", "a")]);
    let last = state.conversation.turns[0].key;
    state.reduce(Action::Looked(false));
    state.reduce(Action::Looked(true));
    assert_eq!(state.conversation.away_since, None, "nothing came");
    state.reduce(Action::Looked(false));
    all(&mut state, [accepted(13, "r2", "two"), finished(14, "r2", "b")]);
    state.reduce(Action::Looked(true));
    assert_eq!(state.conversation.away_since, Some(last));
    state.reduce(send("three", "k1"));
    assert_eq!(state.conversation.away_since, None);
}

#[test]
fn pins_and_marks_are_kept_and_taken_from_other_tabs() {
    let mut state = page();
    list(&mut state, &[(MAIN, 10), (OTHER, 5)]);
    assert_eq!(state.reduce(Action::Pin(OTHER.parse().unwrap())), [Command::KeepNotes]);
    list(&mut state, &[(OTHER, 20), (MAIN, 10)]);
    let mut other = page();
    other.reduce(Action::Noted(state.sessions.notes()));
    list(&mut other, &[(OTHER, 20), (MAIN, 10)]);
    assert!(other.sessions.is_pinned(&OTHER.parse().unwrap()));
    assert_eq!(unread(&other), [OTHER]);
    other.reduce(Action::Pin(OTHER.parse().unwrap()));
    assert!(!other.sessions.is_pinned(&OTHER.parse().unwrap()));
    // What nobody can read changes nothing.
    let before = state.clone();
    state.reduce(Action::Noted("{".into()));
    assert_eq!(state, before);
}

#[test]
fn a_session_that_is_deleted_while_it_is_shown_begins_anew() {
    let mut state = page();
    all(&mut state, [accepted(11, "r1", "one"), finished(12, "r1", "a")]);
    list(&mut state, &[(MAIN, 10), (OTHER, 5)]);
    let session = MAIN.parse().unwrap();
    let outcome = Ok(SessionDeleteResult { deleted: true });
    let commands = state.reduce(Action::Deleted { session, outcome });
    assert!(commands.contains(&Command::Subscribe(main())) && commands.contains(&Command::List), "{commands:?}");
    assert_eq!(state.conversation.turns.len(), 0);
    assert_eq!(state.sessions.list.len(), 1);
}

#[test]
fn calls_of_tools_are_remembered_the_newest_first() {
    let mut state = page();
    for (seq, tool) in [(11, "clock.now"), (12, "notes.read")] {
        let output = json!({ "content": [], "isError": true, "failure": "timed_out" });
        let metering = json!({ "wallUs": 1, "fuel": 1, "peakMemory": 1, "hostCalls": 1, "bytesOut": 0, "bytesIn": 0 });
        state.reduce(event(
            seq,
            "r1",
            json!({ "type": "tool.finished", "callId": "c", "tool": tool, "output": output, "metering": metering }),
        ));
    }
    let calls: Vec<&str> = state.calls.iter().map(|call| call.tool.as_str()).collect();
    assert_eq!(calls, ["notes.read", "clock.now"]);
    assert_eq!(state.calls[0].failed, Some(Some(exoclaw_protocol::FailureKind::TimedOut)));
}
