//! Who may come in: the owner's token, the tokens that the daemon handed out, the one-time code of a login link, and the
//! cookie that it is exchanged for. What a client says of itself counts for nothing.

mod codes;
mod cookies;
mod pass;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use exoclaw_protocol::{DeviceId, Secret};
use exoclaw_runtime::Clock;
use exoclaw_store::{Devices, Paired, Tokens};
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(crate) use self::pass::{Pass, Who};
use self::{codes::Codes, cookies::Cookies};
pub use self::{codes::LOGIN_CODE_LIFETIME, cookies::COOKIE_LIFETIME};
use crate::{
    limiter::{Kind, Limiter, TooMany},
    wire::Peer,
};

/// SHA-256 of a secret. Comparing two takes the same time whatever they are, and the secret itself is not kept.
#[derive(Clone, Copy)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(secret: &str) -> Self {
        Self(fingerprint(secret))
    }
}

/// SHA-256 of a secret.
pub(crate) fn fingerprint(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
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
pub(crate) fn random_text() -> String {
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
    /// A login that has ended, or never was: its browser may log in again.
    Forgotten,
    /// One that is not ours.
    Wrong,
    /// One that was not looked at: too many from there were wrong.
    Unseen(TooMany),
}

impl From<Result<Option<Pass>, TooMany>> for Shown {
    fn from(checked: Result<Option<Pass>, TooMany>) -> Self {
        match checked {
            Ok(pass) => pass.map_or(Self::Wrong, Self::Known),
            Err(too_many) => Self::Unseen(too_many),
        }
    }
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
    limiter: Limiter,
}

impl Auth {
    pub(crate) fn new(owner: Option<&Secret>, tokens: Arc<Tokens>, clock: Arc<dyn Clock>, port: u16) -> Self {
        let owner = owner.map(|token| Fingerprint::of(token.expose()));
        let (codes, cookies, limiter) = (Codes::default(), Cookies::new(port), Limiter::default());
        Self { owner, tokens, clock, codes, cookies, limiter }
    }

    /// The same, whose cookies browsers send over TLS alone.
    pub(crate) fn over_tls(mut self) -> Self {
        self.cookies.secure = true;
        self
    }

    /// Checks a token: the owner's allows everything, each other one what its record says.
    pub(crate) fn token(&self, shown: &str, source: Option<IpAddr>) -> Result<Option<Pass>, TooMany> {
        let Some(owner) = &self.owner else { return Ok(Some(Pass::owner())) };
        self.limiter.check(source, Kind::Token, || {
            if Fingerprint::of(shown) == *owner {
                return Some(Pass::owner());
            }
            let now_ms = self.clock.now_ms();
            self.tokens.check(shown, now_ms).map(|holder| Pass::of_token(holder, now_ms))
        })
    }

    /// Nothing is asked for: everyone is believed.
    pub(crate) fn is_open(&self) -> bool {
        self.owner.is_none()
    }

    /// Checks a device's own token. The device has proved that it holds its key.
    pub(crate) fn device(
        &self,
        devices: &Devices,
        id: &DeviceId,
        shown: &str,
        source: Option<IpAddr>,
    ) -> Result<Option<(Pass, Paired)>, TooMany> {
        self.limiter.check(source, Kind::Token, || self.let_in(devices.check(id, shown, self.clock.now_ms())?))
    }

    /// What a device is given; nothing where the token that it came with is good no more.
    pub(crate) fn let_in(&self, paired: Paired) -> Option<(Pass, Paired)> {
        let base = match &paired.came_with {
            Some(token) => Some(self.of_digest(token)?),
            None => None,
        };
        Some((Pass::of_device(paired.clone(), base), paired))
    }

    /// A stranger knocks: too many from one place are not listened to.
    pub(crate) fn knock(&self, source: Option<IpAddr>) -> Result<(), TooMany> {
        self.limiter.check(source, Kind::Stranger, || None::<()>).map(|_| ())
    }

    /// What a token gives whose SHA-256 is known.
    fn of_digest(&self, digest: &[u8; 32]) -> Option<Pass> {
        if self.owner.is_some_and(|owner| owner == Fingerprint(*digest)) {
            return Some(Pass::owner());
        }
        let now_ms = self.clock.now_ms();
        self.tokens.check_digest(digest, now_ms).map(|holder| Pass::of_token(holder, now_ms))
    }

    /// Checks the head of a request. A cookie counts only where a page of our own sends it: browsers add it for others, too.
    pub(crate) fn head(&self, headers: &HeaderMap, own_page: bool, peer: Peer) -> Shown {
        if peer == Peer::Own {
            return Shown::Known(Pass::owner());
        }
        if let Some(value) = headers.get(AUTHORIZATION) {
            let bearer = value.to_str().ok().and_then(|value| value.split_once(' '));
            let pass = match bearer {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    self.token(token.trim(), peer.source())
                }
                Some(_) | None => Ok(None),
            };
            return pass.into();
        }
        if self.owner.is_none() {
            return Shown::Known(Pass::owner());
        }
        let Some(cookie) = self.cookies.shown(headers).filter(|_| own_page) else { return Shown::Nothing };
        let compare = || self.cookies.is_known(cookie).then(Pass::browser);
        match self.limiter.check(peer.source(), Kind::Cookie, compare) {
            Ok(pass) => pass.map_or(Shown::Forgotten, Shown::Known),
            Err(too_many) => Shown::Unseen(too_many),
        }
    }

    /// Whether a request from there is looked at that only a platform can have signed.
    pub(crate) fn may_forge(&self, source: Option<IpAddr>) -> Result<(), TooMany> {
        self.limiter.may(source, Kind::Webhook)
    }

    /// A request from there was not the platform's.
    pub(crate) fn forged(&self, source: Option<IpAddr>) {
        self.limiter.wrong(source, Kind::Webhook);
    }

    /// A new one-time code. It opens a new round of attempts, so that nobody's wrong guesses keep its owner out.
    pub(crate) fn new_code(&self) -> String {
        self.limiter.forgive(Kind::Code);
        self.codes.issue()
    }

    /// Exchanges a code for the value of a `set-cookie` header.
    pub(crate) fn log_in(&self, code: &str, source: Option<IpAddr>) -> Result<String, LoginError> {
        match self.limiter.check(source, Kind::Code, || self.codes.redeem(code).then_some(())) {
            Ok(Some(())) => Ok(self.cookies.issue()),
            Ok(None) => Err(LoginError::Wrong),
            Err(TooMany { retry_after }) => Err(LoginError::TooMany { retry_after }),
        }
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
    TooMany {
        /// When the next one is looked at.
        retry_after: Duration,
    },
}

#[cfg(test)]
mod tests;
