//! One model step over HTTP: one request, then events as they come.

use std::{collections::VecDeque, fmt::Display, time::Duration};

use bytes::Bytes;
use exoclaw_protocol::Secret;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::{
    Response, Url,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    ModelEvent, ProviderError, ProviderErrorKind,
    parts::{Parts, STEP_BYTES, StepError},
    sse,
};

mod config;
mod failure;

pub use config::{ConfigError, ProviderConfig};
pub(crate) use failure::Refusal;

/// All bytes of one step on the wire; each token is sent in some hundred bytes of JSON.
const STEP_WIRE_BYTES: usize = 256 * 1024 * 1024;

/// What is read of an error's body.
const ERROR_BODY_BYTES: usize = 64 * 1024;

/// Time for an error's body to arrive: its status is known already.
const ERROR_BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Time for the end of the body behind the last event. Only a body that was read to its end leaves a connection that the
/// next step can use, which saves it a TLS handshake.
const END_OF_BODY_DEADLINE: Duration = Duration::from_millis(50);

/// Reads the events of one dialect into parts.
pub(crate) trait Decode: Send + 'static {
    /// Takes the data of one event; `true` when nothing can follow it.
    fn event(&mut self, data: &str) -> Result<bool, Fault>;

    /// Takes a whole answer, from servers that do not stream.
    fn whole(&mut self, answer: Value) -> Result<(), Fault>;

    /// The model has said that it stopped, so that a stream may end here.
    fn has_stopped(&self) -> bool;

    /// What was read.
    fn parts(&mut self) -> &mut Parts;
}

/// Why an event can't be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the event is not what this interface sends")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("{}", .0.message)]
    Refused(Refusal),
}

/// Where steps are asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    name: String,
    client: reqwest::Client,
    url: Url,
    key: Option<Secret>,
    idle_timeout: Duration,
}

impl Endpoint {
    pub(crate) fn new(config: &ProviderConfig, url: Url, headers: HeaderMap) -> Result<Self, ConfigError> {
        Ok(Self {
            name: config.name.clone(),
            client: config.client(headers)?,
            url,
            key: config.api_key.clone(),
            idle_timeout: config.idle_timeout,
        })
    }

    pub(crate) fn stream<D: Decode>(
        &self,
        body: Value,
        decode: D,
    ) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        let step = Step {
            endpoint: self.clone(),
            body,
            response: None,
            chunk: Bytes::new(),
            taken: 0,
            sse: sse::Decoder::default(),
            decode,
            ready: VecDeque::new(),
            is_whole: false,
            is_over: false,
        };
        stream::unfold(step, |mut step| async { step.next().await.map(|event| (event, step)) }).boxed()
    }

    fn error(&self, kind: ProviderErrorKind, what: impl Display) -> ProviderError {
        let mut message = format!("{}: {what}", self.name);
        // Some servers quote the key that they refuse.
        if let Some(key) = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty()) {
            message = message.replace(key, "(the key)");
        }
        ProviderError::new(kind, message)
    }

    fn caused(
        &self,
        kind: ProviderErrorKind,
        what: impl Display,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> ProviderError {
        ProviderError { source: Some(Box::new(source)), ..self.error(kind, what) }
    }

    fn silent(&self) -> ProviderError {
        let seconds = self.idle_timeout.as_secs();
        self.error(ProviderErrorKind::Unreachable, format_args!("{} sent nothing for {seconds} s", self.host()))
    }

    fn refused(&self, refusal: &Refusal, retry_after: Option<Duration>) -> ProviderError {
        let kind = refusal.kind();
        let what = match kind {
            ProviderErrorKind::Auth if self.key.is_none() => "wants a key, and none is set",
            ProviderErrorKind::Auth => "refused the key; check it and what it may use",
            ProviderErrorKind::RateLimited => "asks for a pause",
            ProviderErrorKind::Overloaded => "has a fault or too much to do; try again later",
            ProviderErrorKind::ContextTooLong => "can't take a conversation of this length; begin a new session",
            _ => "refused the request",
        };
        let status = refusal.status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
        let quote = if refusal.message.is_empty() { String::new() } else { format!(": {}", refusal.message) };
        ProviderError { retry_after, ..self.error(kind, format_args!("{} {what}{status}{quote}", self.host())) }
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or("the server")
    }
}

/// One step under way.
struct Step<D> {
    endpoint: Endpoint,
    body: Value,
    /// Set once the request was sent and welcome.
    response: Option<Response>,
    /// What is not decoded yet.
    chunk: Bytes,
    /// Bytes of the body so far.
    taken: usize,
    sse: sse::Decoder,
    decode: D,
    /// Deltas that nobody has asked for yet; at most those of one event.
    ready: VecDeque<ModelEvent>,
    is_whole: bool,
    is_over: bool,
}

impl<D: Decode> Step<D> {
    async fn next(&mut self) -> Option<Result<ModelEvent, ProviderError>> {
        if self.is_over {
            return None;
        }
        let event = self.advance().await;
        self.is_over = matches!(event, Ok(ModelEvent::Done(_)) | Err(_));
        Some(event)
    }

