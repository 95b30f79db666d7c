//! How the gateway is, and what it has.

use exoclaw_protocol::{
    AgentStatus, ChannelInfo, RpcError, SessionInfo, SessionListParams, StatusResult,
    openclaw::{Code, ErrorShape},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    line::Line,
};
use crate::http::Door;

/// Sessions that a state of health names.
const RECENT: u32 = 5;

/// Tokens that a model is taken to have room for.
const CONTEXT_TOKENS: u64 = 200_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfAgent {
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    session_key: Option<String>,
}

/// The agent that takes what no binding claims.
pub(super) fn default_agent(door: &Door) -> &str {
    let default = door.runtime.agents().iter().find(|agent| agent.default);
    default.map_or("main", |agent| agent.id.as_str())
}

/// How the gateway is.
pub(super) async fn health(door: &Door) -> Result<Value, RpcError> {
    let (status, recent) = now(door).await?;
    let now_ms = door.runtime.clock().now_ms();
    let rows = |agent: Option<&AgentStatus>| -> Vec<Value> {
        let of_agent = recent.iter().filter(|info| agent.is_none_or(|agent| agent.id == info.agent));
        of_agent.map(|info| brief(info, now_ms)).collect()
    };
    let agents: Vec<Value> = status
        .agents
        .iter()
        .map(|agent| {
            let rows = rows(Some(agent));
            json!({
                "agentId": agent.id, "isDefault": agent.default,
                "heartbeat": { "enabled": false, "every": "0m", "everyMs": null },
                "sessions": { "path": "", "count": rows.len(), "recent": rows },
            })
        })
        .collect();
    Ok(json!({
        "ok": door.runtime.ready().is_ok(), "ts": now_ms, "durationMs": 0,
        "channels": {}, "channelOrder": [], "channelLabels": {}, "heartbeatSeconds": 0,
        "defaultAgentId": default_agent(door), "agents": agents,
        "sessions": { "path": "", "count": status.sessions, "recent": rows(None) },
    }))
}

fn brief(info: &SessionInfo, now_ms: u64) -> Value {
    json!({ "key": info.session, "updatedAt": info.updated_ms, "age": now_ms.saturating_sub(info.updated_ms) })
}

/// The same in more words.
pub(super) async fn status(door: &Door) -> Result<Value, RpcError> {
    let (status, recent) = now(door).await?;
    let now_ms = door.runtime.clock().now_ms();
    let defaults = defaults(door);
    let row = |info: &SessionInfo| {
        json!({
            "agentId": info.agent, "key": info.session, "kind": "direct",
            "sessionId": info.id, "updatedAt": info.updated_ms,
            "age": now_ms.saturating_sub(info.updated_ms), "systemSent": true, "abortedLastRun": false,
            "model": defaults["model"], "contextTokens": CONTEXT_TOKENS, "flags": [],
        })
    };
    let rows: Vec<Value> = recent.iter().map(row).collect();
    let by_agent = |agent: &AgentStatus| {
        let rows: Vec<Value> = recent.iter().filter(|info| info.agent == agent.id).map(row).collect();
        json!({ "agentId": agent.id, "path": "", "count": rows.len(), "recent": rows })
    };
    let heartbeat =
        |agent: &AgentStatus| json!({ "agentId": agent.id, "enabled": false, "every": "0m", "everyMs": null });
    Ok(json!({
        "runtimeVersion": status.version,
        "heartbeat": {
            "defaultAgentId": default_agent(door),
            "agents": status.agents.iter().map(heartbeat).collect::<Vec<_>>(),
        },
        "channelSummary": status.warnings, "queuedSystemEvents": [],
        "sessions": {
            "paths": [], "count": status.sessions,
            "defaults": { "model": defaults["model"], "contextTokens": CONTEXT_TOKENS },
            "recent": rows, "byAgent": status.agents.iter().map(by_agent).collect::<Vec<_>>(),
        },
    }))
}

