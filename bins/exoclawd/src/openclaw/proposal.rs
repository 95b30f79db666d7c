//! Providers, agents and bindings of its config, as changes of the one here. Nothing that is here is changed, nothing is
//! granted, and no secret is read.

use exoclaw_protocol::{AgentId, Peer, PeerKind, limits};
use exoclaw_router::{Binding, Router};
use exoclaw_store::CredentialName;
use reqwest::Url;
use serde_json::Value;

use super::Left;
use crate::config::{Config, Edit, EditError, ProviderKind};

/// Providers, agents and bindings of each kind that are looked at.
const ITEMS: usize = 1_000;

/// What is read of the config, by its first key.
const READ: [&str; 4] = ["agents", "models", "bindings", "channels"];

/// What could be added to the config here.
#[derive(Debug, Default)]
pub(crate) struct Proposal {
    /// Name, dialect, address.
    providers: Vec<(String, ProviderKind, Option<String>)>,
    /// Id, provider, model.
    agents: Vec<(AgentId, String, String)>,
    bindings: Vec<Binding>,
}

impl Proposal {
    /// Puts it into a config that is being changed.
    pub(crate) fn apply(&self, edit: &mut Edit) -> Result<(), EditError> {
        for (name, kind, address) in &self.providers {
            edit.set_provider(name, kind.as_str(), address.as_deref())?;
        }
        for (id, provider, model) in &self.agents {
            edit.set_agent(id.as_str(), provider, model)?;
        }
        self.bindings.iter().try_for_each(|binding| edit.add_binding(binding))
    }
}

/// What of a config there has no counterpart here yet; everything else is left and named.
pub(crate) fn propose(config: &Value, here: &Config, left: &mut Left) -> Proposal {
    let mut proposal = Proposal::default();
    for (name, provider) in config["models"]["providers"].as_object().into_iter().flatten().take(ITEMS) {
        match self::provider(name, provider, here) {
            Ok((kind, address)) => proposal.providers.push((name.clone(), kind, Some(address))),
            Err(why) => left.name(&format!("models.providers.{name}"), why),
        }
    }
    let implied = [serde_json::json!({ "id": "main" })];
    let listed = config["agents"]["list"].as_array().map_or(&implied[..], Vec::as_slice);
    let usual = model(&config["agents"]["defaults"]);
    for agent in listed.iter().take(ITEMS) {
        if let Err(why) = self::agent(agent, usual, here, &mut proposal) {
            left.name(&format!("agent {}", agent["id"].as_str().unwrap_or("without an id")), why);
        }
    }
    // The first one takes what no binding claims.
    let default = listed.iter().find(|agent| agent["default"] == true).and_then(|agent| agent["id"].as_str());
    proposal.agents.sort_by_key(|(id, ..)| default.is_none_or(|default| !default.eq_ignore_ascii_case(id.as_str())));
    for (number, binding) in config["bindings"].as_array().into_iter().flatten().take(ITEMS).enumerate() {
        let binding = self::binding(binding).and_then(|binding| fits(binding, here, &proposal));
        match binding {
            Ok(binding) => proposal.bindings.push(binding),
            Err(why) => left.name(&format!("binding {}", number + 1), why),
        }
    }
    for channel in config["channels"].as_object().into_iter().flatten().map(|(name, _)| name).take(ITEMS) {
        left.name(&format!("channels.{channel}"), "an import sets up no channel");
    }
    for key in config.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).filter(|key| !READ.contains(key)) {
        left.name(key, "the config's part of this name is not read");
    }
    proposal
}

fn provider(name: &str, provider: &Value, here: &Config) -> Result<(ProviderKind, String), String> {
    if here.providers.contains_key(name) {
        return Err("there is a provider of this name already".to_owned());
    }
    CredentialName::provider(name).map_err(|error| error.to_string())?;
    let kind = match provider["api"].as_str() {
        None | Some("openai-completions" | "openai-responses") => ProviderKind::OpenAi,
        Some("anthropic-messages") => ProviderKind::Anthropic,
        Some(_) => return Err("its dialect is not spoken here".to_owned()),
    };
    let address = provider["baseUrl"].as_str().unwrap_or_default();
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // The address itself is not repeated: it may hold a password.
    let plain = url.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none());
    match plain {
        Some(_) if !address.contains("${") => Ok((kind, address.to_owned())),
        _ => Err("its address is no http or https one without password, query and variables".to_owned()),
    }
}

