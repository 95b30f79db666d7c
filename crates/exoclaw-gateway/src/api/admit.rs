//! Who may ask.

use std::time::Duration;

use exoclaw_protocol::Scope;
use exoclaw_store::audit::{Decision, Entry, What};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};

use super::Tongue;
use crate::{
    auth::{Pass, Shown},
    http::{Answer, Door, answer},
    limiter::TooMany,
    wire::Peer,
};

/// Headers in which clients of others show their key, where they do not in `Authorization`.
const KEYS: [&str; 2] = ["x-api-key", "x-openclaw-token"];

/// Somebody who may ask.
pub(super) struct Admitted {
    pub(super) pass: Pass,
    pub(super) headers: HeaderMap,
}

/// Somebody who may not.
pub(super) enum Refused {
    Unknown(&'static str),
    Outside(Scope),
    TooMany(Duration),
}

/// Checks what the head of a request shows.
pub(super) fn check(
    door: &Door,
    headers: &HeaderMap,
    own_page: bool,
    peer: Peer,
    needed: Scope,
) -> Result<Pass, Refused> {
    let entry = || Entry::new(What::Authentication, "request", Decision::Refused).from(peer.audited());
    let key = KEYS.iter().find_map(|name| headers.get(*name)).filter(|_| !headers.contains_key(AUTHORIZATION));
    let shown = match key {
        Some(key) => door.token(key.to_str().unwrap_or_default().trim(), peer).into(),
        None => door.head(headers, own_page, peer),
    };
    let pass = match shown {
        Shown::Known(pass) => pass,
        Shown::Unseen(TooMany { retry_after }) => {
            door.runtime.audit().note(entry().reason("too many wrong credentials"));
            return Err(Refused::TooMany(retry_after));
        }
        Shown::Nothing => return Err(Refused::Unknown("show a token: Authorization: Bearer …")),
        Shown::Forgotten | Shown::Wrong => {
            door.runtime.audit().note(entry().reason("wrong token"));
            return Err(Refused::Unknown("the token is not the gateway's"));
        }
    };
    if !pass.scope.covers(needed) {
        let entry = Entry::new(What::Method, "request", Decision::Refused).who(&pass.who).from(peer.audited());
        door.runtime.audit().note(entry.reason("outside the credential's scope"));
        return Err(Refused::Outside(needed));
    }
    Ok(pass)
}

impl Refused {
    pub(super) fn told(self, tongue: Tongue) -> Answer {
        match self {
            Self::Unknown(reason) => {
                let mut refused = tongue.refusal(StatusCode::UNAUTHORIZED, reason);
                refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                refused
            }
            Self::Outside(needed) => {
                let reason = format!("this token does not allow it: it needs the scope {}", needed.as_str());
                tongue.refusal(StatusCode::FORBIDDEN, &reason)
            }
            Self::TooMany(retry_after) => {
                let mut refused = tongue.refusal(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from there");
                answer::retry_after(&mut refused, u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX));
                refused
            }
        }
    }
}
