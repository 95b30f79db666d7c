//! Who may come in: the owner's token, the tokens that the daemon handed out, the one-time code of a login link, and the
//! cookie that it is exchanged for. What a client says of itself counts for nothing.

mod codes;
mod cookies;
mod pass;

use std::{fmt, sync::Arc};

use exoclaw_protocol::Secret;
use exoclaw_runtime::Clock;
use exoclaw_store::Tokens;
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(crate) use self::pass::Pass;
use self::{codes::Codes, cookies::Cookies};
pub use self::{codes::LOGIN_CODE_LIFETIME, cookies::COOKIE_LIFETIME};
use crate::wire::Peer;

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
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// A credential that is good for this.
    Known(Pass),
    /// None.
    Nothing,
    /// One that is not ours.
    Wrong,
}

/// The credentials that are good now.
#[derive(Debug)]
pub(crate) struct Auth {
    /// `None`: everyone is believed (on loopback only).
    owner: Option<Fingerprint>,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    codes: Codes,
    cookies: Cookies,
}

impl Auth {
    pub(crate) fn new(owner: Option<&Secret>, tokens: Arc<Tokens>, clock: Arc<dyn Clock>, port: u16) -> Self {
        let owner = owner.map(|token| Fingerprint::of(token.expose()));
        Self { owner, tokens, clock, codes: Codes::default(), cookies: Cookies::new(port) }
    }

    /// Checks a token: the owner's allows everything, each other one what its record says.
    pub(crate) fn token(&self, shown: &str) -> Option<Pass> {
        let owner = match &self.owner {
            Some(token) => Fingerprint::of(shown) == *token,
            None => return Some(Pass::owner()),
        };
        let now_ms = self.clock.now_ms();
        let holder = self.tokens.check(shown, now_ms).map(|holder| Pass::of_token(holder, now_ms));
        if owner { Some(Pass::owner()) } else { holder }
    }

    /// Checks the head of a request. A cookie counts only where a page of our own sends it: browsers add it for others, too.
    pub(crate) fn head(&self, headers: &HeaderMap, own_page: bool, peer: Peer) -> Shown {
        if peer == Peer::Own {
            return Shown::Known(Pass::owner());
        }
        if let Some(value) = headers.get(AUTHORIZATION) {
            let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
            let pass = match bearer {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.token(token.trim()),
                Some(_) | None => None,
            };
            return pass.map_or(Shown::Wrong, Shown::Known);
        }
        if self.owner.is_none() {
            return Shown::Known(Pass::owner());
        }
        if own_page && self.cookies.is_known(headers) {
            return Shown::Known(Pass::browser());
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
