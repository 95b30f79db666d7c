//! Messages, their answers, and what was said before.

use exoclaw_protocol::{
    Block, ChatAbortParams, ChatHistoryParams, ChatSendParams, ErrorCode, HistoryMessage, IdempotencyKey, Omitted,
    Role, RpcError, RunId, SendStatus, SessionKey, SessionRef, SessionSubscribeParams, ToolContent,
    openclaw::{Code, ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    line::{Line, Run},
    lists,
};
use crate::{
    http::Door,
    socket::dialect::{Caller, Follow},
};

/// Stands for a message that is too large for a history.
const TOO_LARGE: &str = "[chat.history omitted: message too large]";

/// Messages of a history where the client names no number.
const HISTORY: u32 = 200;

/// Bytes of a history in version 3.
const HISTORY_BYTES: u32 = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Send {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    message: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    idempotency_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendToSession {
    key: String,
    #[serde(default)]
    agent_id: Option<String>,
    message: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    file_name: Option<String>,
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    message: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    session_key: Option<String>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    idempotency_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Abort {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AbortSession {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

pub(super) async fn send_to_session(
    door: &Door,
    caller: &Caller,
    line: &Line,
    params: SendToSession,
) -> Result<Reply, ErrorShape> {
    let SendToSession { key, agent_id, message, attachments, idempotency_key } = params;
    let idempotency_key = idempotency_key.unwrap_or_else(crate::auth::random_text);
    send(door, caller, line, Send { session_key: key, agent_id, message, attachments, idempotency_key }).await
}

/// Sends a message: its run has the name of its key.
pub(super) async fn send(door: &Door, caller: &Caller, line: &Line, params: Send) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    if is_stop(&params.message, line.version) {
        return stop(door, line, session, &params.session_key, None).await;
    }
    let name = params.idempotency_key.clone();
    let (sent, follow) = start(door, caller, line, session, params, None).await?;
    let status = match sent.status {
        SendStatus::Started => "started",
        SendStatus::InFlight => "in_flight",
        SendStatus::Ok => "ok",
        SendStatus::Error => return Ok(ended_badly(&name, sent.failure).following(follow)),
        SendStatus::Stopped => return Ok(Reply::from(stopped(line, &sent.stopped)).following(follow)),
    };
    Ok(Reply::from(json!({ "runId": name, "status": status })).following(follow))
}

/// Sends a message and answers twice: now, and when its run ends.
pub(super) async fn agent(
    door: &Door,
    caller: &Caller,
    line: &Line,
    request: &str,
    params: Agent,
) -> Result<Reply, ErrorShape> {
    let Agent { message, agent_id, session_key, attachments, idempotency_key } = params;
    let session_key = session_key.filter(|key| !key.is_empty()).unwrap_or_else(|| "main".to_owned());
    let session = line.session(&session_key, agent_id.as_deref())?;
    let name = idempotency_key.clone();
    let send = Send { session_key, agent_id, message, attachments, idempotency_key };
    let (sent, follow) = start(door, caller, line, session, send, Some(request)).await?;
    let accepted_ms = door.runtime.clock().now_ms();
    let mut payload = match sent.status {
        SendStatus::Started => json!({ "runId": name, "status": "accepted", "acceptedAt": accepted_ms }),
        SendStatus::InFlight => json!({ "runId": name, "status": "in_flight" }),
        SendStatus::Ok => json!({ "runId": name, "status": "ok", "summary": "completed" }),
        SendStatus::Error => return Ok(ended_badly(&name, sent.failure)),
        SendStatus::Stopped => json!({ "runId": name, "status": "ok", "summary": "stopped" }),
    };
    if line.version >= Version::V4 {
        payload["sessionKey"] = json!(sent.session);
        payload["agentId"] = json!(sent.session.agent());
    }
    Ok(Reply::from(payload).following(follow))
}

async fn start(
    door: &Door,
    caller: &Caller,
    line: &Line,
    session: SessionRef,
    params: Send,
    answers: Option<&str>,
) -> Result<(exoclaw_protocol::ChatSendResult, Follow), ErrorShape> {
    let key: IdempotencyKey = params
        .idempotency_key
        .parse()
        .map_err(|error: exoclaw_protocol::IdError| ErrorShape::new(Code::InvalidRequest, error.to_string()))?;
    let mut content = vec![Block::text(params.message)];
    for attachment in params.attachments {
        content.push(attachment.into_block()?);
    }
    let message = ChatSendParams {
        session: Some(session),
        content: Some(content),
        idempotency_key: Some(key),
        ..ChatSendParams::default()
    };
    let failed = |error: RpcError| error_of(&error, line.version);
    let (sent, subscription) = door.runtime.send_by(caller.pass.who.name(), message).await.map_err(failed)?;
    line.call_session(&sent.session, &params.session_key);
    let run = Run {
        id: params.idempotency_key,
        session: Some(sent.session.clone()),
        text: String::new(),
        answers: answers.filter(|_| sent.status == SendStatus::Started).map(str::to_owned),
    };
    line.call_run(&sent.run_id, run);
    Ok((sent, Follow { subscription, exact: false }))
}

fn ended_badly(name: &str, failure: Option<exoclaw_protocol::SendFailure>) -> Reply {
    let summary = failure.map(|failure| failure.message).unwrap_or_default();
    let payload = json!({ "runId": name, "status": "error", "summary": summary });
    Reply { error: Some(ErrorShape::new(Code::Unavailable, summary)), ..Reply::from(payload) }
}

impl Attachment {
    fn into_block(self) -> Result<Block, ErrorShape> {
        let called = self.file_name.unwrap_or_else(|| "attachment".to_owned());
        let refuse = |why: &str| ErrorShape::new(Code::InvalidRequest, format!("attachment {called}: {why}"));
        let content = self.content.ok_or_else(|| refuse("content must be base64 string"))?;
        // Pages hand over what they have: a data URL.
        let (declared, data) = match content.strip_prefix("data:").and_then(|url| url.split_once(";base64,")) {
            Some((media_type, data)) => (Some(media_type.to_owned()), data.to_owned()),
            None => (None, content),
        };
        let media_type = self.mime_type.or(declared).unwrap_or_default();
        if !media_type.starts_with("image/") {
            return Err(refuse("only images are taken"));
        }
        Ok(Block::Image { media_type, data })
    }
}

/// Words that stop what is under way instead of becoming a message.
fn is_stop(message: &str, version: Version) -> bool {
    let message = message.trim().to_lowercase();
    match message.as_str() {
        "/stop" | "stop" | "esc" | "abort" | "exit" | "interrupt" => true,
        "wait" => version == Version::V3,
        _ => false,
    }
}

pub(super) async fn abort(door: &Door, line: &Line, params: Abort) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    stop(door, line, session, &params.session_key, params.run_id.as_deref()).await
}

pub(super) async fn abort_session(door: &Door, line: &Line, params: AbortSession) -> Result<Reply, ErrorShape> {
    let AbortSession { key, agent_id, run_id } = params;
    let of_run = || run_id.as_deref().and_then(|id| line.run_named(id)?.1).map(|session| session.to_string());
    let Some(key) = key.or_else(of_run) else {
        let reason = if run_id.is_some() { "there is no such run" } else { "give key or runId" };
        return Err(ErrorShape::invalid_params("sessions.abort", reason));
    };
    let session = line.session(&key, agent_id.as_deref())?;
    stop(door, line, session, &key, run_id.as_deref()).await
}

/// Stops one run of a session, or all.
async fn stop(
    door: &Door,
    line: &Line,
    session: SessionRef,
    called: &str,
    run: Option<&str>,
) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let found = match run {
        None => None,
        Some(name) => match line.run_named(name) {
            Some((run_id, in_session)) => {
                let meant = session_key(door, &session)?;
                if in_session.is_some_and(|in_session| in_session != meant) {
                    return Err(ErrorShape::new(Code::InvalidRequest, "runId does not match sessionKey"));
                }
                Some(run_id)
            }
            None => match find(door, &session, name).await.map_err(failed)? {
                Some(run_id) => Some(run_id),
                None => return Ok(json!({ "ok": true, "aborted": false, "runIds": [] }).into()),
            },
        },
    };
    line.call_session(&session_key(door, &session)?, called);
    let aborted = door.runtime.abort(ChatAbortParams { session, run_id: found }).await.map_err(failed)?;
    Ok(stopped(line, &aborted.run_ids).into())
}

fn stopped(line: &Line, runs: &[RunId]) -> Value {
    let names: Vec<String> = runs.iter().map(|run_id| line.run(run_id).id).collect();
    json!({ "ok": true, "aborted": !names.is_empty(), "runIds": names })
}

/// A run that another connection started: by its key, or by our own name.
async fn find(door: &Door, session: &SessionRef, name: &str) -> Result<Option<RunId>, RpcError> {
    let found = match name.parse::<IdempotencyKey>() {
        Ok(key) => door.runtime.run_of(session, &key).await?,
        Err(_) => None,
    };
    Ok(found.or_else(|| name.parse().ok()))
}

fn session_key(door: &Door, session: &SessionRef) -> Result<SessionKey, ErrorShape> {
    door.runtime.session_key(session).map_err(|error| ErrorShape::new(Code::InvalidRequest, error.message))
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
    let asked =
        ChatHistoryParams { limit: Some(limit), max_bytes: Some(HISTORY_BYTES), ..ChatHistoryParams::new(session) };
    let found = door.runtime.history(asked).await.map_err(failed)?;
    let messages: Vec<Value> = found.messages.iter().flat_map(message).collect();
    let mut payload = json!({ "sessionKey": params.session_key, "messages": messages, "thinkingLevel": "off" });
    if !found.messages.is_empty() {
        payload["sessionId"] = super::sessions::session_id(&found.session).into();
    }
    if line.version >= Version::V4 {
        let more = found.messages.len() as u64 >= u64::from(limit);
        payload["hasMore"] = more.into();
        payload["pendingInputs"] = json!({ "items": [], "total": 0 });
        payload["defaults"] = lists::defaults(door).await.map_err(failed)?;
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
    let failed = |error: RpcError| error_of(&error, line.version);
    let key = params.session_key.clone();
    let mut reply = history(door, line, params).await?;
    reply.payload["agentsList"] = lists::agents(door).await.map_err(failed)?;
    reply.payload["metadata"] = lists::metadata(door).await.map_err(failed)?;
    reply.payload["sessionInfo"] = super::sessions::row_of(door, line, &key).await?;
    Ok(reply)
}

/// A message of a history: results of tools are messages of their own.
pub(super) fn message(message: &HistoryMessage) -> Vec<Value> {
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
            whole["stopReason"] = json!(match message.interrupted {
                None => "stop",
                Some(ErrorCode::Interrupted) => "aborted",
                Some(_) => "error",
            });
        }
        told.push(whole);
    }
    told
}

/// One piece of a tool's output.
pub(super) fn tool_content(content: &ToolContent) -> Value {
    match content {
        ToolContent::Text { text } => json!({ "type": "text", "text": text }),
        ToolContent::Json { value } => json!({ "type": "text", "text": value.to_string() }),
        ToolContent::Image { media_type, .. } => json!({ "type": "image", "mimeType": media_type }),
    }
}
