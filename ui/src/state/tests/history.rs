//! Messages from before those that are shown, and what came with them.

use exoclaw_protocol::HistoryMessage;
use serde_json::{Value, json};

use super::*;
use crate::state::{Attachment, Earlier};

fn message(seq: u64, run: &str, role: &str, content: Value) -> Value {
    json!({ "seq": seq, "runId": run, "atMs": seq, "role": role, "content": content })
}

fn text(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}

fn earlier(state: &mut State, messages: Value, more: bool) {
    let messages: Vec<HistoryMessage> = serde_json::from_value(messages).unwrap();
    state.reduce(Action::Earlier { session: MAIN.parse().unwrap(), outcome: Ok((messages, more)) });
}

/// A page that shows the second half of a turn, and the one after it.
fn halfway() -> State {
    let mut state = State::new(main());
    let messages = json!([
        message(7, "r2", "assistant", text("second half")),
        message(8, "r3", "user", text("third")),
        message(9, "r3", "assistant", text("answer")),
    ]);
    let commands = read(&mut state, 10, json!({ "messages": messages }));
    assert!(commands.contains(&Command::Peek { session: MAIN.parse().unwrap(), before: 7 }), "{commands:?}");
    state.reduce(Action::Peeked { session: MAIN.parse().unwrap(), found: Ok(true) });
    state
}

#[test]
fn earlier_messages_come_before_and_join_what_was_cut() {
    let mut state = halfway();
    let keys: Vec<u64> = state.conversation.turns.iter().map(|turn| turn.key).collect();
    assert_eq!(state.conversation.earlier, Earlier::Some);
    assert_eq!(state.reduce(Action::ReadEarlier), [Command::Earlier { session: MAIN.parse().unwrap(), before: 7 }]);
    assert_eq!(state.reduce(Action::ReadEarlier), [], "it is being read");
    let page = json!([
        message(2, "r1", "user", text("first")),
        message(3, "r1", "assistant", text("one")),
        message(4, "r2", "user", text("second")),
        message(5, "r2", "assistant", json!([{ "type": "toolCall", "id": "c", "name": "notes__read", "input": {} }])),
    ]);
    earlier(&mut state, page, false);
    assert_eq!(
        told(&state),
        ["> first (Done)", "one", "> second (Done)", "notes.read Done: ", "second half", "> third (Done)", "answer",]
    );
    assert_eq!(state.conversation.earlier, Earlier::None);
    // What was there keeps its place in the page.
    let now: Vec<u64> = state.conversation.turns.iter().map(|turn| turn.key).collect();
    assert_eq!(now[1..], keys);
    assert!(now.is_sorted());
    assert!(now.iter().all(|key| state.conversation.turn(*key).is_some()));
}

#[test]
fn reading_back_that_fails_can_be_tried_again() {
    let mut state = halfway();
    state.reduce(Action::ReadEarlier);
    state.reduce(Action::Earlier { session: MAIN.parse().unwrap(), outcome: Err(offline()) });
    assert_eq!(state.conversation.earlier, Earlier::Some);
    assert!(matches!(state.notice, Some(Notice::Earlier(_))));
}

#[test]
fn an_image_is_shown_when_it_is_asked_for_and_then_kept() {
    let mut state = State::new(main());
    let content = json!([{ "type": "omitted", "what": "image", "bytes": 6 }, { "type": "text", "text": "Look" }]);
    let messages = json!([message(1, "r1", "user", content)]);
    read(&mut state, 10, json!({ "messages": messages }));
    assert!(state.conversation.turns[0].attachments[0].is_hidden_image());
    let command = Command::Attachments { session: MAIN.parse().unwrap(), seq: 1 };
    assert_eq!(state.reduce(Action::ShowAttachments { seq: 1 }), [command]);
    let image = Attachment::image("image/png".into(), "aGVsbG8h".into());
    let outcome = Ok(vec![image.clone()]);
    state.reduce(Action::Attachments { session: MAIN.parse().unwrap(), seq: 1, outcome });
    assert_eq!(state.conversation.turns[0].attachments, std::slice::from_ref(&image));
    read(&mut state, 12, json!({ "messages": messages }));
    assert_eq!(state.conversation.turns[0].attachments, [image]);
}

#[test]
fn a_gap_is_told_of_where_something_was_read_anew() {
    let gap = || {
        let session = MAIN.parse().unwrap();
        Action::Pushed(Push::SeqGap { session, seen: (1, 10), next: (1, 20) })
    };
    let mut state = page();
    state.reduce(gap());
    read(&mut state, 20, json!({ "messages": [] }));
    assert!(!state.conversation.missed, "nothing happened meanwhile");
    state.reduce(gap());
    read(&mut state, 30, json!({ "messages": [message(1, "r1", "user", text("Hello"))] }));
    assert!(state.conversation.missed);
    state.reduce(Action::Dismiss);
    assert!(!state.conversation.missed);
}

#[test]
fn what_this_page_sent_keeps_its_bytes() {
    let mut state = page();
    let image = Attachment::image("image/png".into(), "aGVsbG8h".into());
    state.reduce(Action::Send { text: "Look".into(), attachments: vec![image.clone()], key: "k1".into() });
    let content = json!([{ "type": "omitted", "what": "image", "bytes": 6 }, { "type": "text", "text": "Look" }]);
    let message = json!({ "role": "user", "content": content });
    state.reduce(event(11, "r1", json!({ "type": "accepted", "message": message })));
    assert_eq!(state.conversation.turns.len(), 1);
    assert_eq!(state.conversation.turns[0].attachments, [image]);
}
