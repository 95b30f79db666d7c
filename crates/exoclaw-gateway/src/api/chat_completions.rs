//! `POST /v1/chat/completions` (OpenAI, Chat Completions).

use exoclaw_protocol::{RpcError, StopReason, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admitted, Tongue, Voice,
    listening::Ended,
    prompt::Said,
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
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    tools: Vec<Value>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

pub(super) async fn answer(door: &Door, admitted: Admitted, body: &[u8]) -> Result<Answer, RpcError> {
    let asked: Asked = super::read(body)?;
    if asked.n.is_some_and(|n| n != 1) {
        return Err(RpcError::invalid_params("n: an agent gives one answer"));
    }
    let question = Question {
        model: &asked.model,
        user: asked.user.as_deref(),
        previous: None,
        system: None,
        messages: &asked.messages,
        tools: &asked.tools,
    };
    let (_, run) = start::ask(door, &admitted, question).await?;
    let voice = Completion {
        id: format!("chatcmpl-{}", crate::auth::random_text()),
        created: door.runtime.clock().now_ms() / 1_000,
        model: asked.model,
        include_usage: asked.stream_options.is_some_and(|options| options.include_usage),
    };
    stream::answer(run, voice, asked.stream == Some(true)).await
}

struct Completion {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
}

impl Completion {
    fn chunk(&self, delta: Value, finish: Option<&str>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        event(None, &chunk)
    }
}

impl Voice for Completion {
    fn begin(&mut self) -> String {
        self.chunk(json!({ "role": "assistant", "content": "" }), None)
    }

    fn more(&mut self, text: &str) -> String {
        self.chunk(json!({ "content": text }), None)
    }

    fn end(&mut self, _: &str, ended: &Ended) -> String {
        let mut end = self.chunk(json!({}), Some(finish(ended)));
        if self.include_usage {
            end.push_str(&event(
                None,
                &json!({
                    "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
                    "choices": [], "usage": usage(&ended.usage),
                }),
            ));
        }
        end + "data: [DONE]\n\n"
    }

    fn failed(&mut self, error: &RpcError) -> String {
        event(None, &Tongue::OpenAi.error(status_of(error.code), Some(error.code), &error.message))
    }

    fn whole(&self, text: &str, ended: &Ended) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{
                "index": 0, "message": { "role": "assistant", "content": text, "refusal": null },
                "logprobs": null, "finish_reason": finish(ended),
            }],
            "usage": usage(&ended.usage),
        })
    }
}

fn finish(ended: &Ended) -> &'static str {
    match ended.how {
        Ok(StopReason::MaxTokens | StopReason::StepLimit) => "length",
        Ok(StopReason::Refusal) => "content_filter",
        _ => "stop",
    }
}

fn usage(usage: &Usage) -> Value {
    let read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    json!({
        "prompt_tokens": read, "completion_tokens": usage.output_tokens, "total_tokens": usage.tokens(),
        "prompt_tokens_details": { "cached_tokens": usage.cache_read_tokens },
    })
}
