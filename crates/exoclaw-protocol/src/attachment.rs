//! What may be attached to a message. What is durable goes to the provider again with every later message, so nothing
//! that one of them would refuse may get in.

use crate::{Block, ErrorCode, RpcError, limits};

/// Images that both vendors take (Anthropic Messages API, "Vision"; OpenAI API, "Images and vision").
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Files of text that are not called so.
const TEXTS: [&str; 5] =
    ["application/json", "application/toml", "application/xml", "application/yaml", "application/javascript"];

/// Longest name of a file in bytes.
const NAME_BYTES: usize = 255;

/// Checks the content of a message that somebody sends.
///
/// # Errors
/// `too_large` for too many blocks or attachments, or too large ones; `invalid_params` for blocks that people don't send,
/// and attachments that are not what they say or of a type that is not taken.
pub(crate) fn check(content: &[Block]) -> Result<(), RpcError> {
    if content.len() > limits::CONTENT_BLOCKS {
        return Err(too_large(format!("content has too many blocks: {} at most", limits::CONTENT_BLOCKS)));
    }
    let attachments = content.iter().filter(|block| block.as_text().is_none()).count();
    if attachments > limits::ATTACHMENTS {
        return Err(too_large(format!("content has too many images and files: {} at most", limits::ATTACHMENTS)));
    }
    content.iter().try_for_each(check_block)
}

fn check_block(block: &Block) -> Result<(), RpcError> {
    match block {
        Block::Text { .. } => Ok(()),
        Block::Image { media_type, data } => {
            if !IMAGES.contains(&media_type.as_str()) {
                let types = IMAGES.join(", ");
                return Err(RpcError::invalid_params(format!("an image has one of the media types {types}")));
            }
            if !is_base64(data) {
                return Err(RpcError::invalid_params("an image has its data in base64"));
            }
            if data.len() / 4 * 3 > limits::IMAGE_BYTES {
                return Err(too_large(format!("an image has {} bytes at most", limits::IMAGE_BYTES)));
            }
            Ok(())
        }
        Block::File { name, media_type, text } => {
            let is_name = !name.is_empty()
                && name.len() <= NAME_BYTES
                && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
            if !is_name {
                return Err(RpcError::invalid_params("a file has a name without folders, of at most 255 bytes"));
            }
            if !is_text(media_type) {
                return Err(RpcError::invalid_params("a file is text: its media type is text/… or application/json"));
            }
            if text.trim().is_empty() {
                return Err(RpcError::invalid_params(format!("the file {name:?} is empty")));
            }
            if text.len() > limits::FILE_BYTES {
                return Err(too_large(format!("a file has {} bytes at most", limits::FILE_BYTES)));
            }
            Ok(())
        }
        _ => Err(RpcError::invalid_params("content takes blocks of type text, image and file only")),
    }
}

fn too_large(text: String) -> RpcError {
    RpcError::new(ErrorCode::TooLarge, text)
}

fn is_text(media_type: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
    let subtype = media_type.strip_prefix("text/").unwrap_or_default();
    TEXTS.contains(&media_type) || (!subtype.is_empty() && subtype.bytes().all(is_token))
}

/// Standard base64 with padding (RFC 4648, section 4) of at least one byte.
fn is_base64(data: &str) -> bool {
    let text = data.strip_suffix("==").or_else(|| data.strip_suffix('=')).unwrap_or(data);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    !text.is_empty() && data.len().is_multiple_of(4) && text.bytes().all(plain)
}
