//! The layers, lowest first, as figment merges them.

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{ConfigError, ConfigFile, DEFAULTS, Sources};
use crate::{Env, nearest};

/// Variables that stand for a value of the config.
pub(crate) const ENV_VALUES: &[(&str, [&str; 2])] =
    &[("EXOCLAW_GATEWAY_BIND", ["gateway", "bind"]), ("EXOCLAW_GATEWAY_PORT", ["gateway", "port"])];

/// Variables with another meaning.
const ENV_OTHERS: &[&str] = &["EXOCLAW_CACHE", "EXOCLAW_CONFIG", "EXOCLAW_HOME", "EXOCLAW_LOG", "EXOCLAW_TOKEN"];

/// Name of the file's layer.
pub(super) const FILE: &str = "file";
/// Name of the lowest layer.
pub(super) const DEFAULT: &str = "default";

/// Values from one place.
struct Layer {
    name: String,
    values: Dict,
}

impl Layer {
    fn new(name: &str, values: Dict) -> Self {
        Self { name: name.to_owned(), values }
    }

    fn one(name: &str, [table, key]: [&str; 2], value: Value) -> Self {
        let inner = Dict::from([(key.to_owned(), value)]);
        Self::new(name, Dict::from([(table.to_owned(), inner.into())]))
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// All layers, merged.
pub(super) fn stack(file: Option<&ConfigFile>, sources: &Sources<'_>) -> Result<Figment, ConfigError> {
    let defaults = ConfigFile::parse("built-in defaults".as_ref(), DEFAULTS.to_owned())?;
    let mut figment = Figment::from(Layer::new(DEFAULT, defaults.dict()));
    if let Some(file) = file {
        figment = figment.merge(Layer::new(FILE, file.dict()));
    }
    for (name, path) in ENV_VALUES {
        if let Some(text) = sources.env.get(name) {
            figment = figment.merge(Layer::one(name, *path, of_text(text)));
        }
    }
    if let Some(bind) = &sources.flags.bind {
        figment = figment.merge(Layer::one("--bind", ["gateway", "bind"], bind.as_str().into()));
    }
    if let Some(port) = sources.flags.port {
        figment = figment.merge(Layer::one("--port", ["gateway", "port"], port.into()));
    }
    if let Some(listen) = sources.flags.metrics {
        figment = figment.merge(Layer::one("--metrics", ["metrics", "listen"], listen.to_string().into()));
    }
    if let Some([cert, key]) = &sources.flags.tls {
        for (flag, name, path) in [("--tls-cert", "cert", cert), ("--tls-key", "key", key)] {
            let file = Dict::from([(name.to_owned(), path.as_str().into())]);
            figment = figment.merge(Layer::one(flag, ["gateway", "tls"], file.into()));
        }
    }
    Ok(figment)
}

/// A variable's text: a number if it reads as one.
fn of_text(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

/// Variables that look like ours and mean nothing.
pub(super) fn unknown_variables(env: &Env) -> Vec<String> {
    let known = || ENV_VALUES.iter().map(|(name, _)| *name).chain(ENV_OTHERS.iter().copied());
    let unknown = env.names_with("EXOCLAW_").filter(|name| !name.ends_with("_API_KEY") && !known().any(|k| k == *name));
    unknown
        .filter_map(|name| {
            let meant = nearest::nearest(name, known())?;
            Some(format!("the variable {name} means nothing; did you mean {meant}?"))
        })
        .collect()
}
