//! Changes of sessions.

use exoclaw_protocol::{
    RpcError, SendPolicy, SessionCompactParams, SessionDeleteParams, SessionInfo, SessionKey, SessionPatchParams,
    SessionRef, SessionResetParams, Thinking,
    openclaw::{Code, ErrorShape, OperatorScope, Version},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::json;

use super::{
    answers::{Reply, error_of},
    attachment::Attachment,
    chat,
    line::Line,
    lists, sessions,
};
use crate::{
    http::Door,
    socket::{dialect::Caller, sessions as changes},
};

/// Messages that stay where a client names no number.
const KEPT: u32 = 400;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patch {
    key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    label: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    thinking_level: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    model: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    send_policy: Option<Option<SendPolicy>>,
    #[serde(default)]
    archived: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    thinking_level: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct One {
    key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    max_lines: Option<u32>,
}

/// Tells null, which is `Some(None)`, from absent.
fn present<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// How much a model thinks, in the protocol's words, of which it has more than there are.
fn thinking(level: &str) -> Result<Thinking, ErrorShape> {
    match level.to_lowercase().as_str() {
        "off" => Ok(Thinking::Off),
        "minimal" => Ok(Thinking::Minimal),
        "low" => Ok(Thinking::Low),
        "medium" => Ok(Thinking::Medium),
        "high" | "xhigh" | "max" => Ok(Thinking::High),
        _ => {
            let text = "invalid thinkingLevel (use off|minimal|low|medium|high)";
            Err(ErrorShape::new(Code::InvalidRequest, text))
        }
    }
}

/// Sets how a session is treated. What only changes how their own server shows things is taken and has no effect.
pub(super) async fn patch(door: &Door, caller: &Caller, line: &Line, params: Patch) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let level = params.thinking_level.map(|level| level.map(|level| thinking(&level)).transpose()).transpose()?;
    let change = SessionPatchParams {
        label: params.label,
        model: params.model,
        thinking: level,
        send: params.send_policy,
        archived: params.archived.map(Some),
        ..SessionPatchParams::new(session)
    };
    let info = changes::patch(door, caller, change).await.map_err(|error| error_of(&error, line.version))?;
    Ok(changed(door, &info))
}

fn changed(door: &Door, info: &SessionInfo) -> Reply {
    let defaults = lists::defaults(door);
    json!({ "ok": true, "path": "", "key": info.session, "entry": sessions::row(info, &defaults) }).into()
}

/// Makes a session, or finds it, and may send its first message.
pub(super) async fn create(door: &Door, caller: &Caller, line: &Line, params: Create) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let name = params.key.unwrap_or_else(|| format!("dashboard-{}", crate::auth::random_text()));
    let named = line.session(&name, params.agent_id.as_deref())?;
    let session = door.runtime.session_key(&named).map_err(failed)?;
    let sets = params.label.is_some() || params.model.is_some() || params.thinking_level.is_some();
    if sets && !line.may(OperatorScope::Admin) {
        return Err(ErrorShape::missing_scope(OperatorScope::Admin.as_str(), line.version));
    }
    if sets {
        let level = params.thinking_level.as_deref().map(thinking).transpose()?;
        let change = SessionPatchParams {
            label: params.label.map(Some),
            model: params.model.map(Some),
            thinking: level.map(Some),
            ..SessionPatchParams::new(session.clone().into())
        };
        changes::patch(door, caller, change).await.map_err(failed)?;
    }
    let mut reply = Reply::from(json!({ "ok": true, "key": session, "runStarted": false }));
    if let Some(message) = params.message.filter(|message| !message.trim().is_empty() || !params.attachments.is_empty())
    {
        let send = chat::SendToSession {
            key: session.to_string(),
            agent_id: None,
            message,
            attachments: params.attachments,
            timeout_ms: None,
            idempotency_key: params.idempotency_key,
        };
        let sent = chat::send_to_session(door, caller, line, send).await?;
        reply.payload["runStarted"] = true.into();
        reply.payload["runId"] = sent.payload["runId"].clone();
        reply.follow = sent.follow;
    }
    if let Some(info) = sessions::info(door, line, session).await? {
        let defaults = lists::defaults(door);
        reply.payload["sessionId"] = json!(info.id);
        reply.payload["entry"] = sessions::row(&info, &defaults);
    }
    Ok(reply)
}

/// Begins a new conversation.
pub(super) async fn reset(door: &Door, caller: &Caller, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let info = changes::reset(door, caller, SessionResetParams { session }).await;
    Ok(changed(door, &info.map_err(|error| error_of(&error, line.version))?))
}

/// Leaves nothing behind, runs under way included. The main session is there for as long as its agent.
pub(super) async fn delete(door: &Door, caller: &Caller, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let key: SessionKey = door.runtime.session_key(&session).map_err(failed)?;
    if key.as_str() == format!("agent:{}:main", lists::default_agent(door)) {
        let text = format!("Cannot delete the main session ({key}).");
        return Err(ErrorShape::new(Code::InvalidRequest, text));
    }
    let deleted = changes::delete(door, caller, SessionDeleteParams { session }).await.map_err(failed)?.deleted;
    Ok(json!({ "ok": true, "key": key, "deleted": deleted, "archived": [] }).into())
}

/// Makes a conversation begin later.
pub(super) async fn compact(door: &Door, caller: &Caller, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session: SessionRef = line.session(&params.key, params.agent_id.as_deref())?;
    let key = door.runtime.session_key(&session).map_err(failed)?;
    let keep = params.max_lines.unwrap_or(KEPT);
    let done = changes::compact(door, caller, SessionCompactParams { session, keep, summarize: false })
        .await
        .map_err(failed)?;
    let mut payload = json!({ "ok": true, "key": key, "compacted": done.compacted, "kept": done.kept });
    if !done.compacted {
        payload["ok"] = json!(line.version == Version::V3);
        payload["reason"] = json!("nothing to compact");
    }
    Ok(payload.into())
}
