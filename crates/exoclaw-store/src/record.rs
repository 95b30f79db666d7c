//! What a journal holds: one record per thing that happened in a session.

use exoclaw_protocol::{
    AbortReason, Block, CallId, Decision, Effect, ErrorCode, IdempotencyKey, Message, Metering, Money, Origin, RunId,
    RunOptions, SessionSettings, StopReason, TokenName, ToolOutput, Usage,
};
use serde::{Deserialize, Serialize};

/// A record as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number within the session, from 1, without gaps: the order of appending.
    pub seq: u64,
    /// When it was appended, in milliseconds since 1970 on the caller's clock.
    pub at_ms: u64,
    /// The record.
    pub record: Record,
}

/// One thing that happened in a session. Its JSON is part of the store format (`specs/store-format.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// A message was accepted; a run will answer it.
    Accepted {
        /// The run.
        run_id: RunId,
        /// The message.
        message: Message,
        /// The sender's key, if any: unique within the session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<IdempotencyKey>,
        /// SHA-256 of the message in hexadecimal: tells a repeated send from a conflicting one.
        digest: String,
        /// The credential that sent it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<TokenName>,
        /// Where it came from, if that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// What the channel that brought it needs to answer there; its answer is delivered by that channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// How it is to be treated.
        #[serde(default, skip_serializing_if = "RunOptions::is_default")]
        options: RunOptions,
    },
    /// Its turn came.
    RunStarted {
        /// The run.
        run_id: RunId,
    },
    /// A later process takes it up again. Written before anything of it is tried, so that a run that brings the process
    /// down is counted: [`OpenRun::resumed`](crate::OpenRun::resumed).
    RunResumed {
        /// The run.
        run_id: RunId,
    },
    /// The process stops in good order while it is under way: taking it up again is no sign of trouble.
    RunSuspended {
        /// The run.
        run_id: RunId,
    },
    /// The model said something, whole.
    Step {
        /// The run.
        run_id: RunId,
        /// Number within the run, from 0.
        step: u32,
        /// What it said, tool calls included.
        content: Vec<Block>,
        /// Why it stopped.
        stop_reason: StopReason,
        /// What it counted.
        usage: Usage,
        /// What it cost, at the prices of then; none where the model had no price.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Money>,
    },
    /// A call waits until somebody allows it.
    ApprovalRequested {
        /// The run.
        run_id: RunId,
        /// The model step that asked for it.
        step: u32,
        /// The call, unique within the step.
        call_id: CallId,
        /// The tool, as the model names it.
        tool: String,
        /// SHA-256 of the arguments in hexadecimal.
        digest: String,
        /// When it counts as denied, in milliseconds since 1970.
        expires_ms: u64,
    },
    /// Somebody answered, or nobody did in time. The first one of a call and its arguments counts.
    ApprovalResolved {
        /// The run.
        run_id: RunId,
        /// The model step that asked for it.
        step: u32,
        /// The call, unique within the step.
        call_id: CallId,
        /// SHA-256 of the arguments in hexadecimal: the answer is for these alone.
        digest: String,
        /// What became of it.
        decision: Decision,
        /// The credential that answered, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<TokenName>,
    },
    /// A tool is about to be called.
    Intent {
        /// The run.
        run_id: RunId,
        /// The model step that asked for it.
        step: u32,
        /// The call, unique within the step.
        call_id: CallId,
        /// The tool, as the model names it.
        tool: String,
        /// SHA-256 of the arguments in hexadecimal.
        digest: String,
        /// What the tool does to the world.
        effect: Effect,
        /// The same for every attempt of this one effect.
        key: String,
    },
    /// A tool gave something back, or its failure is [`OutcomeUnknown`](exoclaw_protocol::FailureKind::OutcomeUnknown): the
    /// call was cut short, may or may not have had its effect, and is not made again. There is one result per call.
    ToolResult {
        /// The run.
        run_id: RunId,
        /// The model step that asked for it.
        step: u32,
        /// The call, unique within the step.
        call_id: CallId,
        /// What it gave back.
        output: ToolOutput,
        /// What it cost.
        metering: Metering,
    },
    /// The run is over: the last record of it.
    RunEnded {
        /// The run.
        run_id: RunId,
        /// How it ended.
        outcome: RunOutcome,
    },
    /// The answer of a run was told on the platform that its message came from, or never will be.
    Delivered {
        /// The run.
        run_id: RunId,
        /// Why it never will be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
    /// What is set for the session from here on, whole.
    Set {
        /// All settings.
        settings: SessionSettings,
    },
    /// A new conversation begins with the next record.
    Reset {},
    /// Records before a number are no part of the conversation any more.
    Compacted {
        /// The first that is; of a message.
        from: u64,
        /// What the record right before this one says stands in their place.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        summarized: bool,
    },
    /// A model said in short what records say. It stands in their place once a [`Compacted`](Self::Compacted) says so.
    Summarized {
        /// Names it, as a run is named.
        run_id: RunId,
        /// The first of them.
        first: u64,
        /// The first after them.
        before: u64,
        /// What it said; empty where that was of no use.
        text: String,
        /// The provider's name of the model.
        model: String,
        /// What it counted.
        usage: Usage,
        /// What it cost, at the prices of then; none where the model had no price.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Money>,
        /// The credential that asked for it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<TokenName>,
    },
    /// Somebody put something into the conversation, and no run answers it.
    Noted {
        /// Names it, as a run is named.
        run_id: RunId,
        /// What it says: by the assistant, or by the user's side, about the conversation.
        message: Message,
    },
}

impl Record {
    /// A message without a key that is like any other.
    pub fn accepted(run_id: RunId, message: Message, digest: impl Into<String>) -> Self {
        let (options, digest) = (RunOptions::default(), digest.into());
        Self::Accepted { run_id, message, key: None, digest, by: None, origin: None, to: None, options }
    }

    /// The run that the record belongs to, if it is of one.
    pub fn run_id(&self) -> Option<&RunId> {
        match self {
            Self::Set { .. } | Self::Reset {} | Self::Compacted { .. } => None,
            Self::Accepted { run_id, .. }
            | Self::RunStarted { run_id }
            | Self::RunResumed { run_id }
            | Self::RunSuspended { run_id }
            | Self::Step { run_id, .. }
            | Self::ApprovalRequested { run_id, .. }
            | Self::ApprovalResolved { run_id, .. }
            | Self::Intent { run_id, .. }
            | Self::ToolResult { run_id, .. }
            | Self::RunEnded { run_id, .. }
            | Self::Delivered { run_id, .. }
            | Self::Summarized { run_id, .. }
            | Self::Noted { run_id, .. } => Some(run_id),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunOutcome {
    /// The model finished.
    Ok,
    /// It was stopped.
    Aborted {
        /// What the model had said in the step that was stopped.
        text: String,
        /// Why.
        #[serde(default, skip_serializing_if = "AbortReason::is_asked")]
        reason: AbortReason,
    },
    /// Its message is answered by another run.
    Joined {
        /// That run.
        into: RunId,
        /// The model step of that run which was told of the message first, where it was under way; it was told of it from
        /// the start otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u32>,
    },
    /// It failed.
    Failed {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
        /// What the model had said in the step that failed.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
}
