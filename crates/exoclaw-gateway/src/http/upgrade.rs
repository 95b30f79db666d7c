//! The opening handshake of a WebSocket (RFC 6455, section 4.2).

use std::sync::Arc;

use exoclaw_store::audit::{Decision, Entry, What};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{
        CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
        WWW_AUTHENTICATE,
    },
};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Answer, Door, answer};
use crate::{
    admission::Place,
    auth::Shown,
    limiter::TooMany,
    socket::{self, Visitor, dialect::Dialect},
    wire::{Peer, Wire},
};

/// Said to whoever comes too late.
const STOPPING: &str = "the daemon is stopping: connect again when it is back";

/// The request asks for a WebSocket.
pub(super) fn is_wanted<B>(request: &Request<B>) -> bool {
    has_token(request.headers(), UPGRADE, "websocket")
}

/// Switches to a WebSocket that speaks this dialect, or says why not.
pub(super) fn answer<D: Dialect>(
    door: &Arc<Door>,
    request: &mut Request<Incoming>,
    peer: Peer,
    own_page: bool,
    place: Arc<Place>,
    dialect: impl FnOnce() -> D,
) -> Answer {
    let accept = match accept_key(request) {
        Ok(accept) => accept,
        Err(refusal) => return *refusal,
    };
    let audit = door.runtime.audit();
    let entry = |decision| Entry::new(What::Authentication, "upgrade", decision).from(peer.audited());
    let pass = match door.head(request.headers(), own_page, peer) {
        Shown::Known(pass) => Some(pass),
        Shown::Nothing => None,
        Shown::Forgotten => {
            audit.note(entry(Decision::Refused).reason("no login of ours"));
            None
        }
        Shown::Wrong => {
            audit.note(entry(Decision::Refused).reason("wrong token"));
            let mut refusal = answer::refusal(StatusCode::UNAUTHORIZED, "the token is not the gateway's");
            refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refusal;
        }
        Shown::Unseen(TooMany { retry_after }) => {
            audit.note(entry(Decision::Refused).reason("too many wrong credentials"));
            return answer::too_many("too many wrong credentials from there", retry_after);
        }
    };
    // Runs may still be ending for those who are here; nobody new comes in.
    if door.runtime.is_stopping() {
        return answer::refusal(StatusCode::SERVICE_UNAVAILABLE, STOPPING);
    }
    if let Some(pass) = &pass {
        place.known();
        audit.note(entry(Decision::Allowed).who(&pass.who));
    }
    let upgraded = hyper::upgrade::on(request);
    let visitor = Visitor { peer, pass, place, door: Arc::clone(door) };
    let dialect = dialect();
    let task = async move {
        match upgraded.await.map(Upgraded::downcast::<TokioIo<Wire>>) {
            Ok(Ok(parts)) => socket::run(parts.io.into_inner(), parts.read_buf, visitor, dialect).await,
            Ok(Err(_)) => tracing::error!(%peer, "the upgraded connection is none of ours"),
            Err(error) => tracing::debug!(%peer, %error, "upgrade a connection"),
        }
    };
    if door.runtime.tasks().spawn("socket", task).is_err() {
        return answer::refusal(StatusCode::SERVICE_UNAVAILABLE, STOPPING);
    }
    switch(accept)
}

/// The answer after which both sides speak WebSocket.
pub(crate) fn switch(accept: HeaderValue) -> Answer {
    let mut switch = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = switch.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    switch
}

/// The answer to the client's key, or the refusal of what is no opening handshake.
pub(crate) fn accept_key<B>(request: &Request<B>) -> Result<HeaderValue, Box<Answer>> {
    let headers = request.headers();
    if request.method() != Method::GET || !has_token(headers, UPGRADE, "websocket") {
        let mut refusal = answer::refusal(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket");
        refusal.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Err(Box::new(refusal));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut refusal = answer::refusal(StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket is spoken");
        refusal.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(refusal));
    }
    let bad = || Box::new(answer::refusal(StatusCode::BAD_REQUEST, "this is no opening handshake of a WebSocket"));
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(bad)?.as_bytes();
    // 16 bytes in base64 (RFC 6455, section 4.1).
    let valid = key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if !valid || !has_token(headers, CONNECTION, "upgrade") {
        return Err(bad());
    }
    HeaderValue::from_str(&derive_accept_key(key)).map_err(|_| bad())
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}
