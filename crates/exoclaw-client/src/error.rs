//! Why a request has no result.

use exoclaw_protocol::RpcError;

use crate::CloseReason;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The daemon refused it.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No answer within [`Options::request_timeout`](crate::Options::request_timeout).
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The connection broke after the request was sent: it may or may not have been done. Requests that are safe to repeat,
    /// which are those of scope `read` and `chat.send` with an idempotency key, are sent again instead.
    #[error("the connection broke before the answer came; the request may have been carried out")]
    Disconnected,
    /// The client is over.
    #[error("no connection: {0}")]
    Closed(CloseReason),
    /// Too many requests of this client wait for an answer already.
    #[error("{} requests wait for an answer already", crate::client::REQUESTS)]
    Busy,
    /// The request is larger than the daemon takes.
    #[error("the request has {bytes} bytes; {} are the most", exoclaw_protocol::limits::MESSAGE_BYTES)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The parameters can't be written, or the result can't be read.
    #[error("{what}: {detail}")]
    Json {
        /// Which of both.
        what: &'static str,
        /// The parser's words.
        detail: String,
    },
}
