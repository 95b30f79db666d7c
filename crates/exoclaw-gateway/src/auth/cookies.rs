//! Login cookies, kept in memory: a restart of the daemon ends them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header::COOKIE};
use tokio::time::Instant;

use super::{Fingerprint, random_text};

/// How long a browser stays logged in.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Browsers that are logged in at the same time. When full, the oldest login ends.
const COOKIES: usize = 64;

#[derive(Debug)]
pub(super) struct Cookies {
    /// Holds the port: browsers share cookies among all ports of a host.
    name: String,
    /// Browsers send it over TLS alone.
    pub(super) secure: bool,
    /// The oldest first.
    open: Mutex<Vec<(Fingerprint, Instant)>>,
}

impl Cookies {
    pub(super) fn new(port: u16) -> Self {
        Self { name: format!("exoclaw_{port}"), secure: false, open: Mutex::default() }
    }

    /// The value of a `set-cookie` header (RFC 6265bis, section 4.1).
    pub(super) fn issue(&self) -> String {
        let cookie = random_text();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() == COOKIES {
            open.remove(0);
        }
        open.push((Fingerprint::of(&cookie), Instant::now() + COOKIE_LIFETIME));
        let (name, seconds) = (&self.name, COOKIE_LIFETIME.as_secs());
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
    }

    /// The login cookie that a request shows.
    pub(super) fn shown<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name).map(|(_, cookie)| cookie)
    }

    pub(super) fn is_known(&self, cookie: &str) -> bool {
        let shown = Fingerprint::of(cookie);
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, until)| *until > now);
        // Every login is compared, whichever fits.
        open.iter().filter(|(cookie, _)| *cookie == shown).count() > 0
    }
}
