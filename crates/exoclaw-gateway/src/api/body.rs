//! Bodies of requests.

use std::time::Duration;

use bytes::Bytes;
use exoclaw_protocol::limits;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

/// Time for a body to arrive, from somebody who is known.
const DEADLINE: Duration = Duration::from_secs(60);

/// A body of at most [`limits::MESSAGE_BYTES`], or why there is none.
pub(super) async fn read(body: Incoming) -> Result<Bytes, (StatusCode, &'static str)> {
    let body = Limited::new(body, limits::MESSAGE_BYTES).collect();
    match tokio::time::timeout(DEADLINE, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
        }
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body can't be read")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}
