//! What can stand in the config. `specs/config.md` describes it for operators.

use std::{collections::BTreeMap, num::NonZeroU32};

use exoclaw_gateway::{Rate, Rates};
use exoclaw_protocol::{AgentId, ChannelName, PluginName, Thinking, TokenName};
use exoclaw_router::Binding;
use exoclaw_runtime::{Allowance, Budget, Budgets, Price};
use exoclaw_sandbox::{Grants, Limits, PublicKey, Sha256Digest};
use serde::Deserialize;

use super::{Currency, ModelPattern};

/// The whole config.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: GatewayConfig,
    /// `[limits]`.
    pub limits: LimitsConfig,
    /// `[metrics]`.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// `[sandbox]`.
    pub sandbox: SandboxConfig,
    /// `[providers.NAME]`.
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderConfig>,
    /// `[[agents]]`.
    #[serde(default)]
    pub agents: Vec<AgentConfig>,
    /// `[[plugins]]`.
    #[serde(default)]
    pub plugins: Vec<PluginConfig>,
    /// `[[channels]]`.
    #[serde(default)]
    pub channels: Vec<ChannelConfig>,
    /// `[[bindings]]`.
    #[serde(default)]
    pub bindings: Vec<Binding>,
    /// `[prices."MODEL"]`: what models cost, by name or pattern.
    #[serde(default)]
    pub prices: BTreeMap<ModelPattern, Price>,
    /// `[budgets]`.
    pub budgets: BudgetsConfig,
    /// `[approvals]`.
    pub approvals: ApprovalsConfig,
    /// `[chat]`.
    pub chat: ChatConfig,
}

impl Config {
    /// The agent that takes what no binding claims.
    pub fn default_agent(&self) -> Option<&AgentConfig> {
        self.agents.iter().find(|agent| agent.default).or(self.agents.first())
    }

    /// The price of a model: that of the pattern that says most of its name.
    pub fn price(&self, model: &str) -> Option<&Price> {
        let fitting = self.prices.iter().filter(|(pattern, _)| pattern.fits(model));
        fitting.max_by_key(|(pattern, _)| pattern.literal()).map(|(_, price)| price)
    }
}

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address to listen on.
    pub bind: std::net::IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Names under which browsers may come, beside IP addresses and `localhost`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Origins of pages elsewhere that count as the daemon's own.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub proxies: Vec<std::net::IpAddr>,
    /// Speak TLS.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Seconds for runs to end when the daemon is told to stop; what has not ended goes on after the next start.
    pub drain_seconds: u32,
}

impl GatewayConfig {
    /// Time for runs to end when the daemon is told to stop.
    pub(crate) fn drain(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.drain_seconds.into())
    }
}

/// How much may be asked for in how short a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Of one connection.
    pub connection: RateConfig,
    /// By one credential, over all of its connections.
    pub credential: RateConfig,
    /// Of messages into one session.
    pub session: RateConfig,
}

impl LimitsConfig {
    /// As the gateway is told.
    pub(crate) fn rates(self) -> Rates {
        let rate = |RateConfig { burst, per_second }| Rate::new(burst, per_second);
        Rates { connection: rate(self.connection), credential: rate(self.credential), session: rate(self.session) }
    }
}

/// So many units at once, and so many more each second. None of either would be no limit, or no service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Units at once.
    pub burst: NonZeroU32,
    /// Units more each second.
    pub per_second: NonZeroU32,
}

/// Where metrics are to be had beside `GET /metrics` of the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address and port of a listener that has nothing else.
    pub listen: Option<std::net::SocketAddr>,
}

/// Whose plugins are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxConfig {
    /// Load only plugins that one of the trusted keys has signed.
    pub require_signed: bool,
    /// Public keys by the names of their owners.
    #[serde(default)]
    pub trusted_keys: BTreeMap<String, PublicKey>,
}

/// Files in PEM: absolute, from `~/`, or beside the config.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate, and those between it and its authority.
    pub cert: String,
    /// Its private key.
    pub key: String,
    /// Authorities of clients, who need a certificate then.
    pub client_ca: Option<String>,
}

/// Which dialect a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Chat Completions, also of compatible servers.
    OpenAi,
    /// Messages.
    Anthropic,
    /// The built-in deterministic model.
    Demo,
}

impl ProviderKind {
    /// The name in the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Demo => "demo",
        }
    }
}

/// Who serves models.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Which dialect it speaks.
    pub kind: ProviderKind,
    /// Where it is; without, the vendor's own address.
    pub base_url: Option<String>,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Its id.
    pub id: AgentId,
    /// Name of its provider.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
    /// What the model is told to be.
    pub system_prompt: Option<String>,
    /// Tokens that the model may write in one step.
    pub max_tokens: Option<u32>,
    /// How much the model thinks; without, as its provider does by itself.
    pub thinking: Option<Thinking>,
    /// Other models of the provider that a session may choose.
    #[serde(default)]
    pub models: Vec<String>,
    /// `plugin` for all of its tools, or `plugin.tool`.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Takes what no binding claims.
    #[serde(default)]
    pub default: bool,
}

/// A plugin, what it may do and how much it may use.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// Its name, as in its manifest.
    pub name: PluginName,
    /// The component: absolute, from `~/`, or beside the config.
    pub path: String,
    /// SHA-256 of the component in hexadecimal; another component is refused.
    pub sha256: Option<Sha256Digest>,
    /// What it may do; by default nothing.
    #[serde(default)]
    pub grants: Grants,
    /// How much it may use.
    #[serde(default)]
    pub limits: Limits,
    /// Record what its calls are told, so that `exoclawd run replay` can tell it again.
    #[serde(default)]
    pub record: bool,
    /// Grants as they were written before `grants`: `http:HOST` and `env:NAME`.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// A way to agents from another platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    /// Its name: in the address of its webhook, and `channel` of bindings.
    pub name: ChannelName,
    /// The plugin that it is.
    pub plugin: PluginName,
    /// `account` of bindings.
    pub account: Option<String>,
}

/// Which calls wait until somebody allows them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsConfig {
    /// `plugin` for all of its tools, or `plugin.tool`.
    pub ask: Vec<String>,
    /// Seconds for an answer; a call that nobody allowed by then is not made.
    pub expire_seconds: u32,
}

/// How conversations go on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// Milliseconds between two deltas of a run; 0 for each as it comes.
    pub delta_ms: u32,
    /// Seconds for a run; 0 for no limit.
    pub run_timeout_seconds: u32,
    /// Messages that stop runs and are none.
    pub stop_words: Vec<String>,
}

/// What may be spent: in all, by single agents, and for single credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetsConfig {
    /// What prices and budgets are in.
    pub currency: Currency,
    /// By each session.
    pub session: Option<Allowance>,
    /// In a day of UTC.
    pub day: Option<Allowance>,
    /// In a month of UTC.
    pub month: Option<Allowance>,
    /// `[budgets.agents.ID]`.
    #[serde(default)]
    pub agents: BTreeMap<AgentId, Budget>,
    /// `[budgets.credentials.NAME]`.
    #[serde(default)]
    pub credentials: BTreeMap<TokenName, Budget>,
}

impl BudgetsConfig {
    /// As the runtime takes them.
    pub fn budgets(&self) -> Budgets {
        let Self { session, day, month, .. } = *self;
        Budgets {
            currency: self.currency.to_string(),
            all: Budget { session, day, month },
            agents: self.agents.clone(),
            credentials: self.credentials.clone(),
        }
    }
}
