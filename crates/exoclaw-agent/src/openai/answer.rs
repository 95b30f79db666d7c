//! Chunks of the Chat Completions API ("The chat completion chunk object"), as the vendor sends them and as others do.

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
    /// Places of the calls by the server's index.
    places: Vec<(u64, usize)>,
    /// The model refuses in words of its own.
    refuses: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    /// Called `message` in an answer that is not streamed.
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    /// Text; a list of typed pieces by some servers.
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    refusal: Option<String>,
    /// Thoughts by DeepSeek, llama.cpp, vLLM and others.
    #[serde(default)]
    reasoning_content: Option<String>,
    /// Thoughts by Ollama, OpenRouter and newer vLLM.
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Default, Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
    /// Text; an object by some servers.
    #[serde(default)]
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptTokens>,
}

#[derive(Deserialize)]
struct PromptTokens {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl Answer {
    fn chunk(&mut self, chunk: Chunk) -> Result<(), Fault> {
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            if let Some(delta) = choice.delta {
                self.delta(delta)?;
            }
            if let Some(reason) = choice.finish_reason {
                self.parts.stop_reason = Some(match reason.as_str() {
                    "tool_calls" | "function_call" => StopReason::ToolUse,
                    "length" => StopReason::MaxTokens,
                    "content_filter" => StopReason::Refusal,
                    _ => StopReason::EndTurn,
                });
            }
        }
        if let Some(tokens) = chunk.usage {
            let cached = tokens.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0);
            let usage = &mut self.parts.usage;
            usage.input_tokens = tokens.prompt_tokens.unwrap_or(0).saturating_sub(cached);
            usage.output_tokens = tokens.completion_tokens.unwrap_or(0);
            usage.cache_read_tokens = cached;
        }
        if self.refuses && self.parts.stop_reason == Some(StopReason::EndTurn) {
            self.parts.stop_reason = Some(StopReason::Refusal);
        }
        Ok(())
    }

    fn delta(&mut self, delta: Delta) -> Result<(), StepError> {
        let thought = delta.reasoning_content.or(delta.reasoning).filter(|text| !text.is_empty());
        if let Some(more) = thought {
            match self.parts.last() {
                Some(Part::Thinking { .. }) => self.parts.grow(self.parts.len() - 1, more)?,
                _ => drop(self.parts.begin(Part::Thinking { text: more, signature: String::new() })?),
            }
        }
        self.refuses |= delta.refusal.as_ref().is_some_and(|text| !text.is_empty());
        for more in delta.content.map(text_of).into_iter().chain(delta.refusal).filter(|text| !text.is_empty()) {
            match self.parts.last() {
                Some(Part::Text(_)) => self.parts.grow(self.parts.len() - 1, more)?,
                _ => drop(self.parts.begin(Part::Text(more))?),
            }
        }
        delta.tool_calls.unwrap_or_default().into_iter().try_for_each(|call| self.call(call))
    }

    /// A fragment of a call, or a whole one. The vendor numbers calls and names each once; others leave out the index or the
    /// id, repeat them, or send all calls under one index.
    fn call(&mut self, delta: CallDelta) -> Result<(), StepError> {
        let Function { name, arguments } = delta.function.unwrap_or_default();
        let [id, name] = [delta.id, name].map(Option::unwrap_or_default);
        let (arguments, whole) = match arguments {
            None | Some(Value::Null) => (String::new(), None),
            Some(Value::String(text)) => (text, None),
            Some(value) => (String::new(), Some(value)),
        };
        let known = match delta.index {
            Some(index) => self.places.iter().rev().find(|(known, _)| *known == index).map(|(_, place)| *place),
            None if !id.is_empty() => self.parts.calls().rev().find(|(_, call)| call.id == id).map(|(place, _)| place),
            None => self.parts.calls().next_back().map(|(place, _)| place),
        };
        let known =
            known.filter(|place| !self.begins_another(*place, &id, &name, !arguments.is_empty() || whole.is_some()));
        let Some(place) = known else {
            let place = self.parts.begin(Part::Call(Call { id, name, arguments, whole }))?;
            if let Some(index) = delta.index {
                if self.places.len() == STEP_BLOCKS {
                    return Err(StepError::TooLarge);
                }
                self.places.push((index, place));
            }
            return Ok(());
        };
        self.parts.argue(place, &arguments)?;
        if let Some(call) = self.parts.call_mut(place) {
            if call.id.is_empty() {
                call.id = id;
            }
            if call.name.is_empty() {
                call.name = name;
            }
            call.whole = call.whole.take().or(whole);
        }
        Ok(())
    }

    /// The fragment can't belong to the call at `place`: it has another id, or names a function and brings arguments although
    /// those of the call are whole.
    fn begins_another(&mut self, place: usize, id: &str, name: &str, has_arguments: bool) -> bool {
        let Some(call) = self.parts.call_mut(place) else { return true };
        let has_other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
        let is_whole =
            || call.whole.is_some() || serde_json::from_str::<Value>(&call.arguments).is_ok_and(|v| v.is_object());
        has_other_id || (!name.is_empty() && !call.name.is_empty() && has_arguments && is_whole())
    }
}

/// Text of a string, or of the text pieces of a list.
fn text_of(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Array(pieces) => pieces.iter().filter_map(|piece| piece.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

impl Decode for Answer {
    fn event(&mut self, data: &str) -> Result<bool, Fault> {
        if data.trim() == "[DONE]" {
            return Ok(true);
        }
        let chunk: Chunk = serde_json::from_str(data)?;
        if chunk.error.as_ref().is_some_and(|error| !error.is_null()) {
            let refusal = Refusal::of_json(&serde_json::from_str(data)?);
            return Err(Fault::Refused(refusal.unwrap_or_default()));
        }
        self.chunk(chunk)?;
        Ok(false)
    }

    fn whole(&mut self, answer: Value) -> Result<(), Fault> {
        self.chunk(serde_json::from_value(answer)?)?;
        self.parts.stop_reason.get_or_insert(StopReason::EndTurn);
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
