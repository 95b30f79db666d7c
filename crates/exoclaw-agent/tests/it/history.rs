//! What `history::acceptable` gives, judged by the vendors' rules as the model server holds them.

use std::sync::Arc;

use exoclaw_agent::{AnthropicProvider, ModelRequest, OpenAiProvider, ProviderConfig, history};
use exoclaw_protocol::{Block, Message, Role, ToolContent};
use exoclaw_tests::model::check;
use proptest::prelude::*;
use serde_json::json;

fn call(id: &str) -> Block {
    Block::ToolCall { id: id.parse().unwrap(), name: "t".into(), input: json!({}) }
}

fn result(id: &str, text: &str) -> Block {
    let content = vec![ToolContent::Text { text: text.to_owned() }];
    Block::ToolResult { id: id.parse().unwrap(), content, is_error: false }
}

fn lost(id: &str) -> Block {
    let content = vec![ToolContent::Text { text: history::NO_RESULT.to_owned() }];
    Block::ToolResult { id: id.parse().unwrap(), content, is_error: true }
}

fn user(content: impl Into<Vec<Block>>) -> Message {
    Message { role: Role::User, content: content.into() }
}

fn assistant(content: impl Into<Vec<Block>>) -> Message {
    Message::assistant(content.into())
}

#[track_caller]
fn check_is(messages: Vec<Message>, expected: Vec<Message>) {
    assert_eq!(history::acceptable(messages), expected);
}

#[test]
fn a_sound_conversation_stays_as_it_is() {
    let thought = Block::Thinking { text: "hm".into(), signature: Some("s".into()) };
    let sound = vec![
        Message::user("hi"),
        assistant([thought, call("a"), call("b")]),
        user([result("a", "1"), result("b", "2"), Block::text("and?")]),
        assistant([Block::text("done")]),
        Message::user("thanks"),
    ];
    check_is(sound.clone(), sound);
}

#[test]
fn calls_and_results_are_paired() {
    check_is(
        vec![Message::user("hi"), assistant([call("a"), call("b")]), Message::user("still there?")],
        vec![
            Message::user("hi"),
            assistant([call("a"), call("b")]),
            user([lost("a"), lost("b"), Block::text("still there?")]),
        ],
    );
    check_is(
        vec![
            Message::user("hi"),
            assistant([call("a"), call("b")]),
            user([Block::text("x"), result("b", "2")]),
            user([result("a", "1")]),
        ],
        vec![
            Message::user("hi"),
            assistant([call("a"), call("b")]),
            user([result("a", "1"), result("b", "2"), Block::text("x")]),
        ],
    );
    check_is(
        vec![
            user([Block::text("hi"), result("x", "orphan")]),
            assistant([Block::text("yes")]),
            user([result("y", "late"), Block::text("ok")]),
        ],
        vec![Message::user("hi"), assistant([Block::text("yes")]), Message::user("ok")],
    );
    check_is(
        vec![Message::user("hi"), assistant([call("a")])],
        vec![Message::user("hi"), assistant([call("a")]), user([lost("a")])],
    );
}

#[test]
fn roles_alternate_from_user_to_user() {
    check_is(vec![Message::user("a"), Message::user("b")], vec![user([Block::text("a"), Block::text("b")])]);
    check_is(
        vec![assistant([Block::text("a")]), user([result("x", "orphan")]), assistant([Block::text("b")])],
        vec![
            Message::user(history::BEFORE_START),
            assistant([Block::text("a"), Block::text("b")]),
            Message::user(history::GO_ON),
        ],
    );
    check_is(vec![], vec![]);
    check_is(vec![Message::user(" \n"), assistant([])], vec![]);
}

#[test]
fn what_no_provider_takes_is_dropped() {
    let thought = || Block::Thinking { text: "hm".into(), signature: None };
    check_is(
        vec![
            Message::user("hi"),
            assistant([thought()]),
            Message::user("hello?"),
            assistant([Block::text("yes"), thought()]),
            Message::user("ok"),
        ],
        vec![user([Block::text("hi"), Block::text("hello?")]), assistant([Block::text("yes")]), Message::user("ok")],
    );
    check_is(
        vec![
            user([call("a"), Block::text("hi")]),
            assistant([thought(), call("a"), Block::text("")]),
            user([result("a", " ")]),
        ],
        vec![Message::user("hi"), assistant([thought(), call("a")]), user([result("a", history::NO_OUTPUT)])],
    );
}

#[test]
fn ids_that_come_again_get_a_number_in_their_results_too() {
    check_is(
        vec![
            Message::user("hi"),
            assistant([call("a"), call("a")]),
            user([result("a", "1"), result("a", "2")]),
            assistant([call("a")]),
            user([result("a", "3")]),
        ],
        vec![
            Message::user("hi"),
            assistant([call("a"), call("a-2")]),
            user([result("a", "1"), result("a-2", "2")]),
            assistant([call("a-3")]),
            user([result("a-3", "3")]),
        ],
    );
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let id = prop::sample::select(vec!["a", "b", "a-2", "c:1", "ü"]);
    let text = prop::sample::select(vec!["", " ", "x", "y\n"]);
    let input = prop::sample::select(vec![json!({}), json!({ "n": 1 }), json!("{\"n\":"), json!(null)]);
    let name = prop::sample::select(vec!["t", "notes.append", ""]);
    let block = prop_oneof![
        text.clone().prop_map(Block::text),
        Just(Block::Image { media_type: "image/png".into(), data: "AAAA".into() }),
        text.clone().prop_map(|text| Block::Thinking { text: text.into(), signature: None }),
        text.clone().prop_map(|text| Block::Thinking { text: text.into(), signature: Some("s".into()) }),
        Just(Block::RedactedThinking { data: "r".into() }),
        (id.clone(), name, input).prop_map(|(id, name, input)| Block::ToolCall {
            id: id.parse().unwrap(),
            name: name.into(),
            input
        }),
        (id, prop::collection::vec(text.prop_map(|text| ToolContent::Text { text: text.into() }), 0..3), any::<bool>())
            .prop_map(|(id, content, is_error)| Block::ToolResult { id: id.parse().unwrap(), content, is_error }),
    ];
    let role = prop_oneof![Just(Role::User), Just(Role::Assistant)];
    let message = (role, prop::collection::vec(block, 0..5)).prop_map(|(role, content)| Message { role, content });
    prop::collection::vec(message, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn both_vendors_accept_whatever_comes_out(messages in messages()) {
        let messages = history::acceptable(messages);
        prop_assert_eq!(&history::acceptable(messages.clone()), &messages, "not the same when done again");
        if messages.is_empty() {
            return Ok(());
        }
        let request = ModelRequest { model: "m".into(), system: None, messages, tools: Arc::new([]), max_tokens: None, thinking: None };
        let openai = OpenAiProvider::new(&ProviderConfig::new("p", "http://localhost/v1")).unwrap();
        prop_assert_eq!(check::anthropic(&AnthropicProvider::body(&request)), Ok(()));
        prop_assert_eq!(check::openai(&openai.body(&request)), Ok(()));
    }
}
