//! Calls of tools by clients, each on record before it is made.

use exoclaw_protocol::{RpcError, SessionRef, ToolOutput};
use exoclaw_store::audit::{Decision, What};
use serde_json::Value;

use crate::{
    http::Door,
    socket::{dialect::Caller, requests::guard},
};

/// Calls a tool of a session's agent; none where it has no such tool.
pub(crate) async fn invoke(
    door: &Door,
    caller: &Caller,
    session: &SessionRef,
    tool: &str,
    input: Value,
) -> Result<Option<ToolOutput>, RpcError> {
    let entry = caller.entry(What::Capability, "invoke", Decision::Allowed).object(tool);
    let entry = entry.digest_of(input.to_string().as_bytes());
    guard(door, entry.clone()).await?;
    let invoked = door.runtime.invoke_tool(session, tool, input).await;
    let failure = match &invoked {
        Ok(Some(output)) => output.failure.map(|_| "the tool was not let run, or was stopped"),
        Ok(None) => Some("the agent has no such tool"),
        Err(error) => Some(error.code.as_str()),
    };
    if let Some(failure) = failure {
        door.runtime.audit().note(entry.failed(failure));
    }
    invoked
}
