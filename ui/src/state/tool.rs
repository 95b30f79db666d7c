//! A tool call.

use exoclaw_protocol::{Approval, CallId, Decision, Effect, FailureKind, Metering, ToolContent, ToolOutput};
use serde_json::Value;

/// Bytes of a tool's input or output that a card holds; the rest is said to be left out.
pub(crate) const TOOL_TEXT_BYTES: usize = 64 * 1024;

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) call: CallId,
    /// `plugin.tool`.
    pub(crate) name: String,
    /// The arguments, as text.
    pub(crate) input: String,
    /// What it does to the world; the journal does not keep it.
    pub(crate) effect: Option<Effect>,
    pub(crate) state: ToolState,
    /// How far it says it is: a fraction of one, and its words.
    pub(crate) progress: Option<(Option<f32>, String)>,
    /// What it gave back, as text.
    pub(crate) output: String,
    /// What it cost; the journal does not keep it.
    pub(crate) metering: Option<Metering>,
    /// Somebody is asked whether it may be made.
    pub(crate) question: Option<Question>,
    /// What became of that, and who said so.
    pub(crate) decision: Option<(Decision, Option<String>)>,
}

/// Somebody is asked whether a call may be made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) approval: Approval,
    /// This page's answer is on its way.
    pub(crate) answered: bool,
}

/// How far a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolState {
    /// Until somebody allows it.
    Waiting,
    Running,
    Done,
    Failed(Option<FailureKind>),
    /// The run ended before it did.
    Stopped,
}

impl Tool {
    pub(crate) fn new(call: CallId, name: &str, input: &Value) -> Self {
        Self {
            call,
            // The model's own name for it, where that is all there is.
            name: name.replacen("__", ".", 1),
            input: cut(pretty(input)),
            effect: None,
            state: ToolState::Running,
            progress: None,
            output: String::new(),
            metering: None,
            question: None,
            decision: None,
        }
    }

    /// The plugin that it is of.
    pub(crate) fn plugin(&self) -> &str {
        self.name.split_once('.').map_or(&self.name, |(plugin, _)| plugin)
    }

    /// It has not come to an end.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, ToolState::Waiting | ToolState::Running)
    }

    pub(crate) fn ask(&mut self, approval: &Approval) {
        self.effect = Some(approval.effect);
        self.state = ToolState::Waiting;
        // Whoever reads the session anew may have answered already.
        let answered = self.question.as_ref().is_some_and(|old| old.approval.id == approval.id && old.answered);
        self.question = Some(Question { approval: approval.clone(), answered });
    }

    pub(crate) fn decide(&mut self, decision: Decision, by: Option<String>) {
        self.question = None;
        self.decision = Some((decision, by));
        if self.state == ToolState::Waiting {
            let denied = ToolState::Failed(Some(FailureKind::Denied));
            self.state = if decision == Decision::Allowed { ToolState::Running } else { denied };
        }
    }

    pub(crate) fn finish(&mut self, output: &ToolOutput, metering: Option<Metering>) {
        self.output = readable(&output.content);
        self.state = if output.is_error { ToolState::Failed(output.failure) } else { ToolState::Done };
        self.progress = None;
        self.question = None;
        self.metering = metering.or(self.metering);
    }

    /// What only events tell, from the same call before the session was read anew.
    pub(crate) fn keep_of(&mut self, old: &Self) {
        self.effect = self.effect.or(old.effect);
        self.metering = self.metering.or(old.metering);
        self.decision = self.decision.take().or_else(|| old.decision.clone());
        if let (ToolState::Failed(None), ToolState::Failed(kind)) = (self.state, old.state) {
            self.state = ToolState::Failed(kind);
        }
        if let (Some(question), Some(old)) = (&mut self.question, &old.question) {
            question.answered |= old.answered && old.approval.id == question.approval.id;
        }
    }
}

/// What a tool gave back, as text.
pub(crate) fn readable(content: &[ToolContent]) -> String {
    let lines = content.iter().map(|piece| match piece {
        ToolContent::Text { text } => text.clone(),
        ToolContent::Json { value } => pretty(value),
        ToolContent::Image { media_type, data } => format!("[{media_type}, {} KB]", data.len() * 3 / 4 / 1024),
    });
    cut(lines.collect::<Vec<_>>().join("\n"))
}

pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn cut(mut text: String) -> String {
    if text.len() > TOOL_TEXT_BYTES {
        let total = text.len();
        text.truncate(text.floor_char_boundary(TOOL_TEXT_BYTES));
        text.push_str(&format!("\n… {total} bytes in all"));
    }
    text
}
