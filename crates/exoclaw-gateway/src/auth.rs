//! Who may come in: the gateway's token, the one-time code of a login link, and the cookie that it is exchanged for.

mod codes;
mod cookies;

use std::fmt;

use exoclaw_protocol::{Scope, Secret};
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use self::{codes::Codes, cookies::Cookies};
pub use self::{codes::LOGIN_CODE_LIFETIME, cookies::COOKIE_LIFETIME};

/// SHA-256 of a secret. Comparing two takes the same time whatever they are, and the secret itself is not kept.
#[derive(Clone, Copy)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// 128 random bits as text.
#[expect(clippy::expect_used, reason = "a system without random numbers can keep nobody out")]
fn random_text() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random numbers of the system");
    hex::encode(bytes)
}

/// What the head of a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A credential that is good for this.
    Known(Scope),
    /// None.
    Nothing,
    /// One that is not ours.
    Wrong,
}

/// The credentials that are good now.
#[derive(Debug)]
pub(crate) struct Auth {
    /// `None`: everyone is believed (on loopback only).
    token: Option<Fingerprint>,
    codes: Codes,
    cookies: Cookies,
}

impl Auth {
    pub(crate) fn new(token: Option<&Secret>, port: u16) -> Self {
        let token = token.map(|token| Fingerprint::of(token.expose()));
        Self { token, codes: Codes::default(), cookies: Cookies::new(port) }
    }

    /// Checks a token. Whoever has the gateway's may do everything.
    pub(crate) fn token(&self, shown: &str) -> Option<Scope> {
        match &self.token {
            Some(token) => (Fingerprint::of(shown) == *token).then_some(Scope::Admin),
            None => Some(Scope::Admin),
        }
    }

    /// Checks the head of a request. A cookie counts only where a page of our own sends it: browsers add it for others, too.
    pub(crate) fn head(&self, headers: &HeaderMap, own_page: bool) -> Shown {
        if let Some(value) = headers.get(AUTHORIZATION) {
            let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
            let scope = match bearer {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.token(token.trim()),
                Some(_) | None => None,
            };
            return scope.map_or(Shown::Wrong, Shown::Known);
        }
        if self.token.is_none() || own_page && self.cookies.is_known(headers) {
            return Shown::Known(Scope::Admin);
        }
        Shown::Nothing
    }

    /// A new one-time code. It opens a new round of attempts, so that nobody's wrong guesses keep its owner out.
    pub(crate) fn new_code(&self) -> String {
        self.codes.issue()
    }

    /// Exchanges a code for the value of a `set-cookie` header.
    pub(crate) fn log_in(&self, code: &str) -> Result<String, LoginError> {
        self.codes.redeem(code)?;
        Ok(self.cookies.issue())
    }
}

/// A login that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    /// No such code, or not any more.
    #[error("this login link was used or is too old: ask the daemon for a new one, or log in with the token")]
    Wrong,
    /// Too many wrong ones.
    #[error("too many wrong login codes: wait a minute, or ask for a new login link")]
    TooMany,
}

#[cfg(test)]
mod tests;
