//! What a runtime is made of.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use exoclaw_agent::{Provider, TurnLimits};
use exoclaw_protocol::{AgentId, ChannelName, PluginName, SessionSettings, Thinking};
use exoclaw_router::Router;
use exoclaw_store::{Page, ReadError, Store, audit::Audit};

use crate::{
    channels::ChannelConfig,
    clock::Clock,
    plugins::Plugins,
    price::Price,
    recordings::Recordings,
    spending::Budgets,
    tools::{self, AgentTools},
};

/// Settings, checked when the runtime starts and never changed after.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// The agents; each one that the router knows must be among them.
    pub agents: Vec<AgentConfig>,
    /// Shown by `status`: the agents answer with the built-in demo model.
    pub demo: bool,
    /// Shown by `status`.
    pub version: String,
    /// Shown by `status`: what makes the daemon less safe than it could be.
    pub warnings: Vec<String>,
    /// Runs under way at the same time, over all sessions; further ones wait.
    pub concurrent_runs: usize,
    /// Messages that wait or are being answered, over all sessions; the sender of a further one is told `busy`.
    pub messages_in_flight: usize,
    /// How much of a session's journal the model is told, the newest part of it.
    pub context: Page,
    /// Where a turn stops by itself.
    pub turn_limits: TurnLimits,
    /// Where calls of plugins that are to be recorded are; without, none is.
    pub recordings: Option<Recordings>,
    /// What models may cost.
    pub budgets: Budgets,
    /// Where denials and stopped guests are recorded.
    pub audit: Audit,
    /// Which calls wait until somebody allows them.
    pub approvals: ApprovalConfig,
    /// Time between two deltas of a run: what comes sooner is put together. Zero for each delta as it comes.
    pub delta_interval: Duration,
    /// Time for a run, from when its turn comes in this process, where its message says nothing else.
    pub run_timeout: Option<Duration>,
    /// Ways to agents from other platforms.
    pub channels: Vec<ChannelConfig>,
    /// Messages that are exactly one of these, but for space around it and upper case, stop the session's runs.
    pub stop_words: Vec<String>,
}

/// Which calls wait until somebody allows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalConfig {
    /// `plugin` for all tools of a plugin, `plugin.tool` for one.
    pub ask: Vec<String>,
    /// Time for an answer; a call that nobody allowed by then is not made.
    pub lifetime: Duration,
}

impl Default for ApprovalConfig {
    fn default() -> Self {
        Self { ask: Vec::new(), lifetime: Duration::from_secs(600) }
    }
}

impl RuntimeConfig {
    /// Agents with default limits.
    pub fn new(agents: Vec<AgentConfig>) -> Self {
        Self {
            agents,
            demo: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            warnings: Vec::new(),
            concurrent_runs: 64,
            messages_in_flight: 4_096,
            context: Page { entries: 2_000, bytes: 1024 * 1024 },
            turn_limits: TurnLimits::default(),
            recordings: None,
            budgets: Budgets::default(),
            audit: Audit::discard(),
            approvals: ApprovalConfig::default(),
            delta_interval: Duration::ZERO,
            run_timeout: None,
            channels: Vec::new(),
            stop_words: ["/stop", "stop", "/abort", "abort"].map(str::to_owned).into(),
        }
    }
}

/// One agent.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Its id.
    pub id: AgentId,
    /// Name of its provider in the config, for people.
    pub provider_name: String,
    /// Who answers.
    pub provider: Arc<dyn Provider>,
    /// The provider's name of the model.
    pub model: String,
    /// What the model is told to be.
    pub system_prompt: Option<String>,
    /// Tokens that one step may write; each provider has a default.
    pub max_tokens: Option<u32>,
    /// How much the model thinks; without, as its provider does by itself.
    pub thinking: Option<Thinking>,
    /// What the model costs, if that is known.
    pub price: Option<Price>,
    /// Other models of the provider that a session may choose, with what they cost.
    pub models: BTreeMap<String, Option<Price>>,
    /// What it may call: `plugin` for all tools of a plugin, `plugin.tool` for one.
    pub tools: Vec<String>,
}

impl AgentConfig {
    /// An agent without tools and system prompt.
    pub fn new(
        id: AgentId,
        provider_name: impl Into<String>,
        provider: Arc<dyn Provider>,
        model: impl Into<String>,
    ) -> Self {
        Self {
            id,
            provider_name: provider_name.into(),
            provider,
            model: model.into(),
            system_prompt: None,
            max_tokens: None,
            thinking: None,
            price: None,
            models: BTreeMap::new(),
            tools: Vec::new(),
        }
    }
}

