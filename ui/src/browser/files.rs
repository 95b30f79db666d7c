//! Files that come into the page, and those that leave it.

use exoclaw_protocol::limits;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, File, FileList, HtmlAnchorElement, Url};

use super::window;
use crate::{catalogue::t, format, state::Attachment};

/// Images that the daemon takes.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Types that browsers give to text of other names than `text/…`.
const TEXTS: [&str; 4] = ["application/json", "application/toml", "application/xml", "application/yaml"];

/// What the button for files offers.
pub(crate) const ACCEPTED: &str =
    "image/png,image/jpeg,image/gif,image/webp,text/*,.md,.json,.toml,.yaml,.yml,.xml,.csv,.log,.rs,.py,.js,.ts,.sh";

/// The files of a list.
pub(crate) fn files(list: Option<FileList>) -> Vec<File> {
    let Some(list) = list else { return Vec::new() };
    (0..list.length()).filter_map(|at| list.get(at)).collect()
}

/// Reads a file as something that can be sent.
///
/// # Errors
/// Why it can't be, for people.
pub(crate) async fn read(file: &File) -> Result<Attachment, String> {
    let name = short_name(&file.name());
    let refused = || (t().not_taken)(&name);
    let size = file.size() as usize;
    let media_type = file.type_();
    if IMAGES.contains(&media_type.as_str()) {
        if size > limits::IMAGE_BYTES {
            return Err((t().too_large)(&name, &format::bytes(limits::IMAGE_BYTES as u64)));
        }
        let bytes = JsFuture::from(file.array_buffer()).await.map_err(|_| refused())?;
        let data = base64(&Uint8Array::new(&bytes).to_vec()).ok_or_else(refused)?;
        return Ok(Attachment::image(media_type, data));
    }
    if size > limits::FILE_BYTES {
        return Err((t().too_large)(&name, &format::bytes(limits::FILE_BYTES as u64)));
    }
    let bytes = JsFuture::from(file.array_buffer()).await.map_err(|_| refused())?;
    // Whatever its name is: text is what is valid UTF-8 without NUL.
    let text = String::from_utf8(Uint8Array::new(&bytes).to_vec()).ok().filter(|text| !text.contains('\0'));
    let text = text.filter(|text| !text.trim().is_empty()).ok_or_else(refused)?;
    let is_known = media_type.starts_with("text/") || TEXTS.contains(&media_type.as_str());
    // Without parameters such as `;charset=utf-8`.
    let plain = media_type.split(';').next().unwrap_or_default().to_owned();
    Ok(Attachment::file(name, if is_known { plain } else { "text/plain".to_owned() }, text))
}

/// A name that the daemon takes.
fn short_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() || matches!(c, '/' | '\\') { '_' } else { c }).collect();
    let end = name.floor_char_boundary(200);
    if name.is_empty() { "file".to_owned() } else { name[..end].to_owned() }
}

/// By the browser's own function, which takes a character for each byte.
fn base64(bytes: &[u8]) -> Option<String> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    window()?.btoa(&text).ok()
}

/// Hands a text to the reader as a file.
pub(crate) fn download(name: &str, media_type: &str, text: &str) {
    let offered = || -> Result<(), JsValue> {
        let options = BlobPropertyBag::new();
        options.set_type(media_type);
        let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&text.into()), &options)?;
        let address = Url::create_object_url_with_blob(&blob)?;
        let document = window().and_then(|window| window.document()).ok_or(JsValue::NULL)?;
        let link: HtmlAnchorElement = document.create_element("a")?.dyn_into()?;
        link.set_href(&address);
        link.set_download(name);
        link.click();
        Url::revoke_object_url(&address)
    };
    // A browser that refuses says so itself.
    drop(offered());
}
