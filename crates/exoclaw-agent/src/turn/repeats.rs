//! Notices a model that makes the same call again and again.

use exoclaw_protocol::ToolCall;
use serde_json::Value;

/// The last call and how often it came in a row.
#[derive(Debug)]
pub(super) struct Repeats {
    allowed: u32,
    last: Option<(String, Value)>,
    times: u32,
    /// The step in which the model was told.
    told: Option<u32>,
}

/// What to do with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Run,
    /// Refuse it and tell the model.
    Tell(u32),
    /// The model was told in an earlier step: end the turn.
    End(u32),
}

impl Repeats {
    pub(super) fn new(allowed: u32) -> Self {
        Self { allowed, last: None, times: 0, told: None }
    }

    pub(super) fn judge(&mut self, step: u32, call: &ToolCall) -> Verdict {
        if !matches!(&self.last, Some((name, input)) if *name == call.name && *input == call.input) {
            *self = Self { last: Some((call.name.clone(), call.input.clone())), ..Self::new(self.allowed) };
        }
        self.times = self.times.saturating_add(1);
        match self.told {
            _ if self.times <= self.allowed => Verdict::Run,
            Some(told) if told < step => Verdict::End(self.times),
            _ => {
                self.told = Some(step);
                Verdict::Tell(self.times)
            }
        }
    }
}
