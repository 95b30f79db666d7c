//! What was said before.

use exoclaw_protocol::{
    Block, ChatHistoryParams, ErrorCode, HistoryMessage, Omitted, Role, RpcError, SessionSubscribeParams, ToolContent,
    openclaw::{ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    line::{Line, Run},
    lists, sessions, telling,
};
use crate::{http::Door, socket::dialect::Follow};

/// Messages of a history where the client names no number.
const HISTORY: u32 = 200;

/// Bytes of a history where the client asks for no less: what version 3 sends.
const HISTORY_BYTES: u32 = 4 * 1024 * 1024;

/// Characters of one text of a history in version 4, where the client asks for no other number.
const TEXT_CHARS: usize = 8_000;

/// Bytes of one message of a history in version 4.
const MESSAGE_BYTES: usize = 128 * 1024;

/// Stands at the end of a text that is cut.
const CUT: &str = "\n...(truncated)...";

/// Stands for a message that is too large for a history.
const TOO_LARGE: &str = "[chat.history omitted: message too large]";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
    /// Of the answer, in version 4.
    #[serde(default)]
    max_bytes: Option<u64>,
    /// Of one text, in version 4.
    #[serde(default)]
    max_chars: Option<usize>,
}

/// The newest messages, and from now on what happens in the session.
pub(super) async fn history(door: &Door, line: &Line, params: History) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    let limit = params.limit.unwrap_or(HISTORY);
    let asked = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
    let (subscribed, subscription) = door.runtime.subscribe(asked).await.map_err(failed)?;
    line.call_session(&subscribed.session, &params.session_key);
    let run = subscribed.snapshot.and_then(|snapshot| snapshot.run);
    let bytes = params.max_bytes.map_or(HISTORY_BYTES, |asked| u32::try_from(asked).unwrap_or(u32::MAX));
    let max_bytes = Some(bytes.min(HISTORY_BYTES));
    let asked = ChatHistoryParams { limit: Some(limit), max_bytes, ..ChatHistoryParams::new(session) };
    let found = door.runtime.history(asked).await.map_err(failed)?;
    let mut messages: Vec<Value> = found.messages.iter().flat_map(|said| message(said, line.version)).collect();
    if line.version >= Version::V4 {
        let chars = params.max_chars.unwrap_or(TEXT_CHARS);
        messages.iter_mut().for_each(|message| shorten(message, chars));
    }
    let mut payload = json!({ "sessionKey": params.session_key, "messages": messages, "thinkingLevel": "off" });
    if let Some(info) = sessions::info(door, line, found.session.clone()).await? {
        payload["sessionId"] = info.id.into();
        if let Some(thinking) = info.settings.thinking {
            payload["thinkingLevel"] = json!(thinking);
        }
    }
    if line.version >= Version::V4 {
        let more = found.messages.len() as u64 >= u64::from(limit);
        payload["hasMore"] = more.into();
        payload["pendingInputs"] = json!({ "items": [], "total": 0 });
        payload["defaults"] = lists::defaults(door);
        if let Some(run) = &run {
            let name = line.run(&run.run_id).id;
            payload["inFlightRun"] = json!({ "runId": name, "text": run.text });
        }
    }
    if let Some(run) = run {
        // What was said before is part of what its next event tells.
        let known = line.run(&run.run_id);
        line.call_run(&run.run_id, Run { text: run.text, session: Some(found.session.clone()), ..known });
    }
    Ok(Reply::from(payload).following(Follow { subscription, exact: false }))
}

/// A history with what else a page needs to begin.
pub(super) async fn startup(door: &Door, line: &Line, params: History) -> Result<Reply, ErrorShape> {
    let key = params.session_key.clone();
    let mut reply = history(door, line, params).await?;
    reply.payload["agentsList"] = lists::agents(door);
    reply.payload["metadata"] = lists::metadata(door);
    reply.payload["sessionInfo"] = sessions::row_of(door, line, &key).await?;
    Ok(reply)
}

/// A message of a history: results of tools are messages of their own.
pub(super) fn message(message: &HistoryMessage, version: Version) -> Vec<Value> {
    let (mut told, mut content) = (Vec::new(), Vec::new());
    for block in &message.content {
        match block {
            Block::Text { text } => content.push(json!({ "type": "text", "text": text })),
            Block::Image { media_type, .. } => content.push(json!({ "type": "image", "mimeType": media_type })),
            Block::File { name, .. } => content.push(json!({ "type": "file", "fileName": name })),
            Block::Omitted { what: Omitted::Message, .. } => content.push(json!({ "type": "text", "text": TOO_LARGE })),
            Block::Omitted { what, name, bytes } => {
                content.push(json!({ "type": what, "fileName": name, "bytes": bytes, "omitted": true }));
            }
            Block::Thinking { text, .. } => content.push(json!({ "type": "thinking", "thinking": text })),
            Block::RedactedThinking { .. } => {}
            Block::ToolCall { id, name, input } => {
                let name = exoclaw_runtime::display_name(name);
                content.push(json!({ "type": "toolCall", "id": id, "name": name, "arguments": input }));
            }
            Block::ToolResult { id, content, is_error } => told.push(json!({
                "role": "toolResult", "toolCallId": id, "isError": is_error, "timestamp": message.at_ms,
                "content": content.iter().map(tool_content).collect::<Vec<_>>(),
            })),
        }
    }
    if !content.is_empty() {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut whole = json!({ "role": role, "content": content, "timestamp": message.at_ms });
        if message.role == Role::Assistant {
            let calls = message.content.iter().any(|block| matches!(block, Block::ToolCall { .. }));
            whole["stopReason"] = json!(match message.interrupted {
                None if calls => "toolUse",
                None if message.note => telling::note_reason(version),
                None => "stop",
                Some(ErrorCode::Interrupted) => "aborted",
                Some(_) => "error",
            });
        }
        told.push(whole);
    }
    told
}

/// Cuts the texts of a message that are longer than that; of one that is too large none the less, only that is told.
fn shorten(message: &mut Value, chars: usize) {
    let Some(content) = message["content"].as_array_mut() else { return };
    for part in content.iter_mut() {
        for name in ["text", "thinking"] {
            if let Some(Value::String(text)) = part.get_mut(name)
                && let Some((end, _)) = text.char_indices().nth(chars)
            {
                text.truncate(end);
                text.push_str(CUT);
            }
        }
    }
    if message.to_string().len() > MESSAGE_BYTES {
        message["content"] = json!([{ "type": "text", "text": TOO_LARGE }]);
    }
}

/// One piece of a tool's output.
pub(super) fn tool_content(content: &ToolContent) -> Value {
    match content {
        ToolContent::Text { text } => json!({ "type": "text", "text": text }),
        ToolContent::Json { value } => json!({ "type": "text", "text": value.to_string() }),
        ToolContent::Image { media_type, .. } => json!({ "type": "image", "mimeType": media_type }),
    }
}
