//! A request as the Messages API takes it.

use exoclaw_protocol::{Block, Message, Role, Thinking, ToolContent, ToolSpec};
use serde_json::{Map, Value, json};

use crate::{ModelRequest, wire};

/// Tokens that a step may write where the agent does not say: the API has no default of its own.
const MAX_TOKENS: u32 = 8_192;

/// Tokens to think with that the API takes at least (Messages API, "Extended thinking").
const LEAST_THINKING: u32 = 1_024;

pub(super) fn body(request: &ModelRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    let max_tokens = request.max_tokens.unwrap_or(MAX_TOKENS);
    body.insert("max_tokens".into(), max_tokens.into());
    if let Some(system) = &request.system {
        body.insert("system".into(), system.as_str().into());
    }
    body.insert("messages".into(), request.messages.iter().map(message).collect());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(budget) = request.thinking.and_then(|thinking| thinking_tokens(thinking, max_tokens)) {
        body.insert("thinking".into(), json!({ "type": "enabled", "budget_tokens": budget }));
    }
    body.insert("stream".into(), true.into());
    Value::Object(body)
}

/// The part of a step's tokens that the model may think with: the API wants 1,024 at least, and fewer than the step has.
fn thinking_tokens(thinking: Thinking, max_tokens: u32) -> Option<u32> {
    let part = match thinking {
        Thinking::Off => return None,
        Thinking::Minimal => 0,
        Thinking::Low => max_tokens / 4,
        Thinking::Medium => max_tokens / 2,
        Thinking::High => max_tokens / 4 * 3,
    };
    (max_tokens > LEAST_THINKING).then_some(part.max(LEAST_THINKING))
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    json!({ "role": role, "content": message.content.iter().filter_map(block).collect::<Vec<_>>() })
}

/// `None` for thoughts of other providers, which the API refuses for want of a signature.
fn block(block: &Block) -> Option<Value> {
    Some(match block {
        Block::Text { text } => json!({ "type": "text", "text": text }),
        Block::Image { media_type, data } => image(media_type, data),
        // Text is the one kind of document that is sent as text, under one media type (Messages API, "PDF support" and
        // "Citations").
        Block::File { name, text, .. } => json!({
            "type": "document",
            "source": { "type": "text", "media_type": "text/plain", "data": text },
            "title": name,
        }),
        Block::Omitted { .. } => return None,
        Block::Thinking { text, signature } => {
            json!({ "type": "thinking", "thinking": text, "signature": signature.as_ref()? })
        }
        Block::RedactedThinking { data } => json!({ "type": "redacted_thinking", "data": data }),
        Block::ToolCall { id, name, input } => json!({
            "type": "tool_use", "id": wire::call_id(id), "name": wire::tool_name(name), "input": wire::input(input),
        }),
        Block::ToolResult { id, content, is_error } => json!({
            "type": "tool_result",
            "tool_use_id": wire::call_id(id),
            "content": content.iter().map(output).collect::<Vec<_>>(),
            "is_error": is_error,
        }),
    })
}

fn output(piece: &ToolContent) -> Value {
    match piece {
        ToolContent::Image { media_type, data } => image(media_type, data),
        ToolContent::Text { .. } | ToolContent::Json { .. } => {
            json!({ "type": "text", "text": wire::output_text(piece) })
        }
    }
}

fn image(media_type: &str, data: &str) -> Value {
    json!({ "type": "image", "source": { "type": "base64", "media_type": media_type, "data": data } })
}

fn tool(spec: &ToolSpec) -> Value {
    json!({ "name": spec.name, "description": spec.description, "input_schema": spec.input_schema })
}
