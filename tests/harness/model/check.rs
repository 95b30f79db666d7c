//! The rules that the vendors' servers hold requests to, so far as a conversation can break them.
//!
//! Sources: Anthropic Messages API ("Messages", "Handle tool calls", "Building with extended thinking"), OpenAI API reference
//! ("Create chat completion").

use std::collections::HashSet;

use serde_json::Value;

use super::{Dialect, Request};

/// Checks headers and body of a request.
///
/// # Errors
/// The rule that it breaks.
pub fn request(request: &Request, key: Option<&str>) -> Result<(), String> {
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    must(header("content-type").is_some_and(|value| value.starts_with("application/json")), || "want a JSON body")?;
    let (found, wanted) = match request.dialect {
        Dialect::Anthropic => {
            must(header("anthropic-version") == Some("2023-06-01"), || "anthropic-version: 2023-06-01 is missing")?;
            (header("x-api-key"), key.map(str::to_owned))
        }
        Dialect::OpenAi => (header("authorization"), key.map(|key| format!("Bearer {key}"))),
    };
    must(found == wanted.as_deref(), || {
        if wanted.is_some() { "the key is missing or wrong" } else { "a key where none is" }
    })?;
    match request.dialect {
        Dialect::Anthropic => anthropic(&request.body),
        Dialect::OpenAi => openai(&request.body),
    }
}

/// Checks a body of the Messages API.
///
/// # Errors
/// The rule that it breaks.
pub fn anthropic(body: &Value) -> Result<(), String> {
    common(body)?;
    must(body["max_tokens"].as_u64().is_some_and(|tokens| tokens > 0), || "max_tokens: want a positive number")?;
    for tool in list(&body["tools"]) {
        must(is_name(&tool["name"], 128) && tool["input_schema"]["type"] == "object", || {
            format!("not a tool: {tool}")
        })?;
    }
    let mut ids = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    let messages = list(&body["messages"]);
    for (place, message) in messages.iter().enumerate() {
        let at = |rule: &str| format!("messages.{place}: {rule}");
        let role = if place % 2 == 0 { "user" } else { "assistant" };
        must(message["role"] == role, || at(&format!("roles alternate, want {role}")))?;
        let content = list(&message["content"]);
        must(!content.is_empty(), || at("content must not be empty"))?;
        if role == "user" {
            let results = content.iter().take_while(|block| block["type"] == "tool_result");
            let answered: HashSet<_> = results.clone().filter_map(|block| block["tool_use_id"].as_str()).collect();
            must(answered.len() == results.count(), || at("a tool_use has two results"))?;
            must(open.len() == answered.len() && open.iter().all(|id| answered.contains(id)), || {
                at("tool_use ids and the tool_result blocks right after them must be the same")
            })?;
            open.clear();
        }
        for (number, block) in content.iter().enumerate() {
            let text = |name: &str| block[name].as_str().is_some_and(|text| !text.trim().is_empty());
            let is_user = role == "user";
            let fits = match block["type"].as_str().unwrap_or_default() {
                "text" => text("text"),
                "image" => is_user && is_image(block),
                "document" => {
                    let source = &block["source"];
                    let is_text = source["type"] == "text" && source["media_type"] == "text/plain";
                    is_user && is_text && source["data"].as_str().is_some_and(|text| !text.trim().is_empty())
                }
                "tool_result" => {
                    is_user
                        && content[..number].iter().all(|before| before["type"] == "tool_result")
                        && !list(&block["content"]).is_empty()
                        && list(&block["content"]).iter().all(|piece| match piece["type"].as_str() {
                            Some("image") => is_image(piece),
                            _ => piece["text"].as_str().is_some_and(|text| !text.trim().is_empty()),
                        })
                }
                "tool_use" => {
                    open.extend(block["id"].as_str());
                    !is_user
                        && is_name(&block["id"], 64)
                        && is_name(&block["name"], 128)
                        && block["input"].is_object()
                        && block["id"].as_str().is_some_and(|id| ids.insert(id))
                }
                "thinking" => !is_user && text("signature") && block["thinking"].is_string(),
                "redacted_thinking" => !is_user && text("data"),
                _ => false,
            };
            must(fits, || at(&format!("content.{number} is not allowed here: {block}")))?;
        }
        let ends_in_thought =
            content.last().is_some_and(|block| block["type"].as_str().is_some_and(|kind| kind.ends_with("thinking")));
        must(!ends_in_thought, || at("the last block of an assistant's message can't be a thought"))?;
    }
    must(messages.len() % 2 == 1, || "the conversation must end with a user's message")
}

