//! `POST /v1/messages` (Anthropic, Messages).

use exoclaw_protocol::{RpcError, StopReason, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admitted, Tongue, Voice,
    listening::Ended,
    prompt::{Content, Said},
    start::{self, Question},
    status_of,
    stream::{self, event},
};
use crate::http::{Answer, Door};

#[derive(Deserialize)]
struct Asked {
    model: String,
    messages: Vec<Said>,
    #[serde(default)]
    system: Content,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    tools: Vec<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    user_id: Option<String>,
}

pub(super) async fn answer(door: &Door, admitted: Admitted, body: &[u8]) -> Result<Answer, RpcError> {
    let asked: Asked = super::read(body)?;
    let user = asked.metadata.and_then(|metadata| metadata.user_id);
    let system = match asked.system {
        Content::Text(text) => Some(text),
        Content::Parts(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        Content::Nothing => None,
    };
    let question = Question {
        model: &asked.model,
        user: user.as_deref(),
        previous: None,
        system: system.as_deref(),
        messages: &asked.messages,
        tools: &asked.tools,
    };
    let (_, run) = start::ask(door, &admitted, question).await?;
    let voice = Message { id: format!("msg_{}", crate::auth::random_text()), model: asked.model };
    stream::answer(run, voice, asked.stream).await
}

struct Message {
    id: String,
    model: String,
}

impl Message {
    fn message(&self, content: Value, stop: Option<&str>, usage: &Usage) -> Value {
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop, "stop_sequence": null, "usage": counted(usage),
        })
    }
}

fn tell(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    event(Some(name), &data)
}

impl Voice for Message {
    fn begin(&mut self) -> String {
        let message = self.message(json!([]), None, &Usage::default());
        let block = json!({ "index": 0, "content_block": { "type": "text", "text": "" } });
        tell("message_start", json!({ "message": message })) + &tell("content_block_start", block)
    }

    fn more(&mut self, text: &str) -> String {
        tell("content_block_delta", json!({ "index": 0, "delta": { "type": "text_delta", "text": text } }))
    }

    fn end(&mut self, _: &str, ended: &Ended) -> String {
        let delta = json!({ "stop_reason": stop(ended), "stop_sequence": null });
        tell("content_block_stop", json!({ "index": 0 }))
            + &tell("message_delta", json!({ "delta": delta, "usage": counted(&ended.usage) }))
            + &tell("message_stop", json!({}))
    }

    fn failed(&mut self, error: &RpcError) -> String {
        event(Some("error"), &Tongue::Anthropic.error(status_of(error.code), None, &error.message))
    }

    fn whole(&self, text: &str, ended: &Ended) -> Value {
        self.message(json!([{ "type": "text", "text": text }]), Some(stop(ended)), &ended.usage)
    }
}

fn stop(ended: &Ended) -> &'static str {
    match ended.how {
        Ok(StopReason::MaxTokens | StopReason::StepLimit) => "max_tokens",
        Ok(StopReason::Refusal) => "refusal",
        Ok(StopReason::StopSequence) => "stop_sequence",
        _ => "end_turn",
    }
}

fn counted(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens, "cache_creation_input_tokens": usage.cache_write_tokens,
    })
}
