//! HTTP for guests: the one way from a plugin into a network.
//!
//! `wasi:http` hands each request to [`Egress`], which sends nothing but what the permit allows: the request is parsed and
//! matched, its host looked up once, every address checked, the connection made to a checked address, and TLS verified against
//! the host's name. Nothing follows redirects, looks at proxies of the environment, or keeps a connection for later.

mod address;
mod body;
mod checked;
mod config;
mod connect;
mod egress;
mod exchange;
mod scrub;
mod secret;

pub use address::{PrivateRange, PrivateRangeError};
pub(crate) use body::Traffic;
pub(crate) use checked::{CheckedSecret, withhold};
pub use config::{HttpConfig, Resolve, SystemResolver};
pub(crate) use egress::{Client, Egress};
pub(crate) use secret::{Place, PlacedSecret, SECRET_BYTES};

use exoclaw_plugin_format::{HttpPattern, HttpTarget};

/// What a permit allows of HTTP.
#[derive(Debug, Default)]
pub(crate) struct HttpPermit {
    /// What was requested and granted.
    pub(crate) patterns: Vec<HttpPattern>,
    /// Addresses beside the globally routable ones.
    pub(crate) private: Vec<PrivateRange>,
    pub(crate) secrets: Vec<PlacedSecret>,
}

impl HttpPermit {
    fn allows(&self, target: &HttpTarget) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(target))
    }
}
