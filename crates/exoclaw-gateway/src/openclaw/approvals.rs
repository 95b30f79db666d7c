//! Calls that wait until somebody allows them: those of agents, and what clients ask before they do something elsewhere.

mod asked;

use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalListParams, ApprovalResolveParams, Decision, RpcError, Verdict,
    openclaw::{Code, ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) use self::asked::{request, wait, word};
use super::{
    answers::{Reply, error_of},
    line::Line,
};
use crate::{http::Door, socket::dialect::Caller};

/// Stands for a tool where a client asks for something that it wants to do itself.
const ELSEWHERE: &str = "exec";

#[derive(Deserialize)]
pub(super) struct One {
    id: String,
}

#[derive(Deserialize)]
pub(super) struct Resolve {
    id: String,
    decision: String,
}

/// Calls that wait to be allowed.
pub(super) fn list(door: &Door, line: &Line) -> Result<Reply, ErrorShape> {
    let found = door.runtime.approvals(&ApprovalListParams::default());
    let found = found.map_err(|error| error_of(&error, line.version))?;
    Ok(json!(found.approvals.iter().map(|approval| row(approval, line)).collect::<Vec<_>>()).into())
}

/// Allows or denies one, once. "Always" is said in the config, not by a client.
pub(super) async fn resolve(door: &Door, caller: &Caller, line: &Line, params: Resolve) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let approval = find(door, line, &params.id)?;
    let verdict = match params.decision.as_str() {
        "deny" => Verdict::Deny,
        "allow-once" => Verdict::Allow,
        _ => {
            let text = "allow-always is not offered here: take the tool out of `ask` in the config";
            return Err(ErrorShape::new(Code::InvalidRequest, text));
        }
    };
    let answer = ApprovalResolveParams::new(&approval, verdict);
    crate::socket::approvals::resolve(door, caller, answer).await.map_err(failed)?;
    Ok(json!({ "ok": true }).into())
}

/// One of them.
pub(super) fn get(door: &Door, line: &Line, params: &One) -> Result<Reply, ErrorShape> {
    Ok(row(&find(door, line, &params.id)?, line).into())
}

fn find(door: &Door, line: &Line, id: &str) -> Result<Approval, ErrorShape> {
    let waiting = door.runtime.approvals(&ApprovalListParams::default());
    let waiting = waiting.map_err(|error| error_of(&error, line.version))?.approvals;
    let named = named(id);
    let fits = |approval: &Approval| approval.id.as_str() == id || approval.id == named;
    waiting.into_iter().find(fits).ok_or_else(|| unknown(line, "unknown or expired approval id"))
}

fn unknown(line: &Line, text: &'static str) -> ErrorShape {
    let code = if line.version >= Version::V4 { Code::ApprovalNotFound } else { Code::InvalidRequest };
    ErrorShape::new(code, text)
}

/// What a client calls by a name of its own. No name can be chosen so that it means the approval of a run.
fn named(name: &str) -> ApprovalId {
    let hash = Sha256::digest(format!("asked/{name}"));
    ApprovalId::of_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

fn row(approval: &Approval, line: &Line) -> Value {
    json!({ "id": approval.id, "expiresAtMs": approval.expires_ms, "request": shown(approval, line) })
}

/// What is asked, as whoever answers sees it.
pub(super) fn shown(approval: &Approval, line: &Line) -> Value {
    let mut request = match &approval.input {
        Value::Object(asked) if approval.tool == ELSEWHERE => Value::Object(asked.clone()),
        input => json!({ "command": format!("{} {input}", approval.tool), "ask": "always" }),
    };
    request["agentId"] = approval.session.agent().into();
    request["sessionKey"] = line.session_name(&approval.session).into();
    request
}

/// What became of an approval, in the protocol's words.
pub(super) fn decision(decision: Decision) -> &'static str {
    if decision == Decision::Allowed { "allow-once" } else { "deny" }
}
