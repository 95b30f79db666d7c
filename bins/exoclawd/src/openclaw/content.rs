//! Blocks of messages.

use std::collections::BTreeMap;

use exoclaw_protocol::{Block, CallId, ToolContent, limits};
use serde_json::Value;

/// Deepest arguments of a call: with what stands around them, every reader takes them.
const ARGUMENTS_DEPTH: usize = limits::JSON_DEPTH / 2;

/// Kinds of images that models take.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// What a message says. A text alone may stand in place of the blocks.
pub(super) fn blocks(content: Option<Value>, lost: &mut BTreeMap<&'static str, u64>) -> Vec<Block> {
    pieces(content).into_iter().filter_map(|piece| block(piece, lost)).collect()
}

/// What a tool gave back.
pub(super) fn output(content: Option<Value>, lost: &mut BTreeMap<&'static str, u64>) -> Vec<ToolContent> {
    let (mut output, mut room) = (Vec::new(), limits::TOOL_OUTPUT_BYTES);
    for piece in pieces(content) {
        match block(piece, lost) {
            Some(Block::Text { mut text }) => {
                if text.len() > room {
                    count(lost, "ends of very long tool outputs");
                    text.truncate(text.floor_char_boundary(room));
                }
                room -= text.len();
                output.push(ToolContent::Text { text });
            }
            Some(Block::Image { media_type, data }) => output.push(ToolContent::Image { media_type, data }),
            None => {}
            Some(_) => count(lost, "blocks of kinds that are not known here"),
        }
    }
    output
}

/// The id of a call; OpenAI's come as two, of which the first one counts.
pub(super) fn call_id(text: &str) -> Option<CallId> {
    text.split('|').next().unwrap_or_default().parse().ok()
}

pub(super) fn count(lost: &mut BTreeMap<&'static str, u64>, what: &'static str) {
    *lost.entry(what).or_default() += 1;
}

fn pieces(content: Option<Value>) -> Vec<Value> {
    match content {
        Some(Value::Array(pieces)) => pieces,
        Some(text @ Value::String(_)) => vec![serde_json::json!({ "type": "text", "text": text })],
        _ => Vec::new(),
    }
}

fn block(mut piece: Value, lost: &mut BTreeMap<&'static str, u64>) -> Option<Block> {
    let mut take = |key: &str| match piece.get_mut(key).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match take("type").as_deref() {
        Some("text") => take("text").map(|text| Block::Text { text }),
        // The proof is the provider's who answered then: another one refuses it.
        Some("thinking") => take("thinking").map(|text| Block::Thinking { text, signature: None }),
        Some("image") => image(take("mimeType"), take("data"), lost),
        Some("toolCall") => {
            let (id, name) = (take("id").and_then(|id| call_id(&id)), take("name").filter(|name| !name.is_empty()));
            let input = piece.get_mut("arguments").map(Value::take).filter(Value::is_object);
            let call = id.zip(name).zip(input).filter(|(_, input)| is_shallow(input, ARGUMENTS_DEPTH));
            if call.is_none() {
                count(lost, "tool calls without a usable id, name or arguments");
            }
            call.map(|((id, name), input)| Block::ToolCall { id, name, input })
        }
        _ => {
            count(lost, "blocks of kinds that are not known here");
            None
        }
    }
}

fn image(media_type: Option<String>, data: Option<String>, lost: &mut BTreeMap<&'static str, u64>) -> Option<Block> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let image = media_type.zip(data).filter(|(media_type, data)| {
        IMAGES.contains(&media_type.as_str())
            && data.len() <= limits::IMAGE_BYTES.div_ceil(3) * 4
            && !data.is_empty()
            && data.bytes().all(is_base64)
    });
    if image.is_none() {
        count(lost, "images that are too large or of kinds that models don't take");
    }
    image.map(|(media_type, data)| Block::Image { media_type, data })
}

/// The nesting of a value is within bounds. It was read with a bound, so this ends.
fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|field| is_shallow(field, levels - 1)),
        _ => true,
    }
}
