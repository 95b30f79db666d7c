//! What comes along with a message.

use std::sync::Arc;

use exoclaw_protocol::{Block, Message, Omitted, limits};

/// An image or a file of text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attachment {
    /// The bytes are in base64.
    Image {
        media_type: String,
        data: Arc<str>,
    },
    File {
        name: String,
        media_type: String,
        text: Arc<str>,
    },
    /// It is there, but the daemon did not send it along.
    Elsewhere {
        is_image: bool,
        name: Option<String>,
        bytes: u64,
    },
}

impl Attachment {
    pub(crate) fn image(media_type: String, data: String) -> Self {
        Self::Image { media_type, data: data.into() }
    }

    pub(crate) fn file(name: String, media_type: String, text: String) -> Self {
        Self::File { name, media_type, text: text.into() }
    }

    /// The attachments of a message.
    pub(crate) fn of(message: &Message) -> Vec<Self> {
        message.content.iter().filter_map(Self::from_block).collect()
    }

    fn from_block(block: &Block) -> Option<Self> {
        Some(match block {
            Block::Image { media_type, data } => Self::image(media_type.clone(), data.clone()),
            Block::File { name, media_type, text } => Self::file(name.clone(), media_type.clone(), text.clone()),
            Block::Omitted { what: what @ (Omitted::Image | Omitted::File), name, bytes } => {
                Self::Elsewhere { is_image: *what == Omitted::Image, name: name.clone(), bytes: *bytes }
            }
            _ => return None,
        })
    }

    /// As it is sent; none where it is not here.
    pub(crate) fn block(&self) -> Option<Block> {
        Some(match self {
            Self::Image { media_type, data } => Block::Image { media_type: media_type.clone(), data: data.to_string() },
            Self::File { name, media_type, text } => {
                Block::File { name: name.clone(), media_type: media_type.clone(), text: text.to_string() }
            }
            Self::Elsewhere { .. } => return None,
        })
    }

    /// It is an image whose bytes are not here.
    pub(crate) fn is_hidden_image(&self) -> bool {
        matches!(self, Self::Elsewhere { is_image: true, .. })
    }

    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Image { data, .. } => data.len() as u64 / 4 * 3,
            Self::File { text, .. } => text.len() as u64,
            Self::Elsewhere { bytes, .. } => *bytes,
        }
    }

    /// Bytes that it takes in a request.
    fn sent_bytes(&self) -> usize {
        match self {
            Self::Image { data, .. } => data.len(),
            // Line breaks and quotes are escaped.
            Self::File { text, .. } => text.len() + text.len() / 8,
            Self::Elsewhere { .. } => 0,
        }
    }
}

/// Room for the rest of a request.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// A text goes with these attachments into one request.
pub(crate) fn fits(text: &str, attachments: &[Attachment]) -> bool {
    let bytes: usize = attachments.iter().map(Attachment::sent_bytes).sum();
    bytes + text.len() + ENVELOPE_BYTES <= limits::MESSAGE_BYTES
}

#[cfg(test)]
mod tests {
    use exoclaw_protocol::{Block, Message, Role};

    use super::{Attachment, fits};

    #[test]
    fn what_is_sent_comes_back_without_its_bytes() {
        let image = Attachment::image("image/png".into(), "aGVsbG8h".into());
        let file = Attachment::file("a.md".into(), "text/markdown".into(), "# A".into());
        let content = [&image, &file].map(|attachment| attachment.block().unwrap());
        let message = Message { role: Role::User, content: content.to_vec() };
        assert_eq!(Attachment::of(&message), [image, file]);
        let shown: Vec<Block> = content.into_iter().map(Block::without_attachment).collect();
        let shown = Attachment::of(&Message { role: Role::User, content: shown });
        assert!(shown[0].is_hidden_image() && !shown[1].is_hidden_image());
        assert_eq!((shown[0].bytes(), shown[1].bytes()), (6, 3));
        assert_eq!(shown[0].block(), None);
    }

    #[test]
    fn a_request_has_room_for_one_large_image_but_not_for_two() {
        let image = Attachment::image("image/png".into(), "A".repeat(6_000_000));
        assert!(fits("Look", std::slice::from_ref(&image)));
        assert!(!fits("Look", &[image.clone(), image]));
    }
}
