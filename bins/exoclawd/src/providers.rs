//! Providers of the config, made.

use std::{collections::BTreeMap, sync::Arc};

use exoclaw_agent::{AnthropicProvider, DemoProvider, OpenAiProvider, Provider};
use exoclaw_protocol::Secret;

use crate::{
    Env, Home,
    config::{Config, ProviderConfig, ProviderKind},
    demo,
    error::{CliError, Exit},
    keys,
};

/// Makes those that agents use, by name.
pub(crate) fn make(config: &Config, env: &Env, home: &Home) -> Result<BTreeMap<String, Arc<dyn Provider>>, CliError> {
    let mut made: BTreeMap<String, Arc<dyn Provider>> = BTreeMap::new();
    for agent in &config.agents {
        let name = &agent.provider;
        if let (Some(provider), false) = (config.providers.get(name), made.contains_key(name)) {
            made.insert(name.clone(), one(name, provider, env, home)?);
        }
    }
    Ok(made)
}

/// Makes one.
fn one(name: &str, config: &ProviderConfig, env: &Env, home: &Home) -> Result<Arc<dyn Provider>, CliError> {
    let key = keys::provider_key(name, config, env, home)?;
    with_key(name, config, key)
}

/// Makes one whose key is known.
pub(crate) fn with_key(
    name: &str,
    config: &ProviderConfig,
    key: Option<Secret>,
) -> Result<Arc<dyn Provider>, CliError> {
    let settings = |vendor: &str| exoclaw_agent::ProviderConfig {
        api_key: key,
        ..exoclaw_agent::ProviderConfig::new(name, config.base_url.as_deref().unwrap_or(vendor))
    };
    let made: Result<Arc<dyn Provider>, _> = match config.kind {
        ProviderKind::Demo => return Ok(Arc::new(DemoProvider::paced(demo::PACE))),
        ProviderKind::OpenAi => OpenAiProvider::new(&settings(OpenAiProvider::BASE_URL)).map(|it| Arc::new(it) as _),
        ProviderKind::Anthropic => {
            AnthropicProvider::new(&settings(AnthropicProvider::BASE_URL)).map(|it| Arc::new(it) as _)
        }
    };
    made.map_err(|error| CliError::of(Exit::Config, error))
}