/// Checks a body of the Chat Completions API.
///
/// # Errors
/// The rule that it breaks.
pub fn openai(body: &Value) -> Result<(), String> {
    common(body)?;
    must(body["stream_options"]["include_usage"] == true, || "stream_options.include_usage is missing")?;
    for tool in list(&body["tools"]) {
        let function = &tool["function"];
        let fits =
            tool["type"] == "function" && is_name(&function["name"], 64) && function["parameters"]["type"] == "object";
        must(fits, || format!("not a tool: {tool}"))?;
    }
    let mut open: Vec<&str> = Vec::new();
    let mut last = "";
    for (place, message) in list(&body["messages"]).iter().enumerate() {
        let at = |rule: &str| format!("messages[{place}]: {rule}");
        let role = message["role"].as_str().unwrap_or_default();
        let content = &message["content"];
        let has_text = content.as_str().is_some_and(|text| !text.trim().is_empty());
        must(role == "tool" || open.is_empty(), || at("each tool_call must be followed by its tool message"))?;
        match role {
            "system" => must(place == 0 && has_text, || at("the system message comes first and says something"))?,
            "user" => {
                must(last != "user", || at("roles alternate"))?;
                let fits = |part: &Value| match part["type"].as_str() {
                    Some("text") => part["text"].as_str().is_some_and(|text| !text.trim().is_empty()),
                    Some("image_url") => part["image_url"]["url"].as_str().is_some_and(|url| url.starts_with("data:")),
                    _ => false,
                };
                let parts = list(content);
                must(has_text || (!parts.is_empty() && parts.iter().all(fits)), || at("not a user's content"))?;
            }
            "assistant" => {
                must(last == "user" || last == "tool", || at("roles alternate, from the user on"))?;
                let calls = list(&message["tool_calls"]);
                must(has_text || (content.is_null() && !calls.is_empty()), || {
                    at("an assistant's message says something")
                })?;
                for call in calls {
                    let function = &call["function"];
                    let arguments = function["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
                    let fits = call["type"] == "function"
                        && is_name(&call["id"], 40)
                        && is_name(&function["name"], 64)
                        && arguments.is_some_and(|arguments: Value| arguments.is_object());
                    must(fits, || at(&format!("not a tool_call: {call}")))?;
                    open.extend(call["id"].as_str());
                }
                must(open.iter().collect::<HashSet<_>>().len() == open.len(), || at("two tool_calls have one id"))?;
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                let answers = open.iter().position(|call| *call == id);
                let answers = answers.ok_or_else(|| at(&format!("the tool message answers no tool_call: {id}")))?;
                open.remove(answers);
                must(has_text, || at("a tool message says something"))?;
            }
            _ => return Err(at("not a role")),
        }
        last = role;
    }
    must(open.is_empty() && (last == "user" || last == "tool"), || "the conversation must end with a user or a tool")
}

fn common(body: &Value) -> Result<(), String> {
    must(body["model"].as_str().is_some_and(|model| !model.is_empty()), || "model: want a name")?;
    must(body["stream"] == true, || "stream: want true")?;
    must(!list(&body["messages"]).is_empty(), || "messages: want at least one")?;
    let names: Vec<_> = list(&body["tools"]).iter().map(|tool| (&tool["name"], &tool["function"]["name"])).collect();
    must((1..names.len()).all(|place| !names[..place].contains(&names[place])), || "tools: names must be unique")?;
    must(body.get("tools").is_none() || !names.is_empty(), || "tools: want at least one, or no list")
}

fn must<T: Into<String>>(holds: bool, rule: impl FnOnce() -> T) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule().into()) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_name(value: &Value, longest: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    value.as_str().is_some_and(|text| (1..=longest).contains(&text.len()) && text.bytes().all(is_plain))
}

fn is_image(block: &Value) -> bool {
    let source = &block["source"];
    source["type"] == "base64" && source["media_type"].is_string() && source["data"].is_string()
}
