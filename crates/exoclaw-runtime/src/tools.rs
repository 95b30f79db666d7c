//! What an agent's model may call.

use crate::{
    config::{AgentConfig, StartError},
    plugins::Plugins,
};

/// Checks that each tool of an agent is of a plugin that there is.
pub(crate) fn check(agent: &AgentConfig, plugins: &Plugins) -> Result<(), StartError> {
    let unknown = agent.tools.iter().find(|tool| !plugins.has(tool.split('.').next().unwrap_or_default()));
    unknown.map_or(Ok(()), |tool| {
        Err(StartError::UnknownTool { agent: agent.id.clone(), tool: tool.clone(), known: plugins.names() })
    })
}

/// The tool as people see it: `plugin.tool`, or `plugin` alone where both are the same.
pub(crate) fn display_name(model_name: &str) -> String {
    model_name.replacen("__", ".", 1)
}
