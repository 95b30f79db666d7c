//! How a turn fails.

use std::time::Duration;

use exoclaw_protocol::ErrorCode;

use crate::{OverBudget, ProviderError, ProviderErrorKind, RecordError};

/// Why a turn gave no answer. The message is fit for the client, the source for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// There is nothing to answer.
    #[error("the conversation holds nothing to answer: send some text")]
    Empty,
    /// The provider failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A budget has no room for the next step.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// A step, intent or result could not be made durable.
    #[error("the turn stopped because what it did could not be saved: see the log")]
    Record(#[source] RecordError),
    /// The model went on with one call after it was told that it repeats itself.
    #[error("the model called {tool} {times} times in a row with the same arguments: put the request in other words")]
    Repeated {
        /// The tool, as the model named it.
        tool: String,
        /// Calls in a row.
        times: u32,
    },
    /// The receiver of the events is gone.
    #[error("the turn stopped because nobody listens any more")]
    Unheard,
}

impl TurnError {
    /// What a client is told it is.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Empty => ErrorCode::InvalidParams,
            Self::Provider(error) => match error.kind {
                ProviderErrorKind::Auth => ErrorCode::ProviderAuth,
                ProviderErrorKind::RateLimited => ErrorCode::RateLimited,
                ProviderErrorKind::Overloaded | ProviderErrorKind::Unreachable => ErrorCode::ProviderUnavailable,
                ProviderErrorKind::ContextTooLong => ErrorCode::ContextTooLong,
                ProviderErrorKind::BadStream => ErrorCode::BadStream,
                ProviderErrorKind::Refused => ErrorCode::Refused,
            },
            Self::OverBudget(_) => ErrorCode::BudgetExceeded,
            Self::Record(_) => ErrorCode::Internal,
            Self::Repeated { .. } => ErrorCode::RunLimit,
            Self::Unheard => ErrorCode::Interrupted,
        }
    }

    /// What the provider asks to wait, or the time until a budget starts anew.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider(error) => error.retry_after,
            Self::OverBudget(error) => error.retry_after,
            _ => None,
        }
    }
}
