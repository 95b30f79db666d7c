//! From the messages of a request to the one message of a session.
//!
//! Their interfaces hold no state: each request brings the whole conversation. A session holds it: where a request names
//! one that lasts, its last message alone is sent, and otherwise all of it in one message of a new session.

use exoclaw_protocol::{Block, RpcError};
use serde::Deserialize;
use serde_json::Value;

/// One message of a request.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Content,
}

/// What it says: a text, or parts.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Value>),
    #[default]
    Nothing,
}

/// What is sent to the session. `lasting` says that it knows what was said before.
///
/// # Errors
/// When there is no message of a user, or it holds what no session takes.
pub(super) fn of(system: Option<&str>, messages: &[Said], lasting: bool) -> Result<Vec<Block>, RpcError> {
    let is_user = |said: &Said| said.role == "user";
    let Some(last) = messages.iter().rposition(is_user) else {
        return Err(RpcError::invalid_params("there is no message of a user"));
    };
    let newest = blocks(&messages[last].content)?;
    if lasting {
        return Ok(newest);
    }
    let (mut instructions, mut before) = (system.map(str::to_owned).into_iter().collect::<Vec<_>>(), Vec::new());
    for said in &messages[..last] {
        let text: String = blocks(&said.content)?.iter().filter_map(Block::as_text).collect();
        match said.role.as_str() {
            _ if text.trim().is_empty() => {}
            "system" | "developer" => instructions.push(text),
            role => before.push(format!("{role}: {text}")),
        }
    }
    let mut content = Vec::new();
    if !instructions.is_empty() {
        content.push(Block::text(format!("Instructions:\n{}\n\n", instructions.join("\n\n"))));
    }
    if !before.is_empty() {
        content.push(Block::text(format!("The conversation so far:\n{}\n\n", before.join("\n\n"))));
    }
    if !content.is_empty() {
        content.push(Block::text("The message to answer:\n"));
    }
    content.extend(newest);
    Ok(content)
}

fn blocks(content: &Content) -> Result<Vec<Block>, RpcError> {
    match content {
        Content::Text(text) => Ok(vec![Block::text(text.clone())]),
        Content::Nothing => Ok(Vec::new()),
        Content::Parts(parts) => parts.iter().map(block).collect(),
    }
}

fn block(part: &Value) -> Result<Block, RpcError> {
    let kind = part["type"].as_str().unwrap_or_default();
    match kind {
        "text" | "input_text" | "output_text" => Ok(Block::text(part["text"].as_str().unwrap_or_default())),
        // OpenAI names a URL, in either of two places.
        "image_url" | "input_image" => {
            let url = part["image_url"]["url"].as_str().or_else(|| part["image_url"].as_str()).unwrap_or_default();
            let data = url.strip_prefix("data:").and_then(|url| url.split_once(";base64,"));
            let Some((media_type, data)) = data else {
                return Err(RpcError::invalid_params(
                    "an image is taken as a data: URL in base64, and fetched from nowhere",
                ));
            };
            Ok(Block::Image { media_type: media_type.to_owned(), data: data.to_owned() })
        }
        "image" => {
            let source = &part["source"];
            let text = |name: &str| source[name].as_str().unwrap_or_default().to_owned();
            if source["type"] != "base64" {
                return Err(RpcError::invalid_params("an image is taken in base64, and fetched from nowhere"));
            }
            Ok(Block::Image { media_type: text("media_type"), data: text("data") })
        }
        kind => {
            let kind: String = kind.chars().take(64).collect();
            Err(RpcError::invalid_params(format!("content of type {kind:?} is not taken: send text and images")))
        }
    }
}
