//! Events: what happens in a session, numbered, for everyone who watches it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Approval, ApprovalId, CallId, Decision, Effect, ErrorCode, Message, Metering, RunId, SessionKey, TokenName,
    ToolOutput,
};

/// One event of a session, as it goes to clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEvent {
    /// The session.
    pub session: SessionKey,
    /// Names one numbering of the session's events; a new one starts at 1.
    pub epoch: u64,
    /// Number within the epoch, from 1, without gaps.
    pub seq: u64,
    /// Set where deltas were put together for a reader that is behind: the number of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// What happened. Flat in JSON, where `type` names it.
    #[serde(flatten)]
    pub event: Event,
}

impl SessionEvent {
    /// The number after which it comes: everything between was put together into this one.
    pub fn follows(&self) -> u64 {
        self.first_seq.unwrap_or(self.seq).saturating_sub(1)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// A message was made durable; its run will follow.
    #[serde(rename = "accepted")]
    Accepted {
        /// The message.
        message: Message,
    },
    /// The answer grew.
    #[serde(rename = "delta")]
    Delta {
        /// What was added.
        text: String,
    },
    /// The model's thinking grew.
    #[serde(rename = "thinking")]
    Thinking {
        /// What was added.
        text: String,
    },
    /// A call waits until somebody allows it.
    #[serde(rename = "approval.requested")]
    ApprovalRequested {
        /// What is asked.
        approval: Approval,
    },
    /// A call waits no more: somebody answered, or nobody did in time.
    #[serde(rename = "approval.resolved")]
    ApprovalResolved {
        /// The approval.
        id: ApprovalId,
        /// What became of it.
        decision: Decision,
        /// The credential that answered, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<TokenName>,
    },
    /// A tool call began.
    #[serde(rename = "tool.started")]
    ToolStarted {
        /// The call.
        call_id: CallId,
        /// The tool, `plugin.tool`.
        tool: String,
        /// The arguments.
        input: Value,
        /// What it does to the world.
        effect: Effect,
    },
    /// A tool says how far it is.
    #[serde(rename = "tool.progress")]
    ToolProgress {
        /// The call.
        call_id: CallId,
        /// From 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fraction: Option<f32>,
        /// The tool's words.
        message: String,
    },
    /// A tool call ended; its result is durable.
    #[serde(rename = "tool.finished")]
    ToolFinished {
        /// The call.
        call_id: CallId,
        /// The tool, `plugin.tool`.
        tool: String,
        /// What it gave back.
        output: ToolOutput,
        /// What it cost.
        metering: Metering,
    },
    /// A model step ended.
    #[serde(rename = "usage")]
    Usage {
        /// Tokens of this step.
        usage: Usage,
    },
    /// The run ended well. Terminal.
    #[serde(rename = "final")]
    Final {
        /// The last message of the run, whole.
        message: Message,
        /// Why the model stopped.
        stop_reason: StopReason,
        /// Tokens of the whole run.
        usage: Usage,
    },
    /// The run was stopped. Terminal.
    #[serde(rename = "aborted")]
    Aborted {
        /// What the model had said in the step that was stopped.
        text: String,
        /// Why.
        #[serde(default, skip_serializing_if = "AbortReason::is_asked")]
        reason: AbortReason,
    },
    /// Somebody put something into the conversation. Its run id names it alone: no run answers it.
    #[serde(rename = "noted")]
    Noted {
        /// What it says.
        message: Message,
    },
    /// The session's conversation begins anew, or later than before: whoever shows it starts again from a snapshot. Its run
    /// id names no run.
    #[serde(rename = "reset")]
    Reset {},
    /// The message is answered by another run. Terminal.
    #[serde(rename = "joined")]
    Joined {
        /// That run.
        into: RunId,
    },
    /// The run failed. Terminal.
    #[serde(rename = "error")]
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people: what failed and what helps.
        message: String,
        /// The same message may succeed when sent again.
        retryable: bool,
    },
}

impl Event {
    /// Nothing of the run follows it.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Final { .. } | Self::Aborted { .. } | Self::Joined { .. } | Self::Error { .. })
    }
}

/// Why a run was stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AbortReason {
    /// Somebody asked for it.
    #[default]
    Asked,
    /// A message said so, such as `/stop`.
    Stop,
    /// Its time was over.
    Timeout,
    /// A newer message took its place.
    Interrupt,
    /// Its session was reset or deleted.
    Reset,
}

impl AbortReason {
    /// Somebody asked for it.
    pub fn is_asked(&self) -> bool {
        *self == Self::Asked
    }
}

/// Tokens that a model counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Read by the model, cached ones left out.
    pub input_tokens: u64,
    /// Written by the model.
    pub output_tokens: u64,
    /// Read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Written to the provider's cache.
    pub cache_write_tokens: u64,
}

impl Usage {
    /// All of them together.
    pub fn tokens(&self) -> u64 {
        let Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = *self;
        let cached = cache_read_tokens.saturating_add(cache_write_tokens);
        input_tokens.saturating_add(output_tokens).saturating_add(cached)
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(other.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// It had said what it wanted to.
    EndTurn,
    /// It wants tools to be called.
    ToolUse,
    /// It reached the token limit.
    MaxTokens,
    /// It wrote a stop sequence.
    StopSequence,
    /// It refused, or a filter stopped it.
    Refusal,
    /// The turn reached its limit of steps.
    StepLimit,
}
