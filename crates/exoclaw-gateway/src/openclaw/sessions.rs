//! Sessions, as lists and one by one.

use exoclaw_protocol::{
    ChatHistoryParams, ErrorCode, PreviewText, Role, RpcError, SearchHit, SessionGetParams, SessionInfo, SessionKey,
    SessionListParams, SessionPreview, SessionPreviewParams, SessionResolveParams, SessionSearchParams,
    SessionSubscribeParams, limits,
    openclaw::{Code, ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    history,
    line::Line,
    lists,
};
use crate::{http::Door, socket::dialect::Follow};

/// Sessions of a list where the client names no number.
const LIST: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    active_minutes: Option<u64>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    search: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    archived: Option<Value>,
    #[serde(default)]
    offset: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resolve {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preview {
    keys: Vec<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    max_chars: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Search {
    query: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    session_keys: Vec<String>,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct One {
    key: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

/// The most recently used sessions.
pub(super) async fn list(door: &Door, line: &Line, params: List) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let invalid = |error: exoclaw_protocol::IdError| ErrorShape::new(Code::InvalidRequest, error.to_string());
    let agent = params.agent_id.map(|agent| agent.parse()).transpose().map_err(invalid)?;
    let asked = SessionListParams {
        limit: None,
        agent,
        label: params.label,
        search: params.search.filter(|search| !search.is_empty()),
        active_within_ms: params.active_minutes.map(|minutes| minutes.saturating_mul(60_000)),
        archived: params.archived == Some(Value::Bool(true)),
    };
    let found = door.runtime.sessions(asked).await.map_err(failed)?.sessions;
    let (skipped, limit) = (params.offset.unwrap_or(0), params.limit.unwrap_or(LIST));
    let defaults = lists::defaults(door);
    let rows: Vec<Value> = found.iter().skip(skipped).take(limit).map(|info| row(info, &defaults)).collect();
    let mut payload = json!({
        "ts": door.runtime.clock().now_ms(), "path": "", "count": rows.len(), "defaults": defaults, "sessions": rows,
    });
    if line.version >= Version::V4 {
        payload["totalCount"] = found.len().into();
        payload["limitApplied"] = limit.into();
        payload["hasMore"] = (found.len() > skipped.saturating_add(limit)).into();
    }
    Ok(payload.into())
}

/// Where something was said: the newest first, which is all that `score` says.
pub(super) async fn search(door: &Door, line: &Line, params: Search) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let invalid = |error: exoclaw_protocol::IdError| ErrorShape::new(Code::InvalidRequest, error.to_string());
    let agent = params.agent_id.as_deref();
    let sessions: Result<_, _> = params.session_keys.iter().map(|key| line.session(key, agent)).collect();
    let asked = SessionSearchParams {
        text: params.query,
        agent: agent.map(str::parse).transpose().map_err(invalid)?,
        sessions: sessions?,
        limit: params.limit,
        before: None,
    };
    let found = door.runtime.search(asked).await.map_err(failed)?;
    let count = found.hits.len();
    let hit = |(place, hit): (usize, SearchHit)| {
        let snippet: String = hit.snippet.into_iter().map(|part| part.text).collect();
        let of = match hit.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let message = hit.run_id.map(|run_id| format!("{run_id}:{of}")).unwrap_or_default();
        json!({
            "sessionKey": hit.session, "sessionId": hit.id, "messageId": message, "role": of,
            "timestamp": hit.at_ms, "snippet": snippet, "score": count - place,
        })
    };
    let truncated = found.next.is_some();
    let results: Vec<Value> = found.hits.into_iter().enumerate().map(hit).collect();
    Ok(json!({ "results": results, "truncated": truncated }).into())
}

/// One session as it is listed.
pub(super) fn row(info: &SessionInfo, defaults: &Value) -> Value {
    let SessionInfo { settings, spent, .. } = info;
    let mut row = json!({
        "key": info.session, "agentId": info.agent, "kind": "direct", "sessionId": info.id,
        "updatedAt": info.updated_ms, "systemSent": true, "abortedLastRun": false,
        "model": settings.model.as_deref().map_or_else(|| defaults["model"].clone(), Value::from),
        "modelProvider": defaults["modelProvider"], "contextTokens": defaults["contextTokens"],
        "inputTokens": spent.usage.input_tokens, "outputTokens": spent.usage.output_tokens,
        "totalTokens": spent.usage.tokens(), "hasActiveRun": info.active,
    });
    let origin = info.origin.as_ref();
    let to = info.to.clone().or_else(|| origin?.peer.as_ref().map(|peer| peer.id.clone()));
    let more: [(&str, Option<Value>); 8] = [
        ("label", settings.label.clone().map(Value::from)),
        ("displayName", settings.label.clone().or_else(|| info.title.clone()).map(Value::from)),
        ("derivedTitle", info.title.clone().map(Value::from)),
        ("thinkingLevel", settings.thinking.map(|thinking| json!(thinking))),
        ("sendPolicy", (!settings.send.is_allow()).then(|| json!(settings.send))),
        ("archived", settings.archived.then_some(Value::Bool(true))),
        ("lastChannel", origin.map(|origin| json!(origin.channel))),
        ("lastTo", to.map(Value::from)),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            row[name] = value;
        }
    }
    row
}

/// What is known of a session; nothing where there is none.
pub(super) async fn info(door: &Door, line: &Line, session: SessionKey) -> Result<Option<SessionInfo>, ErrorShape> {
    match door.runtime.session(SessionGetParams { session: session.into() }).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.code == ErrorCode::UnknownSession => Ok(None),
        Err(error) => Err(error_of(&error, line.version)),
    }
}

/// The row of one session, null where nothing was said in it.
pub(super) async fn row_of(door: &Door, line: &Line, name: &str) -> Result<Value, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = door.runtime.session_key(&line.session(name, None)?).map_err(failed)?;
    let defaults = lists::defaults(door);
    Ok(info(door, line, session).await?.map_or(Value::Null, |info| row(&info, &defaults)))
}

