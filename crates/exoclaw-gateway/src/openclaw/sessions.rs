//! Sessions, as lists and one by one.

use exoclaw_protocol::{
    Block, ChatHistoryParams, RpcError, SessionInfo, SessionKey, SessionListParams, SessionSubscribeParams,
    openclaw::{ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    answers::{Reply, error_of},
    chat,
    line::Line,
    lists,
};
use crate::{http::Door, socket::dialect::Follow};

/// Sessions of a list where the client names no number.
const LIST: u32 = 100;

/// Sessions of one preview.
const PREVIEWS: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    active_minutes: Option<u64>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    search: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preview {
    keys: Vec<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    max_chars: Option<usize>,
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
    let now_ms = door.runtime.clock().now_ms();
    let all = door.runtime.sessions(SessionListParams::default()).await.map_err(failed)?.sessions;
    let search = params.search.as_deref().map(str::to_lowercase).unwrap_or_default();
    let oldest = params.active_minutes.map_or(0, |minutes| now_ms.saturating_sub(minutes.saturating_mul(60_000)));
    let is_wanted = |info: &&SessionInfo| {
        info.updated_ms >= oldest
            && params.agent_id.as_deref().is_none_or(|agent| agent == info.agent.as_str())
            && info.session.as_str().to_lowercase().contains(&search)
    };
    let found: Vec<&SessionInfo> = all.iter().filter(is_wanted).collect();
    let limit = params.limit.unwrap_or(LIST) as usize;
    let defaults = lists::defaults(door).await.map_err(failed)?;
    let rows: Vec<Value> = found.iter().take(limit).map(|info| row(info, &defaults)).collect();
    let mut payload = json!({
        "ts": now_ms, "path": "", "count": rows.len(), "defaults": defaults, "sessions": rows,
    });
    if line.version >= Version::V4 {
        payload["totalCount"] = found.len().into();
        payload["limitApplied"] = limit.into();
        payload["hasMore"] = (found.len() > limit).into();
    }
    Ok(payload.into())
}

fn row(info: &SessionInfo, defaults: &Value) -> Value {
    json!({
        "key": info.session, "agentId": info.agent, "kind": "direct", "sessionId": session_id(&info.session),
        "updatedAt": info.updated_ms, "systemSent": true, "abortedLastRun": false,
        "model": defaults["model"], "modelProvider": defaults["modelProvider"],
        "contextTokens": defaults["contextTokens"],
    })
}

/// A name for the conversation, the same as long as it lasts.
pub(super) fn session_id(session: &SessionKey) -> String {
    let digest = hex::encode(&Sha256::digest(session.as_str())[..16]);
    format!("{}-{}-{}-{}-{}", &digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..])
}

/// The row of one session, null where nothing was said in it.
pub(super) async fn row_of(door: &Door, line: &Line, name: &str) -> Result<Value, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = door.runtime.session_key(&line.session(name, None)?).map_err(failed)?;
    let all = door.runtime.sessions(SessionListParams::default()).await.map_err(failed)?.sessions;
    let defaults = lists::defaults(door).await.map_err(failed)?;
    Ok(all.iter().find(|info| info.session == session).map_or(Value::Null, |info| row(info, &defaults)))
}

pub(super) async fn describe(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    Ok(json!({ "session": row_of(door, line, &params.key).await? }).into())
}

/// The last texts of sessions.
pub(super) async fn preview(door: &Door, line: &Line, params: Preview) -> Result<Reply, ErrorShape> {
    let (limit, max_chars) = (params.limit.unwrap_or(12), params.max_chars.unwrap_or(240));
    let mut previews = Vec::new();
    for key in params.keys.into_iter().take(PREVIEWS) {
        let asked = line
            .session(&key, None)
            .map(|session| ChatHistoryParams { limit: Some(limit), ..ChatHistoryParams::new(session) });
        let found = match asked {
            Ok(asked) => door.runtime.history(asked).await.ok(),
            Err(_) => None,
        };
        let Some(found) = found else {
            previews.push(json!({ "key": key, "status": "missing", "items": [] }));
            continue;
        };
        let item = |message: &exoclaw_protocol::HistoryMessage| {
            let text: String = message.content.iter().filter_map(Block::as_text).collect();
            let text: String = text.chars().take(max_chars).collect();
            (!text.is_empty()).then(|| json!({ "role": message.role, "text": text }))
        };
        let items: Vec<Value> = found.messages.iter().filter_map(item).collect();
        let status = if items.is_empty() { "empty" } else { "ok" };
        previews.push(json!({ "key": key, "status": status, "items": items }));
    }
    Ok(json!({ "ts": door.runtime.clock().now_ms(), "previews": previews }).into())
}

/// The messages of a session.
pub(super) async fn get(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let asked = ChatHistoryParams { limit: params.limit, ..ChatHistoryParams::new(session) };
    let found = door.runtime.history(asked).await.map_err(failed)?;
    Ok(json!({ "messages": found.messages.iter().flat_map(chat::message).collect::<Vec<_>>() }).into())
}

/// From now on the client is told what happens in a session.
pub(super) async fn follow(door: &Door, line: &Line, params: One) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.key, params.agent_id.as_deref())?;
    let asked = SessionSubscribeParams { session, epoch: None, seq: None };
    let (subscribed, subscription) = door.runtime.subscribe(asked).await.map_err(failed)?;
    line.call_session(&subscribed.session, &params.key);
    let payload = json!({ "subscribed": true, "key": subscribed.session });
    Ok(Reply::from(payload).following(Follow { subscription, exact: false }))
}
