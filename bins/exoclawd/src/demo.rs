//! The demo: a built-in model and the example plugins, so that the whole loop can be seen without a key or a network.

use std::time::Duration;

use exoclaw_protocol::IdError;
use exoclaw_runtime::Selector;

use crate::config::{AgentConfig, Config, ProviderConfig, ProviderKind};

/// The example plugins, packed, by name.
pub(crate) static PLUGINS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// Between two words of an answer, so that people see it grow.
pub(crate) const PACE: Duration = Duration::from_millis(15);

/// Said wherever the demo is started.
pub(crate) const NOTICE: &str = "\
This is the demo: a built-in model follows a few fixed rules; no AI is asked and nothing leaves this machine. The tools
are real: plugins in the sandbox, under grants. For real answers, run `exoclawd onboard`.";

/// The demo's agents in place of the config's.
pub(crate) fn config(config: Config) -> Result<Config, IdError> {
    let provider = ProviderConfig { kind: ProviderKind::Demo, base_url: None };
    let agent = AgentConfig {
        id: "main".parse()?,
        provider: "demo".to_owned(),
        model: "demo".to_owned(),
        system_prompt: None,
        max_tokens: None,
        thinking: None,
        models: Vec::new(),
        tools: PLUGINS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        default: true,
    };
    // Of plugins that the demo lacks, nothing need be asked.
    let is_there = |tool: &String| {
        let plugin = Selector::of(tool).plugin;
        PLUGINS.iter().any(|(name, _)| *name == plugin)
    };
    let mut approvals = config.approvals.clone();
    approvals.ask.retain(is_there);
    Ok(Config {
        approvals,
        providers: [("demo".to_owned(), provider)].into(),
        agents: vec![agent],
        plugins: Vec::new(),
        bindings: Vec::new(),
        ..config
    })
}
