//! What the types can't say: names that must be known, unique or well-formed.

use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

use exoclaw_protocol::{AgentId, Origin};
use exoclaw_router::{BuildError, Router};
use exoclaw_runtime::{Allowance, Selector};
use exoclaw_sandbox::HttpPattern;
use exoclaw_store::CredentialName;
use reqwest::Url;

use super::{Config, ConfigError, ConfigFile, ProviderKind};
use crate::nearest;

/// Checks a config and gives each binding its place.
pub(super) fn check(
    config: &mut Config,
    file: Option<&ConfigFile>,
    notices: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let check = Check { config, file };
    check.gateway()?;
    check.providers(notices)?;
    check.agents()?;
    check.plugins()?;
    check.channels()?;
    check.budgets()?;
    check.approvals()?;
    for plugin in &mut config.plugins {
        if !plugin.capabilities.is_empty() {
            let name = &plugin.name;
            notices.push(format!("plugin {name}: capabilities is deprecated; write [plugins.grants] instead"));
        }
        for capability in plugin.capabilities.drain(..) {
            match grant(&capability) {
                Some(Grant::Http(pattern)) => plugin.grants.http.push(pattern),
                Some(Grant::Env(name)) => plugin.grants.env.push(name),
                None => {}
            }
        }
    }
    for (index, binding) in config.bindings.iter_mut().enumerate() {
        binding.place = file.map(|file| file.place(&["bindings", &index.to_string()]));
    }
    match (config.default_agent(), config.bindings.first()) {
        (Some(default), _) => router(config, &default.id).map(drop).map_err(ConfigError::Bindings),
        (None, Some(first)) => {
            let message = format!("the binding wants the agent {}, but there are no agents", first.agent);
            Err(ConfigError::value(file, &["bindings", "0"], message, None))
        }
        (None, None) => Ok(()),
    }
}

/// The router over agents and bindings.
pub(crate) fn router(config: &Config, default: &AgentId) -> Result<Router, BuildError> {
    let agents = config.agents.iter().map(|agent| agent.id.clone()).collect();
    Router::new(agents, default.clone(), config.bindings.clone())
}

/// What a capability of old stands for.
enum Grant {
    Http(HttpPattern),
    Env(String),
}

fn grant(capability: &str) -> Option<Grant> {
    let (kind, what) = capability.split_once(':').filter(|(_, what)| !what.is_empty())?;
    match kind {
        "http" => format!("* https://{what}/*").parse().ok().map(Grant::Http),
        "env" => Some(Grant::Env(what.to_owned())),
        _ => None,
    }
}

struct Check<'a> {
    config: &'a Config,
    file: Option<&'a ConfigFile>,
}

