//! Puts a step together from its fragments, within bounds.

use std::collections::HashSet;

use exoclaw_protocol::{Block, CallId, StopReason, Usage};
use serde_json::{Map, Value};

use crate::{ModelEvent, ModelStep, history};

/// All text, thoughts and arguments of one step, in bytes: many times what models write, and a bound for broken servers.
pub(crate) const STEP_BYTES: usize = 8 * 1024 * 1024;

/// Blocks of one step.
pub(crate) const STEP_BLOCKS: usize = 512;

/// What is kept of arguments that are no JSON object: enough for the model to see its mistake.
const INVALID_ARGUMENTS_BYTES: usize = 2 * 1024;

/// A step that can't be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error("the step is larger than {STEP_BYTES} bytes or {STEP_BLOCKS} blocks")]
    TooLarge,
    #[error("a fragment belongs to no block that was begun")]
    Stray,
}

/// One block as it grows.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Thinking { text: String, signature: String },
    Redacted(String),
    Call(Call),
}

/// A tool call as it grows.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// As the server wrote it; may be empty, invalid or taken.
    pub(crate) id: String,
    pub(crate) name: String,
    /// Fragments of the arguments.
    pub(crate) arguments: String,
    /// The arguments, from servers that send them whole.
    pub(crate) whole: Option<Value>,
}

/// The step so far. Deltas to be told wait in `deltas`.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    parts: Vec<Part>,
    bytes: usize,
    deltas: Vec<ModelEvent>,
    pub(crate) stop_reason: Option<StopReason>,
    pub(crate) usage: Usage,
}

impl Parts {
    /// Deltas since the last time.
    pub(crate) fn take_deltas(&mut self) -> std::vec::Drain<'_, ModelEvent> {
        self.deltas.drain(..)
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Begins a block; gives its place.
    pub(crate) fn begin(&mut self, part: Part) -> Result<usize, StepError> {
        let size = match &part {
            Part::Text(text) | Part::Redacted(text) => text.len(),
            Part::Thinking { text, signature } => text.len() + signature.len(),
            Part::Call(call) => {
                call.id.len()
                    + call.name.len()
                    + call.arguments.len()
                    + call.whole.as_ref().map_or(0, |value| value.to_string().len())
            }
        };
        self.count(size)?;
        if self.parts.len() == STEP_BLOCKS {
            return Err(StepError::TooLarge);
        }
        match &part {
            Part::Text(text) if !text.is_empty() => self.deltas.push(ModelEvent::Text(text.clone())),
            Part::Thinking { text, .. } if !text.is_empty() => self.deltas.push(ModelEvent::Thinking(text.clone())),
            Part::Call(_) => self.deltas.push(ModelEvent::ToolCall),
            Part::Text(_) | Part::Thinking { .. } | Part::Redacted(_) => {}
        }
        self.parts.push(part);
        Ok(self.parts.len() - 1)
    }

    /// The last block.
    pub(crate) fn last(&self) -> Option<&Part> {
        self.parts.last()
    }

    /// The calls so far, with their places.
    pub(crate) fn calls(&self) -> impl DoubleEndedIterator<Item = (usize, &Call)> {
        self.parts.iter().enumerate().filter_map(|(place, part)| match part {
            Part::Call(call) => Some((place, call)),
            Part::Text(_) | Part::Thinking { .. } | Part::Redacted(_) => None,
        })
    }

    /// The block at `place` grows by text or a thought.
    pub(crate) fn grow(&mut self, place: usize, more: String) -> Result<(), StepError> {
        self.count(more.len())?;
        let (text, delta): (_, fn(String) -> ModelEvent) = match self.parts.get_mut(place) {
            Some(Part::Text(text)) => (text, ModelEvent::Text),
            Some(Part::Thinking { text, .. }) => (text, ModelEvent::Thinking),
            Some(Part::Redacted(_) | Part::Call(_)) | None => return Err(StepError::Stray),
        };
        text.push_str(&more);
        if !more.is_empty() {
            self.deltas.push(delta(more));
        }
        Ok(())
    }

    /// The signature of the thought at `place` grows.
    pub(crate) fn sign(&mut self, place: usize, more: &str) -> Result<(), StepError> {
        self.count(more.len())?;
        let Some(Part::Thinking { signature, .. }) = self.parts.get_mut(place) else { return Err(StepError::Stray) };
        signature.push_str(more);
        Ok(())
    }

    /// The arguments of the call at `place` grow.
    pub(crate) fn argue(&mut self, place: usize, more: &str) -> Result<(), StepError> {
        self.count(more.len())?;
        let Some(Part::Call(call)) = self.parts.get_mut(place) else { return Err(StepError::Stray) };
        call.arguments.push_str(more);
        Ok(())
    }

    /// The call at `place`, for what comes late; ids and names are bounded by the size of their event.
    pub(crate) fn call_mut(&mut self, place: usize) -> Option<&mut Call> {
        match self.parts.get_mut(place) {
            Some(Part::Call(call)) => Some(call),
            _ => None,
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), StepError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > STEP_BYTES { Err(StepError::TooLarge) } else { Ok(()) }
    }

    /// The whole step. Blocks without content are left out, ids made valid and unique, and the stop reason made to agree with
    /// the calls: servers differ in what they say there.
    pub(crate) fn into_step(self) -> ModelStep {
        let mut content: Vec<Block> = self.parts.into_iter().enumerate().filter_map(into_block).collect();
        history::make_ids_unique(&mut content, &mut HashSet::new());
        let has_calls = content.iter().any(|block| matches!(block, Block::ToolCall { .. }));
        let stop_reason = match self.stop_reason {
            None | Some(StopReason::EndTurn | StopReason::ToolUse) if has_calls => StopReason::ToolUse,
            None | Some(StopReason::ToolUse) => StopReason::EndTurn,
            Some(reason) => reason,
        };
        ModelStep { content, stop_reason, usage: self.usage }
    }
}

fn into_block((place, part): (usize, Part)) -> Option<Block> {
    match part {
        Part::Text(text) => (!text.is_empty()).then_some(Block::Text { text }),
        Part::Thinking { text, signature } => {
            let signature = (!signature.is_empty()).then_some(signature);
            (!text.is_empty() || signature.is_some()).then_some(Block::Thinking { text, signature })
        }
        Part::Redacted(data) => Some(Block::RedactedThinking { data }),
        Part::Call(call) => {
            let made_up = || format!("call_{place}").parse::<CallId>();
            let id = call.id.parse().or_else(|_| made_up()).ok()?;
            let input = input(&call.arguments, call.whole);
            Some(Block::ToolCall { id, name: call.name, input })
        }
    }
}

/// The arguments as an object; else what was written, as a string.
fn input(arguments: &str, whole: Option<Value>) -> Value {
    if arguments.trim().is_empty() {
        return match whole {
            None | Some(Value::Null) => Value::Object(Map::new()),
            Some(Value::String(text)) => input(&text, None),
            Some(value @ Value::Object(_)) => value,
            Some(value) => Value::String(cut(&value.to_string())),
        };
    }
    match serde_json::from_str(arguments) {
        Ok(value @ Value::Object(_)) => value,
        Ok(Value::Null) => Value::Object(Map::new()),
        _ => Value::String(cut(arguments)),
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(INVALID_ARGUMENTS_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
