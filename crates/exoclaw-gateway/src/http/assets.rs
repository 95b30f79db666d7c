//! The page: files that somebody else holds.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
};
use http_body_util::Full;

use super::{Answer, Body, answer};

/// Holds the files of the page.
pub trait Assets: fmt::Debug + Send + Sync + 'static {
    /// The file of that path, which has no leading `/`, in an encoding that the browser takes. `accept_encoding` is the
    /// header's value, empty where there is none.
    fn get(&self, path: &str, accept_encoding: &str) -> Option<Asset>;
}

/// One file, as it goes to the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its bytes.
    pub body: &'static [u8],
    /// Such as `text/html; charset=utf-8`.
    pub media_type: &'static str,
    /// How the bytes are compressed: `br`, `gzip` or not at all.
    pub encoding: Option<&'static str>,
    /// Under this path there will never be other bytes: browsers may keep it without asking.
    pub lasting: bool,
    /// A strong validator with its quotes (RFC 9110, section 8.8.3): another one for other bytes.
    pub etag: String,
}

/// No page.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAssets;

impl Assets for NoAssets {
    fn get(&self, _: &str, _: &str) -> Option<Asset> {
        None
    }
}

/// Answers with a file. The page routes by itself: where a browser asks for a document that is no file, it gets the page.
pub(super) fn answer<B>(assets: &dyn Assets, request: &Request<B>) -> Answer {
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or("");
    let encodings = header(ACCEPT_ENCODING);
    let path = request.uri().path().trim_start_matches('/');
    let wants_page = !path.contains('.') && (path.is_empty() || header(ACCEPT).contains("text/html"));
    let found = assets.get(path, encodings).filter(|_| !path.is_empty());
    let found = found.or_else(|| wants_page.then(|| assets.get("index.html", encodings)).flatten());
    let Some(asset) = found else { return answer::refusal(StatusCode::NOT_FOUND, "there is nothing here") };

    let unchanged = header(IF_NONE_MATCH).split(',').map(str::trim);
    let unchanged =
        unchanged.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == "*" || tag == asset.etag);
    let mut answer = answer::empty(if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    let headers = answer.headers_mut();
    // Whatever may change is asked for each time and mostly answered with 304, so that a new daemon never meets an old page.
    let cached = if asset.lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(ETAG, etag);
    }
    if unchanged {
        return answer;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    if let Some(encoding) = asset.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if request.method() == Method::HEAD {
        headers.insert(http::header::CONTENT_LENGTH, asset.body.len().into());
    } else {
        *answer.body_mut() = Body::Left(Full::new(Bytes::from_static(asset.body)));
    }
    answer
}
