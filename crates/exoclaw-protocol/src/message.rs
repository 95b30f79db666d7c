//! Messages: a role and content blocks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CallId, ToolContent};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The person, or what tools gave back on their behalf.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<Block>,
}

impl Message {
    /// A user's message of one text block.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![Block::text(text)] }
    }

    /// An assistant's message.
    pub fn assistant(content: Vec<Block>) -> Self {
        Self { role: Role::Assistant, content }
    }

    /// All text blocks joined, without thinking, images or tools.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(Block::as_text).collect()
    }
}

/// What was left out of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Omitted {
    /// All that a message said.
    Message,
    /// An image.
    Image,
    /// A file.
    File,
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Block {
    /// Plain or Markdown text.
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    Image {
        /// IANA media type, such as `image/png`.
        media_type: String,
        /// The bytes in standard base64.
        data: String,
    },
    /// A file of text.
    File {
        /// Its name, without folders.
        name: String,
        /// IANA media type, such as `text/plain`.
        media_type: String,
        /// What is in it.
        text: String,
    },
    /// What the model thought before it answered; handed back to it unchanged.
    Thinking {
        /// The thought.
        text: String,
        /// The provider's proof that the thought is its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// A thought that the provider encrypted; handed back to it unchanged.
    RedactedThinking {
        /// The provider's opaque text.
        data: String,
    },
    /// The model asks for a tool.
    ToolCall {
        /// Names the call; its result carries the same id.
        id: CallId,
        /// The tool, as the model names it.
        name: String,
        /// The arguments, an object.
        input: Value,
    },
    /// What a tool gave back.
    ToolResult {
        /// The call that it answers.
        id: CallId,
        /// The output.
        content: Vec<ToolContent>,
        /// The tool did not do what was asked.
        is_error: bool,
    },
    /// Stands in a history for what was left out of it. Nobody sends it, and nothing of it is stored.
    Omitted {
        /// What it was.
        what: Omitted,
        /// The name of a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its size.
        bytes: u64,
    },
}

impl Block {
    /// In place of an image or a file, that there is one; everything else as it is.
    pub fn without_attachment(self) -> Self {
        match self {
            Self::Image { data, .. } => {
                let bytes = data.len() as u64 / 4 * 3;
                Self::Omitted { what: Omitted::Image, name: None, bytes }
            }
            Self::File { name, text, .. } => {
                Self::Omitted { what: Omitted::File, name: Some(name), bytes: text.len() as u64 }
            }
            other => other,
        }
    }

    /// A text block.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// The text of a text block.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }
}
