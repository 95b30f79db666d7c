//! What is attached to a message.

use base64::{Engine, engine::general_purpose::STANDARD};
use exoclaw_protocol::{
    Block,
    openclaw::{Code, ErrorShape},
};
use serde::Deserialize;

/// A file that comes with a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attachment {
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    file_name: Option<String>,
    #[serde(default)]
    content: Option<String>,
}

impl Attachment {
    /// The file as a block: an image, or a text.
    pub(super) fn into_block(self) -> Result<Block, ErrorShape> {
        let called = self.file_name.unwrap_or_else(|| "attachment".to_owned());
        let refuse = |why: &str| ErrorShape::new(Code::InvalidRequest, format!("attachment {called}: {why}"));
        let content = self.content.ok_or_else(|| refuse("content must be base64 string"))?;
        // Pages hand over what they have: a data URL.
        let (declared, data) = match content.strip_prefix("data:").and_then(|url| url.split_once(";base64,")) {
            Some((media_type, data)) => (Some(media_type.to_owned()), data.to_owned()),
            None => (None, content),
        };
        let media_type = self.mime_type.or(declared).unwrap_or_default();
        if media_type.starts_with("image/") {
            return Ok(Block::Image { media_type, data });
        }
        let bytes = STANDARD.decode(&data).map_err(|_| refuse("content must be base64 string"))?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("only images and texts are taken"))?;
        Ok(Block::File { name: called, media_type, text })
    }
}
