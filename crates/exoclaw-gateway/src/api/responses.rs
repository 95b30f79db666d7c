//! `POST /v1/responses` (OpenAI, Responses). The id of a response names its session: the next one may go on there.

use exoclaw_protocol::{RpcError, SessionKey, SessionRef, StopReason, Usage};
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
    input: Input,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    previous_response_id: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    tools: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Said>),
}

pub(super) async fn answer(door: &Door, admitted: Admitted, body: &[u8]) -> Result<Answer, RpcError> {
    let asked: Asked = super::read(body)?;
    let previous = asked.previous_response_id.as_deref().map(session_of).transpose()?;
    let messages = match asked.input {
        Input::Text(text) => vec![Said { role: "user".to_owned(), content: Content::Text(text) }],
        Input::Items(items) => items,
    };
    let question = Question {
        model: &asked.model,
        user: asked.user.as_deref(),
        previous,
        system: asked.instructions.as_deref(),
        messages: &messages,
        tools: &asked.tools,
    };
    let (session, run) = start::ask(door, &admitted, question).await?;
    let voice = Answering {
        id: id_of(&session),
        message: format!("msg_{}", crate::auth::random_text()),
        created: door.runtime.clock().now_ms() / 1_000,
        model: asked.model,
        previous: asked.previous_response_id,
        events: 0,
    };
    stream::answer(run, voice, asked.stream == Some(true)).await
}

/// The session and something that no other response has.
fn id_of(session: &SessionKey) -> String {
    format!("resp_{}_{}", hex::encode(session.as_str()), &crate::auth::random_text()[..12])
}

fn session_of(id: &str) -> Result<SessionKey, RpcError> {
    let session = id.strip_prefix("resp_").and_then(|rest| rest.split_once('_')).map(|(session, _)| session);
    let text = session.and_then(|session| String::from_utf8(hex::decode(session).ok()?).ok());
    let parsed = text.and_then(|text| match text.parse() {
        Ok(SessionRef::Key(key)) => Some(key),
        _ => None,
    });
    parsed.ok_or_else(|| RpcError::invalid_params("previous_response_id is no response of this gateway"))
}

struct Answering {
    id: String,
    /// The id of the one message.
    message: String,
    created: u64,
    model: String,
    previous: Option<String>,
    /// Events that were told.
    events: u64,
}

impl Answering {
    fn response(&self, status: &str, output: Value, usage: Option<&Usage>) -> Value {
        json!({
            "id": self.id, "object": "response", "created_at": self.created, "status": status, "model": self.model,
            "output": output, "usage": usage.map(counted), "error": null, "incomplete_details": null,
            "instructions": null, "metadata": {}, "parallel_tool_calls": true, "previous_response_id": self.previous,
            "temperature": null, "tool_choice": "auto", "tools": [], "top_p": null,
        })
    }

    fn item(&self, status: &str, text: Option<&str>) -> Value {
        let content: Vec<Value> = text.map(part).into_iter().collect();
        json!({ "type": "message", "id": self.message, "role": "assistant", "content": content, "status": status })
    }

    fn event(&mut self, name: &str, mut data: Value) -> String {
        data["type"] = name.into();
        data["sequence_number"] = self.events.into();
        self.events += 1;
        event(Some(name), &data)
    }

    fn at(&self, name: &str, value: Value) -> Value {
        json!({ "item_id": self.message, "output_index": 0, "content_index": 0, name: value })
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

impl Voice for Answering {
    fn begin(&mut self) -> String {
        let begun = json!({ "response": self.response("in_progress", json!([]), None) });
        let item = json!({ "output_index": 0, "item": self.item("in_progress", None) });
        let part = self.at("part", part(""));
        self.event("response.created", begun.clone())
            + &self.event("response.in_progress", begun)
            + &self.event("response.output_item.added", item)
            + &self.event("response.content_part.added", part)
    }

    fn more(&mut self, text: &str) -> String {
        let mut data = self.at("delta", text.into());
        data["logprobs"] = json!([]);
        self.event("response.output_text.delta", data)
    }

    fn end(&mut self, text: &str, ended: &Ended) -> String {
        let mut done = self.at("text", text.into());
        done["logprobs"] = json!([]);
        let part = self.at("part", part(text));
        let item = json!({ "output_index": 0, "item": self.item("completed", Some(text)) });
        let whole = json!({ "response": self.whole(text, ended) });
        let last = if is_whole(ended) { "response.completed" } else { "response.incomplete" };
        self.event("response.output_text.done", done)
            + &self.event("response.content_part.done", part)
            + &self.event("response.output_item.done", item)
            + &self.event(last, whole)
    }

    fn failed(&mut self, error: &RpcError) -> String {
        let mut response = self.response("failed", json!([]), None);
        let told = Tongue::OpenAi.error(status_of(error.code), Some(error.code), &error.message);
        response["error"] = json!({ "code": "server_error", "message": told["error"]["message"] });
        self.event("response.failed", json!({ "response": response }))
    }

    fn whole(&self, text: &str, ended: &Ended) -> Value {
        let is_whole = is_whole(ended);
        let status = if is_whole { "completed" } else { "incomplete" };
        let output = json!([self.item(status, Some(text))]);
        let mut response = self.response(status, output, Some(&ended.usage));
        if !is_whole {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        response
    }
}

fn is_whole(ended: &Ended) -> bool {
    !matches!(ended.how, Ok(StopReason::MaxTokens | StopReason::StepLimit))
}

fn counted(usage: &Usage) -> Value {
    let read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    json!({
        "input_tokens": read, "input_tokens_details": { "cached_tokens": usage.cache_read_tokens },
        "output_tokens": usage.output_tokens, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.tokens(),
    })
}