impl AgentConfig {
    /// The agent may answer with this model.
    pub fn offers(&self, model: &str) -> bool {
        self.model == model || self.models.contains_key(model)
    }

    /// As a session has it. A model that is not offered any more is left aside.
    pub(crate) fn set_by(&self, settings: &SessionSettings) -> Self {
        let mut config = self.clone();
        config.thinking = settings.thinking.or(config.thinking);
        let chosen = settings.model.as_ref().and_then(|model| Some((model, self.models.get(model)?)));
        if let Some((model, price)) = chosen {
            (config.model, config.price) = (model.clone(), *price);
        }
        config
    }
}

/// The neighbours that a runtime works with.
#[derive(Debug)]
pub struct Parts {
    /// Finds agent and session of a message.
    pub router: Router,
    /// Keeps what must survive.
    pub store: Arc<dyn Store>,
    /// What agents may call.
    pub plugins: Plugins,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// A runtime that can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The router knows an agent that has no settings.
    #[error("the router sends messages to agent {agent}, which has no settings")]
    MissingAgent {
        /// The agent.
        agent: AgentId,
    },
    /// An agent names a tool that is not there.
    #[error("agent {agent} wants the tool {tool:?}, which no plugin has. Tools: {known}")]
    UnknownTool {
        /// The agent.
        agent: AgentId,
        /// The tool, as the config has it.
        tool: String,
        /// What there is instead, separated by commas.
        known: String,
    },
    /// A call is to be asked for that no plugin has.
    #[error("calls of {tool:?} are to wait for approval, but no plugin has it. Tools: {known}")]
    UnknownAsk {
        /// The tool, as the config has it.
        tool: String,
        /// What there is instead, separated by commas.
        known: String,
    },
    /// A budget of money can't be kept without a price.
    #[error("a budget of money counts for agent {agent}, but its model {model:?} has no price")]
    NoPrice {
        /// The agent.
        agent: AgentId,
        /// The provider's name of its model.
        model: String,
    },
    /// Two channels have one name.
    #[error("there are two channels named {channel}")]
    ChannelTwice {
        /// The name.
        channel: ChannelName,
    },
    /// A channel's plugin is not there.
    #[error("the channel {channel} wants the plugin {plugin}, which is not there")]
    UnknownChannelPlugin {
        /// The channel.
        channel: ChannelName,
        /// The plugin.
        plugin: PluginName,
    },
    /// A channel's plugin has tools.
    #[error(
        "the channel {channel} wants the plugin {plugin}, which is no channel: its manifest has no kind = \"channel\""
    )]
    NoChannel {
        /// The channel.
        channel: ChannelName,
        /// The plugin.
        plugin: PluginName,
    },
    /// Open runs, or what was spent, can't be read.
    #[error("read what was under way and spent when the daemon stopped")]
    Store(#[source] ReadError),
}

/// An agent, ready.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) config: AgentConfig,
    pub(crate) tools: Arc<AgentTools>,
}

/// What is spent against a budget of money must be known.
pub(crate) fn check_prices(configs: &[AgentConfig], budgets: &Budgets) -> Result<(), StartError> {
    for agent in configs.iter().filter(|agent| budgets.bound_money_of(&agent.id)) {
        let models = std::iter::once((&agent.model, &agent.price)).chain(&agent.models);
        if let Some((model, _)) = models.into_iter().find(|(_, price)| price.is_none()) {
            return Err(StartError::NoPrice { agent: agent.id.clone(), model: model.clone() });
        }
    }
    Ok(())
}

/// Makes the agents ready.
pub(crate) fn agents(
    configs: Vec<AgentConfig>,
    router: &Router,
    plugins: &Plugins,
    ask: &[String],
) -> Result<HashMap<AgentId, Arc<Agent>>, StartError> {
    tools::check_ask(ask, plugins)?;
    let mut agents = HashMap::new();
    for config in configs {
        let tools = Arc::new(AgentTools::new(&config.id, &config.tools, plugins)?.asking(ask));
        agents.insert(config.id.clone(), Arc::new(Agent { config, tools }));
    }
    match router.agents().iter().find(|agent| !agents.contains_key(*agent)) {
        Some(agent) => Err(StartError::MissingAgent { agent: agent.clone() }),
        None => Ok(agents),
    }
}
