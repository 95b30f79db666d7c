//! `POST /hooks/agent` and `/hooks/wake`: a message from whoever has no more than a POST. It is durable when it is answered.

use exoclaw_protocol::{AgentId, Block, ChatSendParams, IdempotencyKey, RpcError, SessionRef};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Admitted, start};
use crate::http::{Answer, Door, answer};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Agent {
    message: String,
    /// Who sends it, for the model to read.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    agent_id: Option<AgentId>,
    #[serde(default)]
    session_key: Option<SessionRef>,
    #[serde(default)]
    idempotency_key: Option<IdempotencyKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wake {
    text: String,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    idempotency_key: Option<IdempotencyKey>,
}

/// Starts a run in a session of its own, or in the one that is named.
pub(super) async fn agent(door: &Door, admitted: &Admitted, body: &[u8]) -> Result<Answer, RpcError> {
    let asked: Agent = super::read(body)?;
    let agent = match &asked.agent_id {
        Some(agent) => agent.clone(),
        None => start::agent_of(door, "exoclaw")?,
    };
    let session = match asked.session_key {
        Some(session) => session.resolve(&agent).map_err(|error| RpcError::invalid_params(error.to_string()))?,
        None => start::place(&agent, &admitted.headers, None)?.session,
    };
    let text = match asked.name.filter(|name| !name.trim().is_empty()) {
        Some(name) => format!("[{}] {}", name.trim(), asked.message),
        None => asked.message,
    };
    let run_id = send(door, admitted, session.into(), text, asked.idempotency_key).await?;
    Ok(answer::json(StatusCode::OK, &json!({ "ok": true, "runId": run_id })))
}

/// Tells the default agent's main session something, which it answers at once.
pub(super) async fn wake(door: &Door, admitted: &Admitted, body: &[u8]) -> Result<Answer, RpcError> {
    let asked: Wake = super::read(body)?;
    let mode = asked.mode.unwrap_or_else(|| "now".to_owned());
    if mode != "now" {
        let text = "mode: only \"now\" is served, for nothing here wakes up by itself";
        return Err(RpcError::invalid_params(text));
    }
    send(door, admitted, SessionRef::Name("main".to_owned()), asked.text, asked.idempotency_key).await?;
    Ok(answer::json(StatusCode::OK, &json!({ "ok": true, "mode": mode })))
}

async fn send(
    door: &Door,
    admitted: &Admitted,
    session: SessionRef,
    text: String,
    key: Option<IdempotencyKey>,
) -> Result<exoclaw_protocol::RunId, RpcError> {
    let params = ChatSendParams {
        session: Some(session),
        content: Some(vec![Block::text(text)]),
        idempotency_key: key,
        ..ChatSendParams::default()
    };
    let (sent, _) = door.send(&admitted.pass.who, params).await?;
    Ok(sent.run_id)
}
