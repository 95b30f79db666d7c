//! `POST /login {"code": "…"}`: the one-time code of a login link for a cookie.

use std::sync::Arc;

use exoclaw_protocol::limits;
use exoclaw_runtime::metrics::Credential;
use exoclaw_store::audit::{Decision, Entry, What};
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ALLOW, CONTENT_TYPE, SET_COOKIE},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::{Answer, Door, answer};
use crate::{
    auth::{LoginError, Who},
    wire::Peer,
};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    code: String,
}

pub(super) async fn answer(door: &Arc<Door>, request: Request<Incoming>, peer: Peer) -> Answer {
    if request.method() != Method::POST {
        let mut refusal = answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "log in with POST");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refusal;
    }
    // No form of another site can send this type without asking first.
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().is_none_or(|name| !name.trim().eq_ignore_ascii_case("application/json")) {
        return answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "log in with application/json");
    }
    let body = Limited::new(request.into_body(), limits::BODY_BYTES).collect();
    let body = match tokio::time::timeout(limits::HEADER_DEADLINE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        }
        Ok(Err(_)) => return answer::refusal(StatusCode::BAD_REQUEST, "the body can't be read"),
        Err(_) => return answer::refusal(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    };
    let Ok(login) = serde_json::from_slice::<Login>(&body) else {
        return answer::refusal(StatusCode::BAD_REQUEST, "want {\"code\": \"…\"}");
    };
    let logged_in = door.auth().log_in(&login.code, peer.source());
    door.runtime.metrics().credential(match &logged_in {
        Ok(_) => Credential::Allowed,
        Err(LoginError::Wrong) => Credential::Refused,
        Err(LoginError::TooMany { .. }) => Credential::Limited,
    });
    let failed = match logged_in {
        Ok(cookie) => {
            if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
                door.runtime.audit().note(entry(peer, Decision::Allowed).who(Who::Browser));
                cookie.set_sensitive(true);
                let mut welcome = answer::empty(StatusCode::NO_CONTENT);
                welcome.headers_mut().insert(SET_COOKIE, cookie);
                return welcome;
            }
            return answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, "the cookie can't be written");
        }
        Err(failed) => failed,
    };
    door.runtime.audit().note(entry(peer, Decision::Refused).reason(failed));
    match failed {
        LoginError::Wrong => answer::refusal(StatusCode::UNAUTHORIZED, &failed.to_string()),
        LoginError::TooMany { retry_after } => answer::too_many(&failed.to_string(), retry_after),
    }
}

fn entry(peer: Peer, decision: Decision) -> Entry {
    Entry::new(What::Authentication, "login code", decision).from(peer.audited())
}
