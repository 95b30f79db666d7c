//! A model, whoever serves it.

use std::{fmt, sync::Arc, time::Duration};

use exoclaw_protocol::{Block, Message, StopReason, Thinking, ToolSpec, Usage};
use futures::stream::BoxStream;

/// Streams one step of a model.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Asks once: exactly one HTTP request, never repeated by itself.
    ///
    /// The stream gives deltas and then, as its last item, either [`ModelEvent::Done`] or an error. Dropping it ends the request.
    fn stream(&self, request: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>>;
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The provider's name of the model.
    pub model: String,
    /// What the model is told to be.
    pub system: Option<String>,
    /// The conversation, each tool call paired with its result.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Arc<[ToolSpec]>,
    /// Tokens that it may write; each provider has a default.
    pub max_tokens: Option<u32>,
    /// How much it thinks; without, as it does by itself.
    pub thinking: Option<Thinking>,
}

/// One piece of a model's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The answer grew.
    Text(String),
    /// The thinking grew.
    Thinking(String),
    /// A tool call began to arrive. It is shown when it is whole, in [`ModelEvent::Done`].
    ToolCall,
    /// The step is whole.
    Done(ModelStep),
}

/// A whole step.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelStep {
    /// What the model said, tool calls included, in order. Ids of tool calls are unique within the step. The input of a
    /// call is an object; arguments that are none are kept as a string of what the model wrote, cut off where it is long.
    pub content: Vec<Block>,
    /// Why it stopped: [`StopReason::ToolUse`] if and only if it wants its calls to be run.
    pub stop_reason: StopReason,
    /// What it counted.
    pub usage: Usage,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// For programs.
    pub kind: ProviderErrorKind,
    /// For people: which provider, what happened, what helps. Never a key, never a request.
    pub message: String,
    /// What the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// For the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error without a time to wait or a cause.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, source: None }
    }
}

/// Why a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The key is missing, wrong or not allowed.
    Auth,
    /// Too many requests or tokens.
    RateLimited,
    /// The provider has a fault or too much to do.
    Overloaded,
    /// It could not be reached, or fell silent.
    Unreachable,
    /// The conversation does not fit.
    ContextTooLong,
    /// What it sent can't be understood, or ended too early.
    BadStream,
    /// It does not want this request.
    Refused,
}

impl ProviderErrorKind {
    /// Asking again may help.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Overloaded | Self::Unreachable | Self::BadStream)
    }
}
