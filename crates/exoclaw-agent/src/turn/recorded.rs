//! Taking up a turn that was cut off.

use std::collections::HashMap;

use exoclaw_protocol::{CallId, Effect, ToolCall};

use super::call::Plan;
use crate::{ModelStep, ToolReturn};

/// A step that is durable, and how far its calls had come.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedStep {
    /// What the model said.
    pub content: ModelStep,
    /// Calls that were about to be run, each with the effect that its tool had then.
    pub intents: HashMap<CallId, Effect>,
    /// What calls gave back.
    pub results: HashMap<CallId, ToolReturn>,
}

impl RecordedStep {
    /// A step of whose calls none was begun.
    pub fn new(content: ModelStep) -> Self {
        Self { content, intents: HashMap::new(), results: HashMap::new() }
    }
}

/// Changes the plans of calls that were begun before: a result is kept, and what may have taken effect is run again only
/// where that changes nothing more.
pub(super) fn take_up(
    calls: &[ToolCall],
    plans: Vec<Plan>,
    intents: &HashMap<CallId, Effect>,
    mut results: HashMap<CallId, ToolReturn>,
) -> Vec<Plan> {
    let take_up = |(call, plan): (&ToolCall, Plan)| {
        if let Some(returned) = results.remove(&call.id) {
            return Plan::Recall(returned);
        }
        let Some(begun_as) = intents.get(&call.id) else { return plan };
        match plan {
            // The plugin may have been replaced meanwhile: the stricter effect counts.
            Plan::Run(effect) if effect.max(*begun_as) < Effect::Once => Plan::RunAgain(effect),
            Plan::Run(_) => Plan::Settle,
            // Refused now, but it may have been run then.
            _ if *begun_as >= Effect::Idempotent => Plan::Settle,
            refused => refused,
        }
    };
    calls.iter().zip(plans).map(take_up).collect()
}
