//! Calls of tools by clients, each on record before it is made.

use exoclaw_protocol::{Decision, RpcError, SessionRef};
use exoclaw_runtime::Invoked;
use exoclaw_store::audit::{self, What};
use serde_json::Value;

use crate::{
    http::Door,
    socket::{dialect::Caller, requests::guard},
};

/// Calls a tool of a session's agent, once it is allowed where it has to be.
pub(crate) async fn invoke(
    door: &Door,
    caller: &Caller,
    session: &SessionRef,
    tool: &str,
    input: Value,
) -> Result<Invoked, RpcError> {
    let entry = caller.entry(What::Capability, "invoke", audit::Decision::Allowed).object(tool);
    let entry = entry.digest_of(input.to_string().as_bytes());
    guard(door, entry.clone()).await?;
    let invoked = door.runtime.invoke_tool(session, tool, input).await;
    let failure = match &invoked {
        Ok(Invoked::Done(output)) => output.failure.map(|_| "the tool was not let run, or was stopped"),
        Ok(Invoked::Unknown) => Some("the agent has no such tool"),
        Ok(Invoked::Refused { .. }) => Some("it was not allowed"),
        Err(error) => Some(error.code.as_str()),
    };
    if let Some(failure) = failure {
        door.runtime.audit().note(entry.failed(failure));
    }
    invoked
}

/// Why a call was not made, in words.
pub(crate) fn refusal(tool: &str, decision: Decision) -> String {
    match decision {
        Decision::Expired => {
            format!("calls of {tool} have to be allowed, and nobody allowed this one in time: it was not made")
        }
        _ => format!("calls of {tool} have to be allowed, and this one was denied: it was not made"),
    }
}
