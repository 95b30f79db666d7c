//! `GET /v1/models` (OpenAI): the agents.

use exoclaw_protocol::RpcError;
use http::StatusCode;
use serde_json::{Value, json};

use super::start;
use crate::http::{Answer, Door, answer};

/// All agents, or one.
pub(super) fn answer(door: &Door, model: Option<&str>) -> Result<Answer, RpcError> {
    if let Some(model) = model {
        start::agent_of(door, model)?;
        return Ok(answer::json(StatusCode::OK, &entry(model)));
    }
    let names = door.runtime.agents().iter().map(|agent| entry(&format!("exoclaw/{}", agent.id)));
    let all: Vec<Value> = std::iter::once(entry("exoclaw")).chain(names).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "object": "list", "data": all })))
}

fn entry(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "exoclaw" })
}
