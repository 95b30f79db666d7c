//! A message of the user with everything that answered it.

use std::collections::BTreeMap;

use exoclaw_protocol::{
    AbortReason, Block, CallId, ErrorCode, Message, Metering, RunId, StopReason, ToolContent, ToolOutput, Usage,
};
use exoclaw_runtime::message_digest;
use exoclaw_store::{Record, RunOutcome};

use super::count;
use crate::terminal::shortened;

/// Characters of an error that are kept.
const ERROR_CHARACTERS: usize = 500;

/// A run that has not ended.
#[derive(Debug)]
pub(super) struct Run {
    id: RunId,
    /// Number of the next step.
    next: u32,
    /// Calls of the last step that have no result yet; as many as a line has.
    calls: Vec<CallId>,
    /// How it ends if nothing follows.
    outcome: RunOutcome,
}

/// A call that is answered.
#[derive(Debug)]
pub(super) struct Answered {
    run_id: RunId,
    step: u32,
    call_id: CallId,
}

impl Run {
    /// The run that answers a message, and the records that begin it. None where the id of the session is no part of one.
    pub(super) fn begin(session: &str, number: u64, message: Message) -> (Option<Self>, Vec<Record>) {
        let Some(id) = run_id(session, number) else { return (None, Vec::new()) };
        let digest = message_digest(&message);
        let records = vec![Record::accepted(id.clone(), message, digest), Record::RunStarted { run_id: id.clone() }];
        let message = "no answer was kept".to_owned();
        let outcome = RunOutcome::Failed { code: ErrorCode::Interrupted, message, text: String::new() };
        (Some(Self { id, next: 0, calls: Vec::new(), outcome }), records)
    }

    /// The model said something, or failed.
    pub(super) fn step(
        &mut self,
        content: Vec<Block>,
        stop_reason: Option<&str>,
        error: Option<String>,
        lost: &mut BTreeMap<&'static str, u64>,
    ) -> Option<Record> {
        if matches!(stop_reason, Some("aborted" | "error")) {
            let text: String = content.iter().filter_map(Block::as_text).collect();
            self.outcome = match stop_reason {
                Some("aborted") => RunOutcome::Aborted { text, reason: AbortReason::Asked },
                _ => {
                    let message = shortened(&error.unwrap_or_default(), ERROR_CHARACTERS);
                    RunOutcome::Failed { code: ErrorCode::ProviderUnavailable, message, text }
                }
            };
            return None;
        }
        if self.was_cut_off() {
            count(lost, "answers that were cut off and begun anew");
        }
        self.outcome = RunOutcome::Ok;
        let call = |block: &Block| match block {
            Block::ToolCall { id, .. } => Some(id.clone()),
            _ => None,
        };
        self.calls = content.iter().filter_map(call).collect();
        let stop_reason = match stop_reason {
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            Some("length") => StopReason::MaxTokens,
            _ => StopReason::EndTurn,
        };
        let (run_id, step) = (self.id.clone(), self.next);
        self.next += 1;
        // What was used was used there: it counts against no budget here.
        Some(Record::Step { run_id, step, content, stop_reason, usage: Usage::default(), cost: None })
    }

    /// The call of the last step that a result answers.
    pub(super) fn answered(&mut self, call_id: CallId) -> Option<Answered> {
        let place = self.calls.iter().position(|call| *call == call_id)?;
        self.calls.remove(place);
        Some(Answered { run_id: self.id.clone(), step: self.next.saturating_sub(1), call_id })
    }

    pub(super) fn end(self) -> Record {
        Record::RunEnded { run_id: self.id, outcome: self.outcome }
    }

    /// The last answer was stopped or failed after it had said something.
    fn was_cut_off(&self) -> bool {
        match &self.outcome {
            RunOutcome::Aborted { text, .. } | RunOutcome::Failed { text, .. } => !text.is_empty(),
            RunOutcome::Ok | RunOutcome::Joined { .. } => false,
        }
    }
}

impl Answered {
    pub(super) fn result(self, content: Vec<ToolContent>, is_error: bool) -> Record {
        let Self { run_id, step, call_id } = self;
        let output = ToolOutput { content, is_error, failure: None };
        Record::ToolResult { run_id, step, call_id, output, metering: Metering::default() }
    }
}

/// Something that the assistant said without being asked.
pub(super) fn note(session: &str, number: u64, message: Message) -> Option<Record> {
    run_id(session, number).map(|run_id| Record::Noted { run_id, message })
}

/// The same for the same message of the same session, whenever it is imported.
fn run_id(session: &str, number: u64) -> Option<RunId> {
    format!("oc-{session}-{number}").parse().ok()
}
