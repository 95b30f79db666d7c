//! Events of the Messages API ("Streaming messages").

use exoclaw_protocol::StopReason;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    http::{Decode, Fault, Refusal},
    parts::{Call, Part, Parts, STEP_BLOCKS, StepError},
};

/// The answer so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    parts: Parts,
    /// Places of the blocks by the server's index; no place for kinds that we do not know.
    places: Vec<(u64, Option<usize>)>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u64,
        delta: Delta,
    },
    MessageDelta {
        delta: Stopped,
        #[serde(default)]
        usage: Option<Tokens>,
    },
    MessageStop,
    Error {},
    /// `ping`, `content_block_stop`, and what may come.
    #[serde(other)]
    Other,
}

/// The whole message, or its frame.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Option<Value>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Stopped {
    #[serde(default)]
    stop_reason: Option<String>,
}

/// Counts so far: each replaces the one before it.
#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
}

impl Answer {
    fn begin(&mut self, block: Block) -> Result<Option<usize>, StepError> {
        let part = match block {
            Block::Text { text } => Part::Text(text),
            Block::Thinking { thinking, signature } => Part::Thinking { text: thinking, signature },
            Block::RedactedThinking { data } => Part::Redacted(data),
            Block::ToolUse { id, name, input } => Part::Call(Call { id, name, arguments: String::new(), whole: input }),
            Block::Other => return Ok(None),
        };
        self.parts.begin(part).map(Some)
    }

    fn grow(&mut self, index: u64, delta: Delta) -> Result<(), StepError> {
        let place = self.places.iter().rev().find(|(known, _)| *known == index).ok_or(StepError::Stray)?.1;
        let Some(place) = place else { return Ok(()) };
        match delta {
            Delta::Text { text } => self.parts.grow(place, text),
            Delta::Thinking { thinking } => self.parts.grow(place, thinking),
            Delta::Signature { signature } => self.parts.sign(place, &signature),
            Delta::InputJson { partial_json } => self.parts.argue(place, &partial_json),
            Delta::Other => Ok(()),
        }
    }

    fn count(&mut self, tokens: Option<Tokens>) {
        let Some(tokens) = tokens else { return };
        let usage = &mut self.parts.usage;
        usage.input_tokens = tokens.input_tokens.unwrap_or(usage.input_tokens);
        usage.output_tokens = tokens.output_tokens.unwrap_or(usage.output_tokens);
        usage.cache_read_tokens = tokens.cache_read_input_tokens.unwrap_or(usage.cache_read_tokens);
        usage.cache_write_tokens = tokens.cache_creation_input_tokens.unwrap_or(usage.cache_write_tokens);
    }

    fn stop(&mut self, reason: Option<&str>) {
        let Some(reason) = reason else { return };
        self.parts.stop_reason = Some(match reason {
            "tool_use" => StopReason::ToolUse,
            "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
            "stop_sequence" => StopReason::StopSequence,
            "refusal" => StopReason::Refusal,
            _ => StopReason::EndTurn,
        });
    }
}

impl Decode for Answer {
    fn event(&mut self, data: &str) -> Result<bool, Fault> {
        match serde_json::from_str(data)? {
            Event::MessageStart { message } => self.count(message.usage),
            Event::ContentBlockStart { index, content_block } => {
                if self.places.len() == STEP_BLOCKS {
                    return Err(StepError::TooLarge.into());
                }
                let place = self.begin(content_block)?;
                self.places.push((index, place));
            }
            Event::ContentBlockDelta { index, delta } => self.grow(index, delta)?,
            Event::MessageDelta { delta, usage } => {
                self.stop(delta.stop_reason.as_deref());
                self.count(usage);
            }
            Event::MessageStop => return Ok(true),
            Event::Error {} => {
                let refusal = Refusal::of_json(&serde_json::from_str(data)?);
                return Err(Fault::Refused(refusal.unwrap_or_default()));
            }
            Event::Other => {}
        }
        Ok(false)
    }

    fn whole(&mut self, answer: Value) -> Result<(), Fault> {
        let Message { content, stop_reason, usage } = serde_json::from_value(answer)?;
        for block in content {
            self.begin(block)?;
        }
        self.stop(Some(stop_reason.as_deref().unwrap_or("end_turn")));
        self.count(usage);
        Ok(())
    }

    fn has_stopped(&self) -> bool {
        self.parts.stop_reason.is_some()
    }

    fn parts(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

#[cfg(test)]
mod tests;
