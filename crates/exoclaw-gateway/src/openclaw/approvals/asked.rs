//! What clients ask before they do something elsewhere. It waits here for an answer as calls of agents do; what comes of
//! it is the client's own affair.

use std::time::Duration;

use exoclaw_protocol::{
    ApprovalId, Decision, RpcError, SessionRef,
    openclaw::{Code, ErrorShape, Version},
};
use exoclaw_runtime::{Outcome, Question};
use exoclaw_store::audit::{self, What};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{
        answers::{Reply, error_of},
        line::Line,
    },
    ELSEWHERE, One, named, unknown,
};
use crate::{
    http::Door,
    socket::{dialect::Caller, requests::guard},
};

/// Time for an answer where the client names none.
const LIFETIME: Duration = Duration::from_secs(120);

/// Of what is asked, at most so many bytes are kept and shown.
const ASKED_BYTES: usize = 64 * 1024;

const GONE: &str = "approval expired or not found";

/// What is about the question, and no part of what is asked.
const ABOUT: [&str; 8] =
    ["id", "timeoutMs", "twoPhase", "agentId", "sessionKey", "sessionId", "unavailableDecisions", "env"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    id: Option<String>,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    command_argv: Vec<String>,
    #[serde(default)]
    env: Map<String, Value>,
    agent_id: Option<String>,
    session_key: Option<String>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    two_phase: bool,
}

/// Asks, and answers with the decision; in two phases, that it was asked, and later the decision.
pub(in super::super) async fn request(
    door: &Door,
    caller: &Caller,
    line: &Line,
    request: &str,
    params: Value,
) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let invalid = |reason: &str| ErrorShape::invalid_params("exec.approval.request", reason);
    let asked = Request::deserialize(&params).map_err(|error| invalid(&error.to_string()))?;
    let input = input(&asked, params).map_err(invalid)?;
    if input.to_string().len() > ASKED_BYTES {
        return Err(ErrorShape::new(Code::InvalidRequest, "what is asked has more than 64 KiB"));
    }
    let Request { id, agent_id, session_key, timeout_ms, two_phase, .. } = asked;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (agent, session) = (filled(agent_id), filled(session_key));
    let session = line.session(session.as_deref().unwrap_or("main"), agent.as_deref())?;
    let session: SessionRef = door.runtime.session_key(&session).map_err(failed)?.into();
    let name = id.unwrap_or_else(crate::auth::random_text);
    let lifetime = timeout_ms.map_or(LIFETIME, Duration::from_millis);
    let question = Question { id: named(&name), session, what: ELSEWHERE.to_owned(), input, lifetime };

    let entry = caller.entry(What::Approval, "ask", audit::Decision::Asked).object(ELSEWHERE);
    let entry = entry.digest_of(question.input.to_string().as_bytes());
    let entry = entry.reason(format_args!("approval {}", question.id));
    guard(door, entry.clone()).await.map_err(failed)?;
    let approval = door.runtime.ask(question).map_err(|error| {
        door.runtime.audit().note(entry.failed(error.code));
        failed(error)
    })?;
    if two_phase && line.version >= Version::V4 {
        let asked_ms = door.runtime.clock().now_ms();
        let told = json!({ "id": name, "createdAtMs": asked_ms, "expiresAtMs": approval.expires_ms });
        line.wait_for(&approval.id, request, told.clone());
        let mut accepted = told;
        accepted["status"] = "accepted".into();
        return Ok(accepted.into());
    }
    outcome(door, line, &approval.id, &name).await
}

/// Waits for the decision.
pub(in super::super) async fn wait(door: &Door, line: &Line, params: &One) -> Result<Reply, ErrorShape> {
    if let Ok(told) = outcome(door, line, &named(&params.id), &params.id).await {
        return Ok(told);
    }
    let id = params.id.parse().map_err(|_| unknown(line, GONE))?;
    outcome(door, line, &id, &params.id).await
}

async fn outcome(door: &Door, line: &Line, id: &ApprovalId, name: &str) -> Result<Reply, ErrorShape> {
    let outcome = door.runtime.outcome(id).await.ok_or_else(|| unknown(line, GONE))?;
    let Outcome { asked_ms, expires_ms, decision, .. } = outcome;
    let told = json!({
        "id": name, "decision": decision.and_then(word), "createdAtMs": asked_ms, "expiresAtMs": expires_ms,
    });
    Ok(told.into())
}

/// Nothing where nobody decided.
pub(in super::super) fn word(decision: Decision) -> Option<&'static str> {
    (decision != Decision::Expired).then(|| super::decision(decision))
}

/// What is asked: as the client says it, but for the values of variables, which may be secret.
fn input(asked: &Request, params: Value) -> Result<Value, &'static str> {
    let Value::Object(mut input) = params else { return Err("at root: must be object") };
    input.retain(|name, value| !ABOUT.contains(&name.as_str()) && !value.is_null());
    if asked.command.is_none() {
        let planned = input.get("systemRunPlan").and_then(|plan| plan["commandText"].as_str());
        let command = planned.map_or_else(|| asked.command_argv.join(" "), str::to_owned);
        if command.is_empty() {
            return Err("must have required property 'command'");
        }
        input.insert("command".to_owned(), command.into());
    }
    if !asked.env.is_empty() {
        input.insert("envKeys".to_owned(), asked.env.keys().cloned().collect());
    }
    Ok(Value::Object(input))
}
