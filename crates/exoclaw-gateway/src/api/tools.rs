//! `POST /tools/invoke`: calls a tool as a session's agent would.

use exoclaw_protocol::{ErrorCode, RpcError, SessionRef};
use exoclaw_runtime::Invoked;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Door, answer},
    invoke::{invoke, refusal},
    socket::dialect::Caller,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    tool: String,
    #[serde(default)]
    args: Option<Value>,
    #[serde(default)]
    session_key: Option<SessionRef>,
}

pub(super) async fn answer(door: &Door, caller: &Caller, body: &[u8]) -> Result<Answer, RpcError> {
    let Asked { tool, args, session_key } = super::read(body)?;
    let session = session_key.unwrap_or_else(|| SessionRef::Name("main".to_owned()));
    let output = match invoke(door, caller, &session, &tool, args.unwrap_or_else(|| json!({}))).await? {
        Invoked::Done(output) => output,
        Invoked::Refused { decision, .. } => {
            return Err(RpcError::new(ErrorCode::Forbidden, refusal(&tool, decision)));
        }
        Invoked::Unknown => {
            let tool: String = tool.chars().take(64).collect();
            return Err(RpcError::new(ErrorCode::MethodNotFound, format!("Tool not available: {tool}")));
        }
    };
    let result = json!({ "content": output.content });
    Ok(answer::json(StatusCode::OK, &json!({ "ok": !output.is_error, "result": result })))
}
