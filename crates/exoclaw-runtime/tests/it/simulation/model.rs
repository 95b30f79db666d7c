//! A model that does what the last message says, and takes nothing that a vendor's server would refuse.

use std::sync::Arc;

use exoclaw_agent::{
    AnthropicProvider, ModelEvent, ModelRequest, OpenAiProvider, Provider, ProviderConfig, ProviderError,
    ProviderErrorKind,
    test_util::{Answer, ScriptedProvider},
};
use exoclaw_protocol::{Block, Role};
use exoclaw_tests::model::check;
use futures::stream::BoxStream;
use serde_json::json;

use exoclaw_tests::random::Random;

/// The steps that a message may ask for, a letter each; when they are used up, the model answers.
const STEPS: &[u8] = b"oobblnmteTx";

/// A message of the session: its number, and the steps that it asks for.
pub(super) fn message(number: u64, with_tools: bool, chance: &mut Random) -> String {
    let letters = if with_tools { STEPS } else { b"nmteTx" };
    let steps: String =
        (0..chance.below(4)).map(|_| char::from(letters[chance.below(letters.len() as u64) as usize])).collect();
    format!("message {number}: {steps}.")
}

#[derive(Debug)]
pub(super) struct Model;

impl Provider for Model {
    fn stream(&self, request: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let openai = OpenAiProvider::new(&ProviderConfig::new("p", "http://localhost/v1")).unwrap();
        assert_eq!(check::anthropic(&AnthropicProvider::body(&request)), Ok(()), "{:?}", request.messages);
        assert_eq!(check::openai(&openai.body(&request)), Ok(()), "{:?}", request.messages);
        let (scripted, script) = ScriptedProvider::new();
        script.answer(answer(&request));
        scripted.stream(request)
    }
}

fn answer(request: &ModelRequest) -> Answer {
    let mut done = 0;
    for message in request.messages.iter().rev() {
        match message.role {
            Role::Assistant => done += usize::from(calls(&message.content) > 0),
            Role::User => {
                let asked = message.content.iter().rev().find_map(Block::as_text);
                let steps = asked.and_then(|text| text.split_once(": ")).map_or("", |(_, steps)| steps);
                if !steps.is_empty() {
                    return step(steps.as_bytes().get(done).copied().unwrap_or(b'.'));
                }
            }
        }
    }
    step(b'.')
}

fn calls(content: &[Block]) -> usize {
    content.iter().filter(|block| matches!(block, Block::ToolCall { .. })).count()
}

fn step(letter: u8) -> Answer {
    let call = |tool: &str| Answer::text(["I ", "call."]).and_call("c", tool, json!({ "a": 1 }));
    match letter {
        b'o' => call("guest__once"),
        b'b' => call("guest__once").and_call("d", "guest__again", json!({})).and_call("c", "guest__once", json!({})),
        b'l' => call("guest__look").and_call("e", "guest__again", json!({ "a": [1] })),
        b'n' => call("nothing"),
        b'm' => call("nothing").and_call("c", "nothing", json!([])).and_call("d", "nothing", json!({})),
        b't' => Answer::empty().and_thinking("hm").and_call("c", "nothing", json!({ "t": 1 })),
        b'h' => Answer::text(["wait"]).then_never(),
        // Ends the run: without content, as a failure, with thoughts alone.
        b'e' => Answer::empty(),
        b'x' => Answer::error(ProviderErrorKind::Refused, "no"),
        b'T' => Answer::empty().and_thinking("so"),
        _ => Answer::text(["It ", "is ", "done."]),
    }
}
