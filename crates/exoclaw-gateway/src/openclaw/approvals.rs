//! Calls that wait until somebody allows them.

use exoclaw_protocol::{
    Approval, ApprovalListParams, ApprovalResolveParams, RpcError, Verdict,
    openclaw::{Code, ErrorShape, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    line::Line,
};
use crate::{http::Door, socket::dialect::Caller};

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
    Ok(json!(found.approvals.iter().map(row).collect::<Vec<_>>()).into())
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
    Ok(row(&find(door, line, &params.id)?).into())
}

fn find(door: &Door, line: &Line, id: &str) -> Result<Approval, ErrorShape> {
    let waiting = door.runtime.approvals(&ApprovalListParams::default());
    let waiting = waiting.map_err(|error| error_of(&error, line.version))?.approvals;
    waiting.into_iter().find(|approval| approval.id.as_str() == id).ok_or_else(|| {
        let code = if line.version >= Version::V4 { Code::ApprovalNotFound } else { Code::InvalidRequest };
        ErrorShape::new(code, "unknown or expired approval id")
    })
}

fn row(approval: &Approval) -> Value {
    json!({
        "id": approval.id, "expiresAtMs": approval.expires_ms,
        "request": {
            "command": format!("{} {}", approval.tool, approval.input), "agentId": approval.session.agent(),
            "sessionKey": approval.session,
        },
    })
}
