//! Where the daemon is, and how patient the client is.

use std::time::Duration;

use exoclaw_protocol::Secret;

/// Where the daemon is, and what it is shown.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Such as `ws://127.0.0.1:7200/ws`, or with `wss://`.
    pub url: String,
    /// The gateway's token. Without it a browser is known by its login cookie.
    pub token: Option<Secret>,
    /// Authorities whose certificates `wss://` takes in place of the public ones, in PEM (RFC 7468). A browser has its own.
    #[cfg(not(target_arch = "wasm32"))]
    pub authorities: Option<Vec<u8>>,
    /// A Unix socket by which it is reached in place of the address: it asks programs of its own user for no token.
    #[cfg(unix)]
    pub socket: Option<std::path::PathBuf>,
}

impl Endpoint {
    /// A daemon that is shown no token.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            #[cfg(not(target_arch = "wasm32"))]
            authorities: None,
            #[cfg(unix)]
            socket: None,
        }
    }

    /// The same daemon, shown this token.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// The same daemon, whose certificate is of one of these authorities, in PEM; it may be its own.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub fn trusting(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// The same daemon, reached by its Unix socket.
    #[cfg(unix)]
    #[must_use]
    pub fn by_socket(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        let (ours, others) = (self.token.as_ref(), other.token.as_ref());
        let same = self.url == other.url && ours.map(Secret::expose) == others.map(Secret::expose);
        #[cfg(not(target_arch = "wasm32"))]
        let same = same && self.authorities == other.authorities;
        #[cfg(unix)]
        let same = same && self.socket == other.socket;
        same
    }
}

/// How patient a client is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connect again when the connection breaks or can't be made. Without it the first failure closes the client.
    pub reconnect: bool,
    /// The longest that one attempt to connect may take, greeting included.
    pub connect_timeout: Duration,
    /// The longest that a request may wait for its answer, over reconnects too.
    pub request_timeout: Duration,
    /// The pause before the second attempt; doubles with each failure, and half of each is chance.
    pub backoff_first: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// With nothing heard for so long, the daemon is asked whether it is still there.
    pub idle: Duration,
    /// The longest that it may take to say so: a socket whose other end is gone, or slept with the machine, is noticed then.
    pub ping_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reconnect: true,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            backoff_first: Duration::from_millis(250),
            backoff_max: Duration::from_secs(8),
            idle: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// For a command that is done after a few requests: a connection that can't be made or breaks is not made again.
    pub fn once() -> Self {
        Self { reconnect: false, ..Self::default() }
    }
}
