//! What models and tools are told and say, as the conventions for generative AI write it ("Semantic conventions for
//! generative client AI spans", the schemas of input and output messages).

use exoclaw_protocol::{Block, Message, Role, ToolContent};
use serde_json::{Value, json};

use super::word;
use crate::ModelStep;

/// A message that a model is sent.
pub(super) fn input(message: &Message) -> String {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    json!([{ "role": role, "parts": parts(&message.content) }]).to_string()
}

/// What a model answers.
pub(super) fn output(step: &ModelStep) -> String {
    json!([{ "role": "assistant", "parts": parts(&step.content), "finish_reason": word(&step.stop_reason) }])
        .to_string()
}

/// What a tool gives back.
pub(super) fn result(content: &[ToolContent]) -> String {
    told(content).to_string()
}

fn parts(content: &[Block]) -> Vec<Value> {
    let part = |block: &Block| match block {
        Block::Text { text } => json!({ "type": "text", "content": text }),
        Block::Thinking { text, .. } => json!({ "type": "reasoning", "content": text }),
        Block::RedactedThinking { .. } => json!({ "type": "reasoning", "content": "" }),
        Block::Image { media_type, .. } => image(media_type),
        Block::File { name, text, .. } => json!({ "type": "file", "name": name, "content": text }),
        Block::Omitted { bytes, .. } => json!({ "type": "omitted", "bytes": bytes }),
        Block::ToolCall { id, name, input } => {
            json!({ "type": "tool_call", "id": id, "name": name, "arguments": input })
        }
        Block::ToolResult { id, content, .. } => {
            json!({ "type": "tool_call_response", "id": id, "response": told(content) })
        }
    };
    content.iter().map(part).collect()
}

fn told(content: &[ToolContent]) -> Value {
    let part = |part: &ToolContent| match part {
        ToolContent::Text { text } => json!({ "type": "text", "content": text }),
        ToolContent::Json { value } => json!({ "type": "json", "content": value }),
        ToolContent::Image { media_type, .. } => image(media_type),
    };
    content.iter().map(part).collect()
}

/// Of pictures only the kind: their bytes would be cut off anyway.
fn image(media_type: &str) -> Value {
    json!({ "type": "image", "media_type": media_type })
}
