//! The browser page, as the gateway serves it.

use exoclaw_gateway::{Asset, Assets};

/// The page that was built with the workspace.
#[derive(Debug)]
pub(crate) struct Page;

impl Assets for Page {
    fn get(&self, path: &str, encodings: &str) -> Option<Asset> {
        let file = exoclaw_ui_assets::find(path)?;
        let encoded = file.encoded(encodings);
        Some(Asset {
            body: encoded.body,
            media_type: file.media_type,
            encoding: encoded.encoding,
            lasting: file.lasting,
            etag: encoded.etag,
        })
    }
}
