//! Tools: what the model may call, what it called, what came back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::CallId;

/// What a tool does to the world; decides what happens to a call that was interrupted. Ordered from harmless on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Computes from its arguments alone: may run again.
    Pure,
    /// Reads the world: may run again.
    Read,
    /// Changes the world, but running again with the same key changes nothing more.
    Idempotent,
    /// Changes the world each time: never run again without being asked.
    Once,
}

impl Effect {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Once => "once",
        }
    }
}

/// A tool as it is offered to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// Name as the model sees it: `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments, an object schema.
    pub input_schema: Value,
    /// What it does to the world.
    pub effect: Effect,
}

/// A call that the model asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// The model's id of the call.
    pub id: CallId,
    /// The tool, as the model named it.
    pub name: String,
    /// The arguments, an object.
    pub input: Value,
}

/// One piece of a tool's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToolContent {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON value.
    Json {
        /// The value.
        value: Value,
    },
    /// An image.
    Image {
        /// IANA media type.
        media_type: String,
        /// The bytes in standard base64.
        data: String,
    },
}

/// Why a tool gave no output of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No tool of that name is offered.
    UnknownTool,
    /// The arguments do not fit the tool.
    InvalidArguments,
    /// It asked for more than it was granted.
    Denied,
    /// Something that it needs is away, or too many calls are under way.
    Unavailable,
    /// It was stopped from outside.
    Cancelled,
    /// It ran past its deadline.
    TimedOut,
    /// It used up its fuel, memory or another bound.
    Exhausted,
    /// It trapped.
    Crashed,
    /// It said itself that it failed.
    Failed,
    /// It was interrupted, and whether it took effect can't be known.
    OutcomeUnknown,
}

/// What a tool gave back, as the model and the client see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolOutput {
    /// The output, or the reason of the failure in words for the model.
    pub content: Vec<ToolContent>,
    /// The tool did not do what was asked.
    pub is_error: bool,
    /// Set by the host when the output is not the tool's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureKind>,
}

impl ToolOutput {
    /// Output of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![ToolContent::Text { text: text.into() }], is_error: false, failure: None }
    }

    /// The output of a call that was cut off and is not run again.
    pub fn outcome_unknown() -> Self {
        let text = "it is not known whether this call took effect: it was cut off, and it is not run again because it may \
                    have. Find out what happened, or ask the user, before you call it again.";
        Self::failed(FailureKind::OutcomeUnknown, text)
    }

    /// A failure in words for the model.
    pub fn failed(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { content: vec![ToolContent::Text { text: text.into() }], is_error: true, failure: Some(kind) }
    }
}

/// What became of a call whose answer was lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Reconciled {
    /// The effect took place; this is what the call would have given back.
    Happened(ToolOutput),
    /// The effect did not take place and will not: the call may be made.
    NotHappened,
    /// Nobody knows: the call is not made again, and the model is told.
    Unknown,
}

/// What one tool call cost, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metering {
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// Fuel, roughly instructions.
    pub fuel: u64,
    /// Largest linear memory in bytes.
    pub peak_memory: u64,
    /// Calls from the guest into the host.
    pub host_calls: u64,
    /// Bytes that the guest sent out of the sandbox.
    pub bytes_out: u64,
    /// Bytes that the guest took in.
    pub bytes_in: u64,
}

impl std::ops::AddAssign for Metering {
    /// Adds up everything but memory, of which the largest counts.
    fn add_assign(&mut self, other: Self) {
        self.wall_us = self.wall_us.saturating_add(other.wall_us);
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        self.host_calls = self.host_calls.saturating_add(other.host_calls);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
    }
}
