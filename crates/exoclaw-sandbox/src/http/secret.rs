//! Secrets on their way into requests and out of responses.

use exoclaw_plugin_format::HttpHost;
use exoclaw_protocol::Secret;
use http::{HeaderName, HeaderValue};

use crate::http::scrub::Needle;

/// The shortest secret in bytes: a shorter one could be found in what has nothing to do with it.
pub(crate) const SECRET_BYTES: usize = 8;

/// A granted secret with its value.
#[derive(Debug)]
pub(crate) struct PlacedSecret {
    pub(crate) header: HeaderName,
    /// The header's whole value, marked as sensitive.
    pub(crate) value: HeaderValue,
    /// The one host that gets it.
    pub(crate) to: HttpHost,
    /// How it is found in responses.
    pub(crate) needles: Vec<Needle>,
}

impl PlacedSecret {
    /// `None` if header or value can't be sent, or the value is too short.
    pub(crate) fn new(name: &str, header: &str, format: &str, to: &HttpHost, secret: &Secret) -> Option<Self> {
        if secret.expose().len() < SECRET_BYTES {
            return None;
        }
        let header = HeaderName::from_bytes(header.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(&format.replacen("{}", secret.expose(), 1)).ok()?;
        value.set_sensitive(true);
        Some(Self { header, value, to: to.clone(), needles: Needle::of(name, secret) })
    }
}
