//! `POST /webhook/{channel}`: a platform tells a channel what was written there. No credential of ours is asked for: the channel
//! finds out who wrote. What it takes is durable when it is answered.

use std::sync::Arc;

use bytes::Bytes;
use exoclaw_protocol::limits;
use exoclaw_runtime::{Response, Webhook, WebhookError};
use exoclaw_store::audit::{Decision, Entry, What};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::{
    http::{Answer, Body, Door, answer},
    limiter::TooMany,
    wire::Peer,
};

/// The channel that a path is the webhook of.
pub(crate) fn channel(path: &str) -> Option<&str> {
    path.strip_prefix("/webhook/").filter(|channel| !channel.is_empty() && !channel.contains('/'))
}

/// Has the channel read the request.
pub(crate) async fn answer(door: &Arc<Door>, request: Request<Incoming>, channel: &str, peer: Peer) -> Answer {
    if request.method() != Method::POST {
        let mut refused = answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered here");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    if !door.runtime.has_channel(channel) {
        return refusal(&WebhookError::Unknown);
    }
    if let Err(TooMany { retry_after }) = door.auth().may_forge(peer.source()) {
        let entry = Entry::new(What::Channel, "receive", Decision::Refused).from(peer.audited());
        let entry = entry.who(format_args!("channel {channel}"));
        door.runtime.audit().note(entry.reason("too many requests from there were not the platform's"));
        return answer::too_many("too many requests from there were not the platform's", retry_after);
    }
    if let Err(retry_after) = door.asking.through(channel) {
        let entry = Entry::new(What::Limit, "request", Decision::Refused).from(peer.audited());
        let reason = "too many requests came for this channel in too short a time";
        door.runtime.audit().note(entry.who(format_args!("channel {channel}")).reason(reason));
        return answer::too_many(reason, retry_after);
    }
    let (head, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err((status, reason)) => {
            door.asking.not_through(channel);
            return answer::refusal(status, reason);
        }
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let webhook = Webhook { query, headers: headers(&head.headers), body: body.to_vec() };
    match door.runtime.receive(channel, &peer.audited(), webhook).await {
        Ok(Response { status, media_type, body }) => {
            let mut told = http::Response::new(Body::Left(Full::new(body.into())));
            // Both were checked when the channel gave them back.
            *told.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            if let Ok(media_type) = HeaderValue::try_from(media_type) {
                told.headers_mut().insert(header::CONTENT_TYPE, media_type);
            }
            told
        }
        Err(error) => {
            if error == WebhookError::Unauthenticated {
                door.asking.not_through(channel);
                door.auth().forged(peer.source());
            }
            refusal(&error)
        }
    }
}

fn refusal(error: &WebhookError) -> Answer {
    let status = match error {
        WebhookError::Unknown => StatusCode::NOT_FOUND,
        WebhookError::Unauthenticated => StatusCode::UNAUTHORIZED,
        WebhookError::Invalid => StatusCode::BAD_REQUEST,
        WebhookError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut refused = answer::refusal(status, &error.to_string());
    if let WebhookError::Unavailable { retry_after, .. } = error {
        answer::retry_after(&mut refused, u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX));
    }
    refused
}

/// Names in small letters, in the order of the request.
fn headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// A body of at most [`limits::WEBHOOK_BYTES`], or why there is none.
async fn read(body: Incoming) -> Result<Bytes, (StatusCode, &'static str)> {
    let body = Limited::new(body, limits::WEBHOOK_BYTES).collect();
    match tokio::time::timeout(limits::WEBHOOK_DEADLINE, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
        }
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body can't be read")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}