pub(super) async fn describe(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    Ok(json!({ "session": row_of(door, line, &params.key).await? }).into())
}

/// The session with a key, id or label.
pub(super) async fn resolve(door: &Door, line: &Line, params: Resolve) -> Result<Reply, ErrorShape> {
    let Resolve { key, session_id, label, agent_id } = params;
    let session = key.map(|key| line.session(&key, agent_id.as_deref())).transpose()?;
    let asked = SessionResolveParams { session, id: session_id, label };
    let found = door.runtime.resolve_session(asked).await.map_err(|error| error_of(&error, line.version))?;
    Ok(json!({ "ok": true, "key": found.session, "agentId": found.agent }).into())
}

/// The last texts of sessions.
pub(super) async fn preview(door: &Door, line: &Line, params: Preview) -> Result<Reply, ErrorShape> {
    let mut previews = Vec::new();
    for key in params.keys.into_iter().take(limits::PREVIEWS) {
        let looked = look(door, line, &key, params.limit, params.max_chars).await;
        let (status, items) = match looked {
            Some(preview) if preview.found => {
                let item = |text: &PreviewText| json!({ "role": text.role, "text": text.text });
                let items: Vec<Value> = preview.texts.iter().map(item).collect();
                (if items.is_empty() { "empty" } else { "ok" }, items)
            }
            Some(_) | None => ("missing", Vec::new()),
        };
        previews.push(json!({ "key": key, "status": status, "items": items }));
    }
    Ok(json!({ "ts": door.runtime.clock().now_ms(), "previews": previews }).into())
}

/// The last texts of one session, where the name is that of one.
async fn look(
    door: &Door,
    line: &Line,
    key: &str,
    limit: Option<u32>,
    max_chars: Option<u32>,
) -> Option<SessionPreview> {
    let sessions = vec![line.session(key, None).ok()?];
    let asked = SessionPreviewParams { sessions, limit: limit.or(Some(12)), max_chars: max_chars.or(Some(240)) };
    door.runtime.preview_sessions(asked).await.ok()?.previews.pop()
}

/// The messages of a session.
pub(super) async fn get(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let asked = ChatHistoryParams { limit: params.limit, ..ChatHistoryParams::new(session) };
    let found = door.runtime.history(asked).await.map_err(failed)?;
    let messages = found.messages.iter().flat_map(|said| history::message(said, line.version));
    Ok(json!({ "messages": messages.collect::<Vec<_>>() }).into())
}

/// From now on the client is told what happens in a session.
pub(super) async fn follow(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let asked = SessionSubscribeParams { session, epoch: None, seq: None };
    let (subscribed, subscription) = door.runtime.subscribe(asked).await.map_err(failed)?;
    line.call_session(&subscribed.session, &params.key);
    line.follow_messages(&subscribed.session);
    let payload = json!({ "subscribed": true, "key": subscribed.session });
    Ok(Reply::from(payload).following(Follow { subscription, exact: false }))
}

/// The client is told of its messages no more; of its runs, it still is.
pub(super) fn ignore(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let session = door.runtime.session_key(&session).map_err(|error| error_of(&error, line.version))?;
    line.ignore_messages(&session);
    Ok(json!({ "subscribed": false, "key": session }).into())
}
