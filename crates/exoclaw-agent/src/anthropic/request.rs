//! A request as the Messages API takes it.

use exoclaw_protocol::{Block, Message, Role, ToolContent, ToolSpec};
use serde_json::{Map, Value, json};

use crate::{ModelRequest, wire};

/// Tokens that a step may write where the agent does not say: the API has no default of its own.
const MAX_TOKENS: u32 = 8_192;

pub(super) fn body(request: &ModelRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), request.max_tokens.unwrap_or(MAX_TOKENS).into());
    if let Some(system) = &request.system {
        body.insert("system".into(), system.as_str().into());
    }
    body.insert("messages".into(), request.messages.iter().map(message).collect());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    body.insert("stream".into(), true.into());
    Value::Object(body)
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
