//! Agents behind the HTTP interfaces of model providers, so that what was written for those can talk to an agent: OpenAI's
//! `/v1/chat/completions`, `/v1/responses` and `/v1/models`, Anthropic's `/v1/messages`, and hooks for whoever has no more
//! than a POST. The `model` of a request picks the agent.

mod admit;
mod anthropic;
mod body;
mod chat_completions;
mod hooks;
mod listening;
mod models;
mod prompt;
mod responses;
mod start;
mod stream;
mod tools;

use std::sync::Arc;

use exoclaw_protocol::{ErrorCode, RpcError, Scope};
use exoclaw_store::audit::{Decision, Entry, What};
use http::{HeaderValue, Method, Request, StatusCode, header::ALLOW};
use hyper::body::Incoming;
use serde_json::{Value, json};

use self::{admit::Admitted, stream::Voice};
use crate::{
    admission::Place,
    http::{Answer, Door, answer},
    rates::{DEAR, PLAIN},
    socket::dialect::Caller,
    wire::Peer,
};

/// In whose words a refusal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tongue {
    OpenAi,
    Anthropic,
    Hook,
    Tool,
}

/// Where requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path<'a> {
    Models(Option<&'a str>),
    ChatCompletions,
    Responses,
    Messages,
    Agent,
    Wake,
    Invoke,
}

impl<'a> Path<'a> {
    fn of(path: &'a str) -> Option<Self> {
        Some(match path {
            "/v1/models" => Self::Models(None),
            "/v1/chat/completions" => Self::ChatCompletions,
            "/v1/responses" => Self::Responses,
            "/v1/messages" => Self::Messages,
            "/hooks/agent" => Self::Agent,
            "/hooks/wake" => Self::Wake,
            "/tools/invoke" => Self::Invoke,
            path => Self::Models(Some(path.strip_prefix("/v1/models/").filter(|model| !model.is_empty())?)),
        })
    }

    fn tongue(self) -> Tongue {
        match self {
            Self::Models(_) | Self::ChatCompletions | Self::Responses => Tongue::OpenAi,
            Self::Messages => Tongue::Anthropic,
            Self::Agent | Self::Wake => Tongue::Hook,
            Self::Invoke => Tongue::Tool,
        }
    }

    fn method(self) -> (Method, &'static str) {
        match self {
            Self::Models(_) => (Method::GET, "GET"),
            _ => (Method::POST, "POST"),
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Models(_) => Scope::Read,
            // Whoever picks tool and arguments needs no model to agree.
            Self::Invoke => Scope::Admin,
            _ => Scope::Chat,
        }
    }
}

/// The path is one of these.
pub(crate) fn has(path: &str) -> bool {
    Path::of(path).is_some()
}

/// Answers a request of one of them.
pub(crate) async fn answer(
    door: &Arc<Door>,
    request: Request<Incoming>,
    own_page: bool,
    peer: Peer,
    place: &Place,
) -> Answer {
    let (head, body) = request.into_parts();
    let Some(path) = Path::of(head.uri.path()) else {
        return answer::refusal(StatusCode::NOT_FOUND, "there is nothing here");
    };
    let tongue = path.tongue();
    let (method, allowed) = path.method();
    if head.method != method {
        let mut refused = tongue.refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} is answered here"));
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return refused;
    }
    let pass = match admit::check(door, &head.headers, own_page, peer, path.scope()) {
        Ok(pass) => pass,
        Err(refused) => return refused.told(tongue),
    };
    place.known();
    if let Err(refused) = door.asking.by(&pass.who, if path.scope() == Scope::Read { PLAIN } else { DEAR }) {
        let entry = Entry::new(What::Limit, "request", Decision::Refused).who(&pass.who).from(peer.audited());
        door.runtime.audit().note(entry.reason(&refused.message));
        return tongue.told(&refused);
    }
    if let Path::Models(model) = path {
        return models::answer(door, model).unwrap_or_else(|error| tongue.told(&error));
    }
    let body = match body::read(body).await {
        Ok(body) => body,
        Err((status, reason)) => return tongue.refusal(status, reason),
    };
    let admitted = Admitted { pass, headers: head.headers };
    let answered = match path {
        Path::ChatCompletions => chat_completions::answer(door, admitted, &body).await,
        Path::Responses => responses::answer(door, admitted, &body).await,
        Path::Messages => anthropic::answer(door, admitted, &body).await,
        Path::Agent => hooks::agent(door, &admitted, &body).await,
        Path::Wake => hooks::wake(door, &admitted, &body).await,
        Path::Invoke => tools::answer(door, &Caller { pass: admitted.pass, peer }, &body).await,
        Path::Models(_) => Err(RpcError::new(ErrorCode::Internal, "models were answered before")),
    };
    answered.unwrap_or_else(|error| tongue.told(&error))
}

impl Tongue {
    /// An error as it is written.
    fn error(self, status: StatusCode, code: Option<ErrorCode>, message: &str) -> Value {
        match self {
            Self::OpenAi => {
                let kind = match status {
                    StatusCode::UNAUTHORIZED => "authentication_error",
                    StatusCode::FORBIDDEN => "permission_error",
                    StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
                    status if status.is_client_error() => "invalid_request_error",
                    _ => "server_error",
                };
                json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
            }
            Self::Anthropic => {
                let kind = match status {
                    StatusCode::UNAUTHORIZED => "authentication_error",
                    StatusCode::FORBIDDEN => "permission_error",
                    StatusCode::NOT_FOUND => "not_found_error",
                    StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
                    StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
                    StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
                    status if status.is_client_error() => "invalid_request_error",
                    _ => "api_error",
                };
                json!({ "type": "error", "error": { "type": kind, "message": message } })
            }
            Self::Hook => json!({ "ok": false, "error": message }),
            Self::Tool => {
                let kind = match status {
                    StatusCode::UNAUTHORIZED => "unauthorized",
                    StatusCode::FORBIDDEN => "forbidden",
                    StatusCode::NOT_FOUND => "not_found",
                    status if status.is_client_error() => "invalid_request",
                    _ => "unavailable",
                };
                json!({ "ok": false, "error": { "type": kind, "message": message } })
            }
        }
    }

    fn refusal(self, status: StatusCode, message: &str) -> Answer {
        answer::json(status, &self.error(status, None, message))
    }

    /// A refusal of ours in their words.
    fn told(self, error: &RpcError) -> Answer {
        let status = status_of(error.code);
        let mut refused = answer::json(status, &self.error(status, Some(error.code), &error.message));
        if let Some(retry_after_ms) = error.retry_after_ms {
            answer::retry_after(&mut refused, retry_after_ms);
        }
        refused
    }
}

/// What a client of theirs makes of an error: it repeats a request after 429 and 5xx alone.
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::ParseError | ErrorCode::InvalidRequest | ErrorCode::InvalidParams | ErrorCode::ContextTooLong => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::UnknownAgent | ErrorCode::UnknownSession | ErrorCode::MethodNotFound => StatusCode::NOT_FOUND,
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::BudgetExceeded => StatusCode::FORBIDDEN,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Busy | ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::ShuttingDown | ErrorCode::StoreReadOnly | ErrorCode::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ProviderAuth
        | ErrorCode::ProviderUnavailable
        | ErrorCode::BadStream
        | ErrorCode::Refused
        | ErrorCode::RunLimit => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The body as JSON.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, RpcError> {
    serde_json::from_slice(body).map_err(|error| RpcError::invalid_params(format!("the body does not fit: {error}")))
}