async fn now(door: &Door) -> Result<(StatusResult, Vec<SessionInfo>), RpcError> {
    let status = door.runtime.status().await?;
    let recent =
        door.runtime.sessions(SessionListParams { limit: Some(RECENT), ..SessionListParams::default() }).await?;
    Ok((status, recent.sessions))
}

/// What a session has that names nothing else.
pub(super) fn defaults(door: &Door) -> Value {
    let default = door.runtime.agents().iter().find(|agent| agent.default);
    json!({
        "modelProvider": default.map(|agent| &agent.provider), "model": default.map(|agent| &agent.model),
        "contextTokens": CONTEXT_TOKENS,
    })
}

/// The agents.
pub(super) fn agents(door: &Door) -> Value {
    let agent = |agent: &AgentStatus| {
        json!({
            "id": agent.id, "name": agent.id, "identity": { "name": agent.id },
            "model": { "primary": format!("{}/{}", agent.provider, agent.model) },
        })
    };
    json!({
        "defaultId": default_agent(door), "mainKey": "main", "scope": "per-sender",
        "agents": door.runtime.agents().iter().map(agent).collect::<Vec<_>>(),
    })
}

/// The models that agents ask, each once.
pub(super) fn models(door: &Door) -> Value {
    let mut models: Vec<Value> = Vec::new();
    for agent in door.runtime.agents() {
        let model = json!({
            "id": agent.model, "name": agent.model, "provider": agent.provider, "contextWindow": CONTEXT_TOKENS,
            "available": true,
        });
        if !models.contains(&model) {
            models.push(model);
        }
    }
    json!({ "models": models })
}

pub(super) fn metadata(door: &Door) -> Value {
    json!({ "models": models(door)["models"], "commands": [] })
}

pub(super) fn identity(door: &Door, line: &Line, params: OfAgent) -> Result<Reply, ErrorShape> {
    let agent = agent_of(door, line, params)?;
    Ok(json!({ "agentId": agent, "name": agent, "avatar": null }).into())
}

/// The agent that is meant: by name, by session, or the default one.
pub(super) fn agent_of(door: &Door, line: &Line, params: OfAgent) -> Result<String, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let named = match (params.agent_id, params.session_key.filter(|key| !key.is_empty())) {
        (Some(agent), _) => Some(agent),
        (None, Some(key)) => {
            let session = door.runtime.session_key(&line.session(&key, None)?).map_err(failed)?;
            Some(session.agent().to_owned())
        }
        (None, None) => None,
    };
    let agent = named.unwrap_or_else(|| default_agent(door).to_owned());
    if door.runtime.agents().iter().any(|known| known.id.as_str() == agent) {
        return Ok(agent);
    }
    let agent: String = agent.chars().take(64).collect();
    Err(ErrorShape::new(Code::InvalidRequest, format!("unknown agent id \"{agent}\"")))
}

/// Ways in and out, other than this one.
pub(super) async fn channels(door: &Door) -> Result<Value, RpcError> {
    /// What an account is called that has no name.
    const DEFAULT: &str = "default";
    let mut told = json!({
        "ts": door.runtime.clock().now_ms(), "channelOrder": [], "channelLabels": {}, "channels": {},
        "channelAccounts": {}, "channelDefaultAccountId": {},
    });
    let listed = door.runtime.channels().await?.channels;
    told["channelOrder"] = listed.iter().map(|channel| json!(channel.name)).collect();
    for ChannelInfo { name, account, last_in_ms, last_out_ms, error, .. } in listed {
        let (name, account) = (name.as_str(), account.as_deref().unwrap_or(DEFAULT));
        told["channelLabels"][name] = name.into();
        told["channels"][name] = json!({ "configured": true, "running": error.is_none(), "lastError": error });
        told["channelAccounts"][name] = json!([{
            "accountId": account, "enabled": true, "configured": true, "running": error.is_none(),
            "lastInboundAt": last_in_ms, "lastOutboundAt": last_out_ms, "lastError": error,
        }]);
        told["channelDefaultAccountId"][name] = account.into();
    }
    Ok(told)
}
