//! Secrets on their way into requests and out of responses.

use exoclaw_plugin_format::{HttpHost, SecretPlace};
use exoclaw_protocol::Secret;
use http::{HeaderName, HeaderValue};

use crate::http::scrub::Needle;

/// The shortest secret in bytes: a shorter one could be found in what has nothing to do with it.
pub(crate) const SECRET_BYTES: usize = 8;

/// Where a secret stands in a request.
#[derive(Debug)]
pub(crate) enum Place {
    /// A header and its whole value, marked as sensitive.
    Header(HeaderName, HeaderValue),
    /// What goes before the path.
    Path(Secret),
}

/// A granted secret with its value.
#[derive(Debug)]
pub(crate) struct PlacedSecret {
    pub(crate) place: Place,
    /// The one host that gets it.
    pub(crate) to: HttpHost,
    /// How it is found in responses.
    pub(crate) needles: Vec<Needle>,
}

impl PlacedSecret {
    /// `None` if header, path or value can't be sent, or the value is too short.
    pub(crate) fn new(name: &str, place: &SecretPlace, secret: &Secret) -> Option<Self> {
        if secret.expose().len() < SECRET_BYTES {
            return None;
        }
        let (place, to) = match place {
            SecretPlace::Header { header, format, to } => {
                let header = HeaderName::from_bytes(header.as_bytes()).ok()?;
                let mut value = HeaderValue::from_str(&format.replacen("{}", secret.expose(), 1)).ok()?;
                value.set_sensitive(true);
                (Place::Header(header, value), to)
            }
            SecretPlace::Path { prefix, to } => {
                // What a path holds as it is, and nobody reads in two ways (RFC 3986, section 3.3).
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~:".contains(&byte);
                if !secret.expose().bytes().all(plain) {
                    return None;
                }
                (Place::Path(Secret::new(prefix.replacen("{}", secret.expose(), 1))), to)
            }
            SecretPlace::Check => return None,
        };
        Some(Self { place, to: to.clone(), needles: Needle::of(name, secret) })
    }
}
