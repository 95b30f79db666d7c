//! A request as the Chat Completions API takes it.

use exoclaw_protocol::{Block, Message, Role, Thinking, ToolSpec};
use serde_json::{Map, Value, json};

use crate::{ModelRequest, wire};

/// Which name the limit of tokens has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `max_completion_tokens`: the vendor's reasoning models refuse the old name.
    Vendor,
    /// `max_tokens`: the only name that every other server knows.
    Compatible,
}

impl Dialect {
    pub(super) fn of_host(host: &str) -> Self {
        let is_vendor = host == "api.openai.com" || host.ends_with(".openai.azure.com");
        if is_vendor { Self::Vendor } else { Self::Compatible }
    }
}

pub(super) fn body(request: &ModelRequest, dialect: Dialect) -> Value {
    let system = request.system.iter().map(|text| json!({ "role": "system", "content": text }));
    let messages = system.chain(request.messages.iter().flat_map(messages)).collect();
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("messages".into(), Value::Array(messages));
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(limit) = request.max_tokens {
        let name = match dialect {
            Dialect::Vendor => "max_completion_tokens",
            Dialect::Compatible => "max_tokens",
        };
        body.insert(name.into(), limit.into());
    }
    // Models that do not think refuse the field: it is there only where somebody chose a level. The API's name for none came
    // after its levels, and not all models know it: leaving it out is what comes nearest everywhere.
    let effort = match request.thinking {
        None | Some(Thinking::Off) => None,
        Some(Thinking::Minimal) => Some("minimal"),
        Some(Thinking::Low) => Some("low"),
        Some(Thinking::Medium) => Some("medium"),
        Some(Thinking::High) => Some("high"),
    };
    if let Some(effort) = effort {
        body.insert("reasoning_effort".into(), effort.into());
    }
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({ "include_usage": true }));
    Value::Object(body)
}

/// One message of ours may be several here: each result of a tool is a message of its own.
fn messages(message: &Message) -> Vec<Value> {
    match message.role {
        Role::Assistant => vec![assistant(message)],
        Role::User => {
            let results = message.content.iter().filter_map(result);
            let parts: Vec<_> = message.content.iter().filter_map(part).collect();
            let rest = match parts.as_slice() {
                [] => None,
                [only] if only["type"] == "text" => Some(json!({ "role": "user", "content": only["text"] })),
                _ => Some(json!({ "role": "user", "content": parts })),
            };
            results.chain(rest).collect()
        }
    }
}

/// Thoughts are not sent back: the API has no place for them.
fn assistant(message: &Message) -> Value {
    let call = |block: &Block| match block {
        Block::ToolCall { id, name, input } => Some(json!({
            "id": wire::call_id(id),
            "type": "function",
            "function": { "name": wire::tool_name(name), "arguments": wire::input(input).to_string() },
        })),
        _ => None,
    };
    let calls: Vec<_> = message.content.iter().filter_map(call).collect();
    let text = message.text();
    let content = if text.is_empty() { Value::Null } else { Value::String(text) };
    if calls.is_empty() {
        json!({ "role": "assistant", "content": content })
    } else {
        json!({ "role": "assistant", "content": content, "tool_calls": calls })
    }
}

/// A tool's message is text alone, without a mark for errors: both are said in words.
fn result(block: &Block) -> Option<Value> {
    let Block::ToolResult { id, content, is_error } = block else { return None };
    let texts: Vec<_> = content.iter().map(wire::output_text).collect();
    let mark = if *is_error { "Error: " } else { "" };
    let text = format!("{mark}{}", texts.join("\n"));
    Some(json!({ "role": "tool", "tool_call_id": wire::call_id(id), "content": text }))
}

fn part(block: &Block) -> Option<Value> {
    match block {
        Block::Text { text } => Some(json!({ "type": "text", "text": text })),
        // The API takes files as PDF alone: text is sent as text, under its name.
        Block::File { name, text, .. } => Some(json!({ "type": "text", "text": format!("File {name}:\n\n{text}") })),
        Block::Image { media_type, data } => {
            Some(json!({ "type": "image_url", "image_url": { "url": format!("data:{media_type};base64,{data}") } }))
        }
        _ => None,
    }
}

fn tool(spec: &ToolSpec) -> Value {
    let function = json!({ "name": spec.name, "description": spec.description, "parameters": spec.input_schema });
    json!({ "type": "function", "function": function })
}