impl Check<'_> {
    fn error(&self, path: &[&str], message: String, hint: impl Into<Option<String>>) -> ConfigError {
        ConfigError::value(self.file, path, message, hint.into())
    }

    fn gateway(&self) -> Result<(), ConfigError> {
        for (index, origin) in self.config.gateway.origins.iter().enumerate() {
            let url = Url::from_str(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            // An address of a page, a blank or a pattern would silently never fit.
            let given = origin.trim_end_matches('/');
            if url.is_none_or(|url| !url.origin().ascii_serialization().eq_ignore_ascii_case(given)) {
                let hint = "such as \"https://claw.example\", without a path and without the usual port".to_owned();
                let index = index.to_string();
                let message = format!("{origin:?} is no origin");
                return Err(self.error(&["gateway", "origins", &index], message, hint));
            }
        }
        for (index, host) in self.config.gateway.hosts.iter().enumerate() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(plain) {
                let message = format!("{host:?} is no host name");
                let index = index.to_string();
                return Err(self.error(&["gateway", "hosts", &index], message, "such as \"claw.example\"".to_owned()));
            }
        }
        Ok(())
    }

    fn providers(&self, notices: &mut Vec<String>) -> Result<(), ConfigError> {
        for (name, provider) in &self.config.providers {
            let path = ["providers", name.as_str()];
            if let Err(error) = CredentialName::provider(name) {
                return Err(self.error(&path, error.to_string(), None));
            }
            let Some(base_url) = &provider.base_url else { continue };
            let path = ["providers", name.as_str(), "base_url"];
            if provider.kind == ProviderKind::Demo {
                return Err(self.error(
                    &path,
                    "the demo model has no address".to_owned(),
                    "take base_url out".to_owned(),
                ));
            }
            let url =
                Url::from_str(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let Some(url) = url else {
                let hint = "such as \"http://127.0.0.1:11434/v1\"".to_owned();
                return Err(self.error(&path, format!("base_url {base_url:?} is no http or https address"), hint));
            };
            if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
                let message = "base_url may hold neither a password nor a query".to_owned();
                return Err(self.error(&path, message, None));
            }
            if url.scheme() == "http" && !is_local(&url) {
                notices
                    .push(format!("provider {name} is asked over plain http: key and messages can be read on the way"));
            }
        }
        Ok(())
    }

    fn agents(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        let mut default = None;
        for (index, agent) in self.config.agents.iter().enumerate() {
            let index = index.to_string();
            let path = |key| ["agents", index.as_str(), key];
            let id = &agent.id;
            if !seen.insert(id) {
                return Err(self.error(&path("id"), format!("there are two agents with the id {id}"), None));
            }
            if let (true, Some(first)) = (agent.default, default) {
                return Err(self.error(&path("default"), format!("{first} and {id} can't both be the default"), None));
            }
            default = default.or(agent.default.then_some(id));
            if !self.config.providers.contains_key(&agent.provider) {
                let message = format!("agent {id} wants the provider {:?}, which is not in the config", agent.provider);
                let names = self.config.providers.keys().map(String::as_str);
                return Err(self.error(&path("provider"), message, nearest::hint(&agent.provider, "providers", names)));
            }
            if agent.model.trim().is_empty() {
                return Err(self.error(&path("model"), format!("agent {id} has no model"), None));
            }
            if agent.max_tokens == Some(0) {
                return Err(self.error(&path("max_tokens"), "max_tokens must be at least 1".to_owned(), None));
            }
            for tool in &agent.tools {
                let plugin = Selector::of(tool).plugin;
                let names = self.config.plugins.iter().map(|plugin| plugin.name.as_str());
                if !names.clone().any(|name| name == plugin) {
                    let message = format!("agent {id} wants the tool {tool:?}, but there is no plugin {plugin:?}");
                    return Err(self.error(&path("tools"), message, nearest::hint(plugin, "plugins", names)));
                }
            }
        }
        Ok(())
    }

    fn approvals(&self) -> Result<(), ConfigError> {
        let config = &self.config.approvals;
        for (index, tool) in config.ask.iter().enumerate() {
            let plugin = Selector::of(tool).plugin;
            let names = self.config.plugins.iter().map(|plugin| plugin.name.as_str());
            if !names.clone().any(|name| name == plugin) {
                let message = format!("calls of {tool:?} are to wait for approval, but there is no plugin {plugin:?}");
                let hint = nearest::hint(plugin, "plugins", names);
                return Err(self.error(&["approvals", "ask", &index.to_string()], message, hint));
            }
        }
        if config.expire_seconds == 0 {
            let message = "expire_seconds must be at least 1".to_owned();
            return Err(self.error(&["approvals", "expire_seconds"], message, None));
        }
        Ok(())
    }

    fn budgets(&self) -> Result<(), ConfigError> {
        let config = &self.config.budgets;
        let budgets = config.budgets();
        let agents = budgets.agents.iter().map(|(id, budget)| (vec!["budgets", "agents", id.as_str()], budget));
        let credentials =
            budgets.credentials.iter().map(|(name, budget)| (vec!["budgets", "credentials", name.as_str()], budget));
        for (path, budget) in [(vec!["budgets"], &budgets.all)].into_iter().chain(agents).chain(credentials) {
            if budget.allowances().any(|(_, allowance)| allowance == Allowance::default()) {
                let hint = "give it tokens, money or both: day = { tokens = 1000000, money = \"5\" }".to_owned();
                return Err(self.error(&path, "a budget that is empty bounds nothing".to_owned(), hint));
            }
        }
        for id in config.agents.keys() {
            let mut names = self.config.agents.iter().map(|agent| agent.id.as_str());
            if !names.any(|name| name == id.as_str()) {
                let names = self.config.agents.iter().map(|agent| agent.id.as_str());
                let hint = nearest::hint(id.as_str(), "agents", names);
                return Err(self.error(&["budgets", "agents", id.as_str()], format!("there is no agent {id}"), hint));
            }
        }
        for (index, agent) in self.config.agents.iter().enumerate() {
            let kind = self.config.providers.get(&agent.provider).map(|provider| provider.kind);
            let is_free = kind == Some(ProviderKind::Demo);
            if !is_free && budgets.bound_money_of(&agent.id) && self.config.price(&agent.model).is_none() {
                let model = &agent.model;
                let message = format!("a budget of money counts for agent {}, but {model:?} has no price", agent.id);
                let hint = format!("add [prices.{model:?}] with input and output per million tokens");
                return Err(self.error(&["agents", &index.to_string(), "model"], message, hint));
            }
        }
        Ok(())
    }

    fn channels(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        for (index, channel) in self.config.channels.iter().enumerate() {
            let index = index.to_string();
            let path = |key| ["channels", index.as_str(), key];
            let (name, plugin) = (&channel.name, channel.plugin.as_str());
            if !seen.insert(name) {
                return Err(self.error(&path("name"), format!("there are two channels named {name}"), None));
            }
            let names = self.config.plugins.iter().map(|plugin| plugin.name.as_str());
            if !names.clone().any(|name| name == plugin) {
                let message = format!("channel {name} wants the plugin {plugin}, which is not in the config");
                return Err(self.error(&path("plugin"), message, nearest::hint(plugin, "plugins", names)));
            }
            let origin = Origin { account: channel.account.clone(), ..Origin::channel(name.as_str()) };
            if let Err(error) = origin.validate() {
                return Err(self.error(&path("account"), error.to_string(), None));
            }
        }
        Ok(())
    }

    fn plugins(&self) -> Result<(), ConfigError> {
        let sandbox = &self.config.sandbox;
        if sandbox.require_signed && sandbox.trusted_keys.is_empty() {
            let message = "require_signed refuses every plugin: nobody is trusted".to_owned();
            let hint = "name whom you trust in [sandbox.trusted_keys], such as alice = \"ed25519:…\"".to_owned();
            return Err(self.error(&["sandbox", "require_signed"], message, hint));
        }
        let mut seen = BTreeSet::new();
        for (index, plugin) in self.config.plugins.iter().enumerate() {
            let index = index.to_string();
            let path = |key| ["plugins", index.as_str(), key];
            if !seen.insert(&plugin.name) {
                return Err(self.error(&path("name"), format!("there are two plugins named {}", plugin.name), None));
            }
            for capability in &plugin.capabilities {
                if grant(capability).is_none() {
                    let message = format!("plugin {} wants the capability {capability:?}", plugin.name);
                    let hint = "known are http:HOST and env:NAME; write grants in [plugins.grants] instead".to_owned();
                    return Err(self.error(&path("capabilities"), message, hint));
                }
            }
        }
        Ok(())
    }
}

/// What is sent there stays on this machine.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || IpAddr::from_str(host).is_ok_and(|address| address.is_loopback())
}
