//! Tools: which there are, and calls of them.

use exoclaw_protocol::{
    Decision, RpcError, SessionRef, ToolContent, ToolSpec,
    openclaw::{Code, ErrorShape},
};
use exoclaw_runtime::{Invoked, display_name};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    history::tool_content,
    line::Line,
    lists::{OfAgent, agent_of},
};
use crate::{
    http::Door,
    invoke::{invoke, refusal},
    socket::dialect::Caller,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Effective {
    session_key: String,
    #[serde(default)]
    agent_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invoke {
    name: String,
    #[serde(default)]
    args: Option<Value>,
    #[serde(default)]
    session_key: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
}

/// The tools of all plugins, a group each.
pub(super) fn catalog(door: &Door, line: &Line, params: OfAgent) -> Result<Reply, ErrorShape> {
    let agent = agent_of(door, line, params)?;
    let groups: Vec<Value> = door
        .runtime
        .plugins()
        .plugins
        .iter()
        .map(|plugin| {
            let tool = |tool: &exoclaw_protocol::PluginTool| {
                json!({ "id": tool.name, "label": tool.name, "description": tool.description, "defaultProfiles": [] })
            };
            json!({
                "id": plugin.name, "label": plugin.name, "source": "plugin", "pluginId": plugin.name,
                "tools": plugin.tools.iter().map(tool).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(json!({ "agentId": agent, "profiles": [], "groups": groups }).into())
}

/// The tools that a session's agent offers its model.
pub(super) fn effective(door: &Door, line: &Line, params: Effective) -> Result<Reply, ErrorShape> {
    let failed = |error: RpcError| error_of(&error, line.version);
    let session = line.session(&params.session_key, params.agent_id.as_deref())?;
    let agent = door.runtime.session_key(&session).map_err(failed)?;
    let tool = |spec: &ToolSpec| {
        let name = display_name(&spec.name);
        let plugin = name.split_once('.').map_or(name.as_str(), |(plugin, _)| plugin);
        json!({
            "id": name, "label": name, "description": spec.description, "rawDescription": spec.description,
            "source": "plugin", "pluginId": plugin,
        })
    };
    let tools: Vec<Value> = door.runtime.tools_of(&session).map_err(failed)?.iter().map(tool).collect();
    let group = json!({ "id": "plugin", "label": "Plugins", "source": "plugin", "tools": tools });
    let groups: Vec<Value> = (!tools.is_empty()).then_some(group).into_iter().collect();
    Ok(json!({ "agentId": agent.agent(), "profile": "full", "groups": groups }).into())
}

/// Calls one, as the session's agent would; one that has to be allowed waits for that.
pub(super) async fn call(door: &Door, caller: &Caller, line: &Line, params: Invoke) -> Result<Reply, ErrorShape> {
    let Invoke { name, args, session_key, agent_id } = params;
    let session = line.session(session_key.as_deref().unwrap_or("main"), agent_id.as_deref())?;
    let session: SessionRef =
        door.runtime.session_key(&session).map_err(|error| error_of(&error, line.version))?.into();
    let told = |error: Value| json!({ "ok": false, "toolName": name, "source": "plugin", "error": error });
    let output = match invoke(door, caller, &session, &name, args.unwrap_or_else(|| json!({}))).await {
        Ok(Invoked::Done(output)) => output,
        Ok(Invoked::Unknown) => {
            let name: String = name.chars().take(64).collect();
            return Err(ErrorShape::new(Code::InvalidRequest, format!("Tool not available: {name}")));
        }
        Ok(Invoked::Refused { approval, decision }) => {
            let code = if decision == Decision::Expired { "approval_expired" } else { "approval_denied" };
            let mut refused = told(json!({ "code": code, "message": refusal(&name, decision) }));
            refused["requiresApproval"] = true.into();
            refused["approvalId"] = approval.as_str().into();
            return Ok(refused.into());
        }
        Err(error) => return Err(error_of(&error, line.version)),
    };
    if output.is_error {
        let text = |content: &ToolContent| match content {
            ToolContent::Text { text } => Some(text.clone()),
            ToolContent::Json { value } => Some(value.to_string()),
            ToolContent::Image { .. } => None,
        };
        let text: Vec<String> = output.content.iter().filter_map(text).collect();
        return Ok(told(json!({ "code": "tool_error", "message": text.join("\n") })).into());
    }
    let content: Vec<Value> = output.content.iter().map(tool_content).collect();
    Ok(json!({ "ok": true, "toolName": name, "source": "plugin", "output": { "content": content } }).into())
}