/// `provider/model` of an agent, or of all.
fn model(agent: &Value) -> Option<&str> {
    agent["model"].as_str().or(agent["model"]["primary"].as_str())
}

fn agent(agent: &Value, usual: Option<&str>, here: &Config, proposal: &mut Proposal) -> Result<(), String> {
    let id = agent["id"].as_str().unwrap_or_default().to_ascii_lowercase();
    let id: AgentId = id.parse().map_err(|error: exoclaw_protocol::IdError| error.to_string())?;
    if here.agents.iter().any(|agent| agent.id == id) || proposal.agents.iter().any(|(there, ..)| *there == id) {
        return Err("there is an agent of this id already".to_owned());
    }
    let (provider, model) =
        model(agent).or(usual).and_then(|model| model.split_once('/')).ok_or("it names no provider/model")?;
    if model.trim().is_empty() || model.len() > limits::LABEL_BYTES || model.chars().any(char::is_control) {
        return Err("its model has no usable name".to_owned());
    }
    let is_known =
        here.providers.contains_key(provider) || proposal.providers.iter().any(|(name, ..)| name == provider);
    if !is_known {
        let kind = match provider {
            "openai" => ProviderKind::OpenAi,
            "anthropic" => ProviderKind::Anthropic,
            _ => return Err(format!("its provider {provider:?} is neither here nor proposed")),
        };
        proposal.providers.push((provider.to_owned(), kind, None));
    }
    proposal.agents.push((id, provider.to_owned(), model.to_owned()));
    Ok(())
}

/// What is not understood is refused: without it, the binding would claim more than was meant.
fn binding(binding: &Value) -> Result<Binding, String> {
    let agent = binding["agentId"].as_str().unwrap_or_default().to_ascii_lowercase();
    let mut found = Binding::to(agent.parse().map_err(|error: exoclaw_protocol::IdError| error.to_string())?);
    for (key, value) in binding["match"].as_object().ok_or("it has no match")? {
        let text = value.as_str().map(ToOwned::to_owned);
        match (key.as_str(), text) {
            ("channel", Some(text)) => found.channel = Some(text),
            // An account that is not named is the only one, in nearly all configs.
            ("accountId", Some(text)) if matches!(text.as_str(), "*" | "default") => {}
            ("accountId", Some(text)) => found.account = Some(text),
            ("guildId", Some(text)) => found.guild = Some(text),
            ("teamId", Some(text)) => found.team = Some(text),
            ("peer", None) => {
                let kind = match value["kind"].as_str() {
                    Some("dm" | "direct") => PeerKind::Dm,
                    Some("group") => PeerKind::Group,
                    Some("channel") => PeerKind::Channel,
                    _ => return Err("the kind of its peer is not known here".to_owned()),
                };
                let id = value["id"].as_str().filter(|id| *id != "*").ok_or("its peer has no id")?.to_owned();
                found.peer = Some(Peer { kind, id });
            }
            _ => return Err(format!("it asks for {key:?}, which is not known here in this form")),
        }
    }
    Ok(found)
}

/// A binding that the router takes beside those that are here and proposed.
fn fits(binding: Binding, here: &Config, proposal: &Proposal) -> Result<Binding, String> {
    let ids: Vec<AgentId> = here
        .agents
        .iter()
        .map(|agent| agent.id.clone())
        .chain(proposal.agents.iter().map(|(id, ..)| id.clone()))
        .collect();
    let default = ids.first().cloned().ok_or("there are no agents")?;
    let mut bindings: Vec<Binding> = here.bindings.iter().chain(&proposal.bindings).cloned().collect();
    let is_same = |other: &Binding| Binding { place: None, ..other.clone() } == binding;
    if bindings.iter().any(is_same) {
        return Err("it is there already".to_owned());
    }
    bindings.push(binding.clone());
    Router::new(ids, default, bindings).map_err(|error| crate::error::chain(&error))?;
    Ok(binding)
}
