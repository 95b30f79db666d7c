//! A built-in model that needs no network and no key.

use std::{sync::Arc, time::Duration};

use exoclaw_protocol::{Block, CallId, Message, StopReason, ToolContent, ToolSpec, Usage};
use futures::{StreamExt, stream, stream::BoxStream};
use serde_json::{Value, json};

use crate::{ModelEvent, ModelRequest, ModelStep, Provider, ProviderError};

/// Answers by fixed rules, says so, and really calls the tools that it is offered.
#[derive(Debug, Clone, Copy, Default)]
pub struct DemoProvider {
    pace: Duration,
}

impl DemoProvider {
    /// Waits before each word, so that people see the answer grow.
    pub fn paced(pace: Duration) -> Self {
        Self { pace }
    }
}

impl Provider for DemoProvider {
    fn stream(&self, request: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let Answer { text, call } = answer(&request);
        let words = text.split_inclusive(' ').map(|word| ModelEvent::Text(word.to_owned())).collect::<Vec<_>>();
        let usage = Usage {
            input_tokens: request.messages.iter().map(|message| count_words(&message.text())).sum(),
            output_tokens: count_words(&text),
            ..Usage::default()
        };
        let stop_reason = if call.is_some() { StopReason::ToolUse } else { StopReason::EndTurn };
        let content = std::iter::once(Block::text(text)).chain(call).collect();
        let done = ModelEvent::Done(ModelStep { content, stop_reason, usage });
        let pace = self.pace;
        let events = stream::iter(words.into_iter().chain([done]));
        events
            .then(move |event| async move {
                if !pace.is_zero() {
                    tokio::time::sleep(pace).await;
                }
                Ok(event)
            })
            .boxed()
    }
}

struct Answer {
    text: String,
    call: Option<Block>,
}

/// What a person asks for when they want one of the example tools.
struct Wish {
    tool: &'static str,
    input: Value,
}

fn answer(request: &ModelRequest) -> Answer {
    let last = request.messages.last();
    if let Some(text) = last.and_then(report_results) {
        return Answer { text, call: None };
    }
    let text = last.map(Message::text).unwrap_or_default();
    let Some(Wish { tool, input }) = wish(text.trim()) else {
        return Answer { text: introduction(&request.tools), call: None };
    };
    let shown = for_people(tool);
    if !request.tools.iter().any(|spec| spec.name == tool) {
        let text = format!("This is the demo model. I would call the tool {shown}, but this agent does not have it.");
        return Answer { text, call: None };
    }
    // Longer than any before it, so unique in the conversation.
    let id: Result<CallId, _> = format!("demo-{}", request.messages.len()).parse();
    let call = id.ok().map(|id| Block::ToolCall { id, name: tool.to_owned(), input });
    Answer { text: format!("I am calling the tool {shown}."), call }
}

fn wish(text: &str) -> Option<Wish> {
    let lower = text.to_ascii_lowercase();
    // Lowercasing ASCII keeps every byte in its place.
    let after =
        |words: &str| lower.starts_with(words).then(|| text[words.len()..].trim()).filter(|rest| !rest.is_empty());
    if let Some(rest) = after("echo ") {
        return Some(Wish { tool: "echo", input: json!({ "text": rest }) });
    }
    if lower.contains("my notes") || lower.contains("did i note") {
        return Some(Wish { tool: "notes__read", input: json!({}) });
    }
    let openings =
        ["please remember that ", "please remember ", "remember that ", "remember ", "note that ", "note: ", "note "];
    for words in openings {
        if let Some(rest) = after(words) {
            return Some(Wish { tool: "notes__append", input: json!({ "text": rest }) });
        }
    }
    let asks_time =
        ["what time", "the time", "what day", "what date", "which day"].iter().any(|ask| lower.contains(ask));
    asks_time.then(|| Wish { tool: "clock__now", input: json!({}) })
}

fn report_results(message: &Message) -> Option<String> {
    let report = |block: &Block| match block {
        Block::ToolResult { content, is_error, .. } => {
            let output: Vec<_> = content.iter().map(describe).collect();
            let verb = if *is_error { "failed" } else { "answered" };
            Some(format!("The tool {verb}: {}", output.join("\n")))
        }
        _ => None,
    };
    let reports: Vec<_> = message.content.iter().filter_map(report).collect();
    (!reports.is_empty()).then(|| reports.join("\n"))
}

fn describe(piece: &ToolContent) -> String {
    match piece {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => value.to_string(),
        ToolContent::Image { media_type, .. } => format!("(an image, {media_type})"),
    }
}

fn introduction(tools: &[ToolSpec]) -> String {
    let mut text = "This is the demo model: it follows a few fixed rules, thinks nothing and asks no network. \
        Try \"what time is it\", \"remember to buy milk\", \"read my notes\" or \"echo hello\"."
        .to_owned();
    if tools.is_empty() {
        text.push_str(" This agent has no tools.");
    } else {
        let names: Vec<_> = tools.iter().map(|spec| for_people(&spec.name)).collect();
        text.push_str(&format!(" Tools of this agent: {}.", names.join(", ")));
    }
    text.push_str(" For real answers, run exoclawd onboard and choose a model.");
    text
}

/// Models know a tool as `plugin__tool`, people and the config as `plugin.tool`.
fn for_people(tool: &str) -> String {
    tool.replacen("__", ".", 1)
}

fn count_words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
