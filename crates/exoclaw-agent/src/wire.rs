//! What both dialects write the same way.

use std::borrow::Cow;

use exoclaw_protocol::{CallId, ToolContent};
use serde_json::{Value, json};

/// Longest id of a tool call that OpenAI takes; Anthropic takes it too.
const CALL_ID_BYTES: usize = 40;

/// Longest name of a tool that both take.
const TOOL_NAME_BYTES: usize = 64;

/// An id that both vendors take, `[A-Za-z0-9_-]{1,40}`: another server may have made up any id. The same id always gives the
/// same text.
pub(crate) fn call_id(id: &CallId) -> Cow<'_, str> {
    let id = id.as_str();
    if id.len() <= CALL_ID_BYTES && id.bytes().all(is_plain) {
        return Cow::Borrowed(id);
    }
    let plain: String = id.chars().map(plain_or_underscore).take(CALL_ID_BYTES - 17).collect();
    Cow::Owned(format!("{plain}-{:016x}", fnv1a(id.as_bytes())))
}

/// A tool's name that both vendors take: a model may have made up any name, and must be told so in words.
pub(crate) fn tool_name(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        return Cow::Borrowed("_");
    }
    if name.len() <= TOOL_NAME_BYTES && name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(plain_or_underscore).take(TOOL_NAME_BYTES).collect())
}

/// Arguments of a past call: an object, also where the model wrote none.
pub(crate) fn input(input: &Value) -> Cow<'_, Value> {
    if input.is_object() { Cow::Borrowed(input) } else { Cow::Owned(json!({ "invalid_arguments": input })) }
}

/// Text of a piece of output, or of a note in an image's place.
pub(crate) fn output_text(piece: &ToolContent) -> Cow<'_, str> {
    match piece {
        ToolContent::Text { text } => Cow::Borrowed(text),
        ToolContent::Json { value } => Cow::Owned(value.to_string()),
        ToolContent::Image { media_type, .. } => Cow::Owned(format!("(an image of type {media_type})")),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn plain_or_underscore(char: char) -> char {
    if char.is_ascii_alphanumeric() || char == '-' { char } else { '_' }
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): the same in every process, and no one gains by a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_of_other_servers_become_plain() {
        let id = |text: &str| call_id(&text.parse().unwrap()).into_owned();
        assert_eq!(id("toolu_01A09q90qw90lq917835lq9"), "toolu_01A09q90qw90lq917835lq9");
        assert_eq!(id("call:1"), format!("call_1-{:016x}", fnv1a(b"call:1")));
        // A vector of the draft, appendix C.
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_ne!(id("call:1"), id("call.1"));
        assert_eq!(id(&"x".repeat(41)).len(), 40);
        assert_ne!(id(&format!("{}a", "ü".repeat(40))), id(&format!("{}b", "ü".repeat(40))));
        assert_eq!(tool_name("notes.append"), "notes_append");
        assert_eq!(tool_name(""), "_");
        assert_eq!(tool_name(&"é".repeat(90)), "_".repeat(64));
    }
}
