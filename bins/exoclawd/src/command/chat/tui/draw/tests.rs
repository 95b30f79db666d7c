use std::time::Duration;

use exoclaw_client::{Push, State as Link};
use exoclaw_protocol::{SessionEvent, SessionRef};
use ratatui::{Terminal, backend::TestBackend};
use serde_json::{Value, json};

use super::{super::state::Action, *};

const NOW: u64 = 1_000_000;
const KEY: &str = "agent:main:main";

/// What a screen of that size shows.
fn picture(state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut artist = Artist::new(Look { colours: true });
    terminal.draw(|frame| state.drawn = artist.draw(state, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y: u16| {
        let mut row = String::new();
        let mut skip = 0;
        for x in 0..width {
            let symbol = buffer[(x, y)].symbol();
            // What is two columns wide has an empty cell behind it.
            if skip == 0 {
                row.push_str(symbol);
                skip = Span::raw(symbol).width().saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        row.trim_end().to_owned()
    };
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

fn happen(state: &mut State, run: &str, events: impl IntoIterator<Item = Value>) {
    for event in events {
        let seq = state.conversation.seen() + 1;
        let mut whole = json!({ "session": KEY, "epoch": 1, "seq": seq, "runId": run });
        whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        let event: SessionEvent = serde_json::from_value(whole).unwrap();
        state.reduce(Action::Pushed(Push::Event(event.into())), NOW);
    }
}

fn ready() -> State {
    let open: SessionRef = "main".parse().unwrap();
    let mut state = State::new(open.clone(), "seed".to_owned());
    state.start();
    state.reduce(Action::Pushed(Push::State(Link::Open)), NOW);
    let result = json!({ "session": KEY, "epoch": 1, "seq": 0, "recovered": false, "snapshot": { "messages": [] } });
    state.reduce(Action::Read { session: open, outcome: Ok(serde_json::from_value(result).unwrap()) }, NOW);
    let info = |key: &str, title: &str, active: bool| {
        let times = json!({ "createdMs": 1, "updatedMs": 1, "messages": 1 });
        let mut info = json!({ "session": key, "agent": "main", "title": title, "active": active });
        info.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        info
    };
    let sessions =
        [info(KEY, "Shopping for the weekend", false), info("agent:main:work", "Quarterly report \u{1b}[2J", true)];
    let list = json!({ "sessions": sessions });
    state.reduce(Action::Listed(Ok(serde_json::from_value(list).unwrap())), NOW);
    state
}

fn accepted(text: &str) -> Value {
    let message = json!({ "role": "user", "content": [{ "type": "text", "text": text }] });
    json!({ "type": "accepted", "message": message })
}

/// A question, a call that was made, and an answer.
fn talked() -> State {
    let mut state = ready();
    let metering = json!({ "wallUs": 1_234, "fuel": 56_789, "peakMemory": 1_114_112, "hostCalls": 3, "bytesOut": 0, "bytesIn": 17 });
    let output = json!({ "content": [{ "type": "text", "text": "noted\nas line 3" }], "isError": false });
    let answer = "## Done\n\nI wrote **one line** with `notes.append`:\n\n- *milk*, which is a long item so that it has to go on in the next line of a narrow screen\n- eggs\n\n```sh\ncat notes.md\n```";
    let message = json!({ "role": "assistant", "content": [{ "type": "text", "text": answer }] });
    happen(
        &mut state,
        "r1",
        [
            accepted("Remember milk,\nand eggs 🥚"),
            json!({ "type": "thinking", "text": "The person wants a note." }),
            json!({ "type": "tool.started", "callId": "c1", "tool": "notes.append", "input": { "text": "milk" }, "effect": "once" }),
            json!({ "type": "tool.finished", "callId": "c1", "tool": "notes.append", "output": output, "metering": metering }),
            json!({ "type": "delta", "text": answer }),
            json!({ "type": "final", "message": message, "stopReason": "end_turn", "usage": { "inputTokens": 120, "outputTokens": 33 } }),
        ],
    );
    state
}

#[test]
fn a_new_conversation_says_what_to_do() {
    insta::assert_snapshot!(picture(&mut ready(), 100, 12));
}

#[test]
fn an_answer_with_a_call() {
    insta::assert_snapshot!(picture(&mut talked(), 100, 30));
}

#[test]
fn an_answer_with_all_details_on_a_narrow_screen() {
    let mut state = talked();
    state.details = true;
    insta::assert_snapshot!(picture(&mut state, 60, 40));
}

#[test]
fn a_question_with_exact_arguments() {
    let mut state = ready();
    let input = json!({ "text": "milk\u{1b}[2J\u{202e}" });
    let approval = json!({
        "id": "00000000000000a1", "session": KEY, "runId": "r1", "callId": "c1", "tool": "notes.append", "input": input,
        "digest": "d", "effect": "once", "expiresMs": NOW + 59_000,
    });
    happen(
        &mut state,
        "r1",
        [accepted("Remember milk"), json!({ "type": "approval.requested", "approval": approval })],
    );
    insta::assert_snapshot!(picture(&mut state, 100, 18));
    assert_eq!(state.drawn.question, Some(("00000000000000a1".parse().unwrap(), 0)));
}

#[test]
fn a_question_that_is_longer_than_its_room_says_so() {
    let mut state = ready();
    let approval = json!({
        "id": "00000000000000a1", "session": KEY, "runId": "r1", "callId": "c1", "tool": "notes.append",
        "input": { "text": "milk and honey ".repeat(60) }, "digest": "d", "effect": "once", "expiresMs": NOW + 59_000,
    });
    happen(
        &mut state,
        "r1",
        [accepted("Remember milk"), json!({ "type": "approval.requested", "approval": approval })],
    );
    let shown = picture(&mut state, 60, 20);
    let Some((_, rest)) = state.drawn.question.clone() else { panic!("{shown}") };
    assert!(rest > 0 && shown.contains(&format!("↓ {rest} more lines")), "{rest}: {shown}");
    state.question_top = 1_000;
    let shown = picture(&mut state, 60, 20);
    assert!(shown.contains("honey \"}"), "{shown}");
    assert_eq!(state.drawn.question.map(|(_, rest)| rest), Some(0));
}

#[test]
fn failures_and_breaks_are_told() {
    let mut state = ready();
    let output = json!({ "content": [{ "type": "text", "text": "no grant for example.org" }], "isError": true, "failure": "denied" });
    let metering = json!({ "wallUs": 900, "fuel": 1, "peakMemory": 1, "hostCalls": 1, "bytesOut": 0, "bytesIn": 0 });
    happen(
        &mut state,
        "r1",
        [
            accepted("Fetch it"),
            json!({ "type": "tool.started", "callId": "c1", "tool": "web.get", "input": { "url": "https://example.org" }, "effect": "read" }),
            json!({ "type": "tool.finished", "callId": "c1", "tool": "web.get", "output": output, "metering": metering }),
            json!({ "type": "error", "code": "busy", "message": "the provider is busy", "retryable": true }),
        ],
    );
    happen(
        &mut state,
        "r2",
        [accepted("Again"), json!({ "type": "delta", "text": "So f" }), json!({ "type": "aborted", "text": "So f" })],
    );
    let away =
        Link::Waiting { retry_in: Duration::from_secs(1), why: "the daemon closed the connection (1012)".to_owned() };
    state.reduce(Action::Pushed(Push::State(away)), NOW);
    insta::assert_snapshot!(picture(&mut state, 110, 22));
    state.reduce(Action::Pushed(Push::State(Link::Open)), NOW);
    assert!(picture(&mut state, 100, 22).contains("the connection broke and came back"));
}

#[test]
fn conversations_and_keys_on_a_narrow_screen() {
    let mut state = ready();
    state.chosen = Some(1);
    insta::assert_snapshot!(picture(&mut state, 50, 8));
    state.chosen = None;
    state.help = true;
    insta::assert_snapshot!("keys", picture(&mut state, 80, 24));
}

#[test]
fn no_text_of_others_steers_the_screen() {
    let hostile = "\u{1b}[2J\u{9b}1m\u{202e}\u{7}\r";
    let mut state = ready();
    let output = json!({ "content": [{ "type": "text", "text": hostile }], "isError": false });
    let metering = json!({ "wallUs": 1, "fuel": 1, "peakMemory": 1, "hostCalls": 1, "bytesOut": 0, "bytesIn": 0 });
    happen(
        &mut state,
        "r1",
        [
            accepted(hostile),
            json!({ "type": "thinking", "text": hostile }),
            json!({ "type": "delta", "text": format!("# {hostile}\n- {hostile} **{hostile}** `{hostile}`") }),
            json!({ "type": "tool.started", "callId": "c1", "tool": hostile, "input": { hostile: hostile }, "effect": "once" }),
            json!({ "type": "tool.progress", "callId": "c1", "message": hostile }),
            json!({ "type": "tool.finished", "callId": "c1", "tool": "x", "output": output, "metering": metering }),
            json!({ "type": "error", "code": "busy", "message": hostile, "retryable": true }),
        ],
    );
    state.notice = Some(hostile.to_owned());
    for details in [false, true] {
        state.details = details;
        let shown = picture(&mut state, 120, 40);
        let steers = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
        assert_eq!(shown.chars().find(steers), None, "{shown}");
    }
}

#[test]
fn every_size_can_be_drawn() {
    let mut state = talked();
    let approval = json!({
        "id": "00000000000000a1", "session": KEY, "runId": "r2", "callId": "c9", "tool": "notes.append", "input": { "text": "x" },
        "digest": "d", "effect": "once", "expiresMs": NOW,
    });
    happen(&mut state, "r2", [accepted("more"), json!({ "type": "approval.requested", "approval": approval })]);
    state.reduce(Action::Paste("many\nlines\nof\ntext that is long".to_owned()), NOW);
    for chosen in [None, Some(0)] {
        state.chosen = chosen;
        for (width, height) in [(1, 1), (2, 3), (5, 5), (20, 4), (91, 7), (92, 2), (300, 100)] {
            picture(&mut state, width, height);
            state.help = !state.help;
        }
    }
}
