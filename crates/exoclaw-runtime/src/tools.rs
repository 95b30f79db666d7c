//! What an agent's model may call.

use std::sync::Arc;

use exoclaw_protocol::ToolSpec;

use crate::{
    config::{AgentConfig, StartError},
    plugins::Plugins,
};

/// The tools of one agent.
#[derive(Debug)]
pub(crate) struct AgentTools {
    specs: Arc<[ToolSpec]>,
}

impl AgentTools {
    /// # Errors
    /// When the agent names a plugin that is not there.
    pub(crate) fn new(agent: &AgentConfig, plugins: &Plugins) -> Result<Self, StartError> {
        let unknown = agent.tools.iter().find(|tool| !plugins.has(tool.split('.').next().unwrap_or_default()));
        match unknown {
            None => Ok(Self { specs: Arc::new([]) }),
            Some(tool) => {
                Err(StartError::UnknownTool { agent: agent.id.clone(), tool: tool.clone(), known: plugins.names() })
            }
        }
    }

    /// What the model is offered.
    pub(crate) fn specs(&self) -> Arc<[ToolSpec]> {
        self.specs.clone()
    }
}

/// The tool as people see it: `plugin.tool`, or `plugin` alone where both are the same.
pub(crate) fn display_name(model_name: &str) -> String {
    model_name.replacen("__", ".", 1)
}
