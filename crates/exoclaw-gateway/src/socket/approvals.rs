//! Answers to calls that wait to be allowed.

use exoclaw_protocol::{ApprovalResolveParams, ApprovalResolveResult, RpcError, Verdict};
use exoclaw_store::audit::{Decision, What};

use super::{dialect::Caller, requests::guard};
use crate::http::Door;

/// Leads an answer to its run, after the record of who gave it.
pub(crate) async fn resolve(
    door: &Door,
    caller: &Caller,
    params: ApprovalResolveParams,
) -> Result<ApprovalResolveResult, RpcError> {
    let (action, decision) = match params.verdict {
        Verdict::Allow => ("allow", Decision::Allowed),
        Verdict::Deny => ("deny", Decision::Refused),
    };
    let entry = caller.entry(What::Approval, action, decision).object(&params.tool).sha256(&params.digest);
    let entry = entry.reason(format_args!("approval {}", params.id));
    guard(door, entry.clone()).await?;
    let resolved = door.runtime.resolve_approval(caller.pass.who.name(), params).await;
    if let Err(error) = &resolved {
        door.runtime.audit().note(entry.failed(error.code));
    }
    resolved
}
