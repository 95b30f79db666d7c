//! What a turn needs of the world: tools to call and a place to record.

use std::{fmt, sync::Arc, time::Duration};

use exoclaw_protocol::{
    Approval, Decision, Effect, FailureKind, Message, Metering, Reconciled, TokenName, ToolCall, ToolOutput, ToolSpec,
};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::{ModelRequest, ModelStep};

/// The tools of one agent.
pub trait Tools: fmt::Debug + Send + Sync {
    /// What the model is offered.
    fn specs(&self) -> Arc<[ToolSpec]>;

    /// Calls one tool. Whatever goes wrong is an output with `is_error`; dropping the future stops the tool.
    fn call(&self, invocation: Invocation) -> BoxFuture<'_, ToolReturn>;

    /// Says whether a call that was begun and cut off took effect. Most tools can't know.
    fn reconcile(&self, _step: u32, _call: ToolCall) -> BoxFuture<'_, Reconciled> {
        Box::pin(async { Reconciled::Unknown })
    }
}

/// One call of a tool.
#[derive(Debug)]
pub struct Invocation {
    /// The model step, from 0.
    pub step: u32,
    /// The call, named by an offered spec.
    pub call: ToolCall,
    /// Takes what the tool says while it runs. When full, progress is dropped: it is no result.
    pub progress: mpsc::Sender<Progress>,
}

/// What a tool says while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: Option<f32>,
    /// The tool's words.
    pub message: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolReturn {
    /// What it gave back.
    pub output: ToolOutput,
    /// What it cost.
    pub metering: Metering,
}

/// No tools at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

impl Tools for NoTools {
    fn specs(&self) -> Arc<[ToolSpec]> {
        Arc::new([])
    }

    fn call(&self, invocation: Invocation) -> BoxFuture<'_, ToolReturn> {
        let text = format!("there is no tool named {:?}", invocation.call.name);
        let output = ToolOutput::failed(FailureKind::UnknownTool, text);
        Box::pin(async { ToolReturn { output, metering: Metering::default() } })
    }
}

/// Asks people whether calls may be made.
pub trait Approver: fmt::Debug + Send + Sync {
    /// Asked before a call is begun, and before its intent is recorded. What is asked and answered is durable before the
    /// turn hears of it.
    fn ask<'a>(&'a self, step: u32, call: &'a ToolCall) -> BoxFuture<'a, Result<Asked<'a>, RecordError>>;
}

/// Whether a call may be made.
pub enum Asked<'a> {
    /// Nobody need allow it.
    NotNeeded,
    /// Somebody answered before, in an earlier attempt at this turn.
    Decided(Decision),
    /// It can't be asked for now; why, in words for the model.
    Refused(FailureKind, String),
    /// It waits for an answer, which the future gives.
    Waits(Approval, BoxFuture<'a, Result<Decided, RecordError>>),
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded => f.write_str("NotNeeded"),
            Self::Decided(decision) => f.debug_tuple("Decided").field(decision).finish(),
            Self::Refused(kind, text) => f.debug_tuple("Refused").field(kind).field(text).finish(),
            Self::Waits(approval, _) => f.debug_tuple("Waits").field(approval).finish_non_exhaustive(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What it is.
    pub decision: Decision,
    /// The credential that gave it.
    pub by: Option<TokenName>,
}

/// Asks nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unasked;

impl Approver for Unasked {
    fn ask<'a>(&'a self, _step: u32, _call: &'a ToolCall) -> BoxFuture<'a, Result<Asked<'a>, RecordError>> {
        Box::pin(async { Ok(Asked::NotNeeded) })
    }
}

/// Makes the steps of a turn durable. The turn waits for each record before it goes on.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// Resolves when the record is durable.
    fn record(&self, record: TurnRecord) -> BoxFuture<'_, Result<(), RecordError>>;
}

/// Keeps nothing: for turns that nobody will miss.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unrecorded;

impl Recorder for Unrecorded {
    fn record(&self, _record: TurnRecord) -> BoxFuture<'_, Result<(), RecordError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What a turn records: a step, then an intent and a result for each of its calls. Calls run side by side, so their
/// records may be interleaved. A call that is refused has no intent, nor has one that is `pure` or `read`: running it
/// again changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnRecord {
    /// The model said something, whole.
    Step {
        /// Number within the turn, from 0.
        step: u32,
        /// What it said.
        content: ModelStep,
    },
    /// A tool is about to be called.
    Intent {
        /// The step that asked for it.
        step: u32,
        /// The call.
        call: ToolCall,
        /// What the tool does to the world.
        effect: Effect,
    },
    /// A tool gave something back, or was refused.
    Result {
        /// The step that asked for it.
        step: u32,
        /// The call.
        call: ToolCall,
        /// What came back.
        returned: ToolReturn,
    },
}

/// Brings what people say to a turn while it is under way.
pub trait Inbox: fmt::Debug + Send + Sync {
    /// Asked before each step that is not recorded yet: messages that the model is told before it goes on. That they were
    /// taken is durable when it resolves.
    fn take(&self, step: u32) -> BoxFuture<'_, Result<Vec<Message>, RecordError>>;
}

/// Brings nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Undisturbed;

impl Inbox for Undisturbed {
    fn take(&self, _step: u32) -> BoxFuture<'_, Result<Vec<Message>, RecordError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Knows what model steps may cost.
pub trait Meter: fmt::Debug + Send + Sync {
    /// Asked before each step that is not recorded yet: keeps what it may take until it is recorded or the turn ends.
    ///
    /// # Errors
    /// When there is no room for it: the turn ends, and the model is not asked.
    fn admit(&self, request: &ModelRequest) -> Result<(), OverBudget>;
}

/// Lets everything through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn admit(&self, _request: &ModelRequest) -> Result<(), OverBudget> {
        Ok(())
    }
}

/// A step would go beyond a budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OverBudget {
    /// For people: the budget, how much of it is used, and what helps.
    pub message: String,
    /// When it starts anew.
    pub retry_after: Option<Duration>,
}

/// A record could not be made durable: the turn ends.
#[derive(Debug, thiserror::Error)]
#[error("record a step of the turn")]
pub struct RecordError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