    async fn advance(&mut self) -> Result<ModelEvent, ProviderError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.is_whole {
                self.read_to_end().await;
                return Ok(ModelEvent::Done(std::mem::take(self.decode.parts()).into_step()));
            }
            if self.response.is_none() {
                self.ask().await?;
            } else if !self.decode_event()? {
                self.read().await?;
            }
        }
    }

    /// Sends the request and looks at the head of the answer.
    async fn ask(&mut self) -> Result<(), ProviderError> {
        let endpoint = &self.endpoint;
        let request = endpoint.client.post(endpoint.url.clone()).json(&std::mem::take(&mut self.body));
        let mut response = match timeout(endpoint.idle_timeout, request.send()).await {
            Err(_) => return Err(endpoint.silent()),
            Ok(Err(error)) => return Err(unreachable(endpoint, error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if !status.is_success() {
            let retry_after = failure::retry_after(response.headers());
            let read = read_bounded(&mut response, ERROR_BODY_BYTES);
            let body = timeout(ERROR_BODY_DEADLINE, read).await.unwrap_or_default();
            let mut refusal = Refusal::of_body(status.as_u16(), &body);
            if status.is_redirection() {
                refusal.message =
                    "redirects are not followed, since they would take the key along: correct base_url".into();
            }
            return Err(endpoint.refused(&refusal, retry_after));
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match media_type.split(';').next().unwrap_or_default().trim() {
            "" | "text/event-stream" | "text/plain" => self.response = Some(response),
            "application/json" => self.take_whole(response).await?,
            other => {
                let what = format!("answered with {other} instead of an event stream; is base_url right?");
                let what = format_args!("{} {what}", endpoint.host());
                return Err(endpoint.error(ProviderErrorKind::BadStream, what));
            }
        }
        Ok(())
    }

    /// An answer that was not streamed, or an error with status 200.
    async fn take_whole(&mut self, mut response: Response) -> Result<(), ProviderError> {
        let read = read_bounded(&mut response, STEP_BYTES);
        let body = timeout(self.endpoint.idle_timeout, read).await.map_err(|_| self.endpoint.silent())?;
        let answer = serde_json::from_slice(&body).map_err(|error| self.fault(error.into()))?;
        let taken = match Refusal::of_json(&answer) {
            Some(refusal) => Err(Fault::Refused(refusal)),
            None => self.decode.whole(answer),
        };
        taken.map_err(|fault| self.fault(fault))?;
        self.ready.extend(self.decode.parts().take_deltas());
        self.response = Some(response);
        self.is_whole = true;
        Ok(())
    }

    /// Takes one event out of the chunk; `false` when there is none.
    fn decode_event(&mut self) -> Result<bool, ProviderError> {
        let mut rest: &[u8] = &self.chunk;
        let event = self.sse.next_event(&mut rest);
        let used = self.chunk.len() - rest.len();
        drop(self.chunk.split_to(used));
        match event.map_err(|error| self.endpoint.caused(ProviderErrorKind::BadStream, error.clone(), error))? {
            Some(event) => self.take(&event.data).map(|()| true),
            None => Ok(false),
        }
    }

    fn take(&mut self, data: &str) -> Result<(), ProviderError> {
        let is_last = self.decode.event(data).map_err(|fault| self.fault(fault))?;
        self.ready.extend(self.decode.parts().take_deltas());
        self.is_whole = is_last;
        Ok(())
    }

    /// Waits for more of the body, or for its end.
    async fn read(&mut self) -> Result<(), ProviderError> {
        let Some(response) = &mut self.response else { return Ok(()) };
        match timeout(self.endpoint.idle_timeout, response.chunk()).await {
            Err(_) => Err(self.endpoint.silent()),
            Ok(Err(error)) => Err(cut_off(&self.endpoint, Some(error))),
            Ok(Ok(Some(chunk))) => {
                self.taken = self.taken.saturating_add(chunk.len());
                if self.taken > STEP_WIRE_BYTES {
                    let what = format!("the answer is longer than {STEP_WIRE_BYTES} bytes");
                    return Err(self.endpoint.error(ProviderErrorKind::BadStream, what));
                }
                self.chunk = chunk;
                Ok(())
            }
            Ok(Ok(None)) => self.end(),
        }
    }

    /// The body is over. A last event without its blank line counts if it can be read, and the step is whole if the model has
    /// said that it stopped: then nothing of it can be missing.
    fn end(&mut self) -> Result<(), ProviderError> {
        if let Ok(Some(event)) = std::mem::take(&mut self.sse).finish() {
            match self.decode.event(&event.data) {
                Ok(_) => self.ready.extend(self.decode.parts().take_deltas()),
                Err(Fault::Json(_)) => {}
                Err(fault) => return Err(self.fault(fault)),
            }
        }
        self.is_whole = self.decode.has_stopped();
        if self.is_whole { Ok(()) } else { Err(cut_off(&self.endpoint, None)) }
    }

    async fn read_to_end(&mut self) {
        let Some(mut response) = self.response.take() else { return };
        let read = read_bounded(&mut response, ERROR_BODY_BYTES);
        let _rest = timeout(END_OF_BODY_DEADLINE, read).await;
    }

    fn fault(&self, fault: Fault) -> ProviderError {
        match fault {
            Fault::Refused(refusal) => self.endpoint.refused(&refusal, None),
            fault => {
                let what = format!("{} sent what can't be understood: {fault}", self.endpoint.host());
                self.endpoint.caused(ProviderErrorKind::BadStream, what, fault)
            }
        }
    }
}

/// Reads up to `limit` bytes of a body; what was read counts, also where the rest fails.
async fn read_bounded(response: &mut Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    body
}

fn unreachable(endpoint: &Endpoint, error: reqwest::Error) -> ProviderError {
    let what =
        if error.is_connect() { "can't be reached; is it running, and base_url right?" } else { "did not answer" };
    let at = endpoint.url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let what = format!("{}{at} {what}", endpoint.host());
    endpoint.caused(ProviderErrorKind::Unreachable, what, error.without_url())
}

fn cut_off(endpoint: &Endpoint, error: Option<reqwest::Error>) -> ProviderError {
    let what = format!("{} ended its answer too early", endpoint.host());
    match error {
        Some(error) => endpoint.caused(ProviderErrorKind::BadStream, what, error.without_url()),
        None => endpoint.error(ProviderErrorKind::BadStream, what),
    }
}
