//! What a turn tells while it runs.

use exoclaw_protocol::{
    Approval, ApprovalId, CallId, Decision, Effect, Message, Metering, StopReason, TokenName, ToolCall, ToolOutput,
    Usage,
};

use crate::Progress;

/// One thing that happened in a turn, in order. Each call begins, once it is allowed, before it says or finishes anything.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The answer grew.
    Text(String),
    /// The thinking grew.
    Thinking(String),
    /// A model step is durable.
    StepEnded {
        /// What it counted.
        usage: Usage,
    },
    /// A call waits until somebody allows it; that is durable.
    ApprovalRequested {
        /// What is asked.
        approval: Approval,
    },
    /// A call waits no more; the answer is durable.
    ApprovalResolved {
        /// The approval.
        id: ApprovalId,
        /// What became of it.
        decision: Decision,
        /// The credential that answered.
        by: Option<TokenName>,
    },
    /// A tool call began; its intent is durable, where it has one.
    ToolStarted {
        /// The call.
        call: ToolCall,
        /// What the tool does to the world.
        effect: Effect,
    },
    /// A tool says how far it is.
    ToolProgress {
        /// The call.
        call_id: CallId,
        /// What it says.
        progress: Progress,
    },
    /// A tool call ended; its result is durable.
    ToolFinished {
        /// The call.
        call_id: CallId,
        /// The tool, as the model named it.
        name: String,
        /// What it gave back.
        output: ToolOutput,
        /// What it cost.
        metering: Metering,
    },
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEnd {
    /// The model's last message.
    pub message: Message,
    /// Why it stopped.
    pub stop_reason: StopReason,
    /// What all steps counted.
    pub usage: Usage,
}
