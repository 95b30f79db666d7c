//! The config: built-in defaults, then the file, then the environment, then flags; each value knows where it came from.

mod check;
mod edit;
mod error;
mod file;
mod layers;
mod origins;
mod prices;
mod shown;
#[cfg(test)]
mod tests;
mod types;

use std::path::{Path, PathBuf};

pub use error::ConfigError;
pub use origins::Entry;
pub use prices::{Currency, ModelPattern};
pub use types::{
    AgentConfig, ApprovalsConfig, BudgetsConfig, ChannelConfig, Config, GatewayConfig, PluginConfig, ProviderConfig,
    ProviderKind, SandboxConfig,
};

pub(crate) use check::router;
pub(crate) use edit::{Edit, EditError, NewPlugin};
pub(crate) use file::ConfigFile;

use crate::{Env, Home};

/// What can stand in a config, as a JSON schema.
pub(crate) const SCHEMA: &str = include_str!("../../../specs/config.schema.json");

/// The built-in defaults, which are the documented ones.
const DEFAULTS: &str = include_str!("../../../specs/config.toml");

/// Values from the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--bind`.
    pub bind: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--metrics`.
    pub metrics: Option<std::net::SocketAddr>,
    /// `--tls-cert` and `--tls-key`.
    pub tls: Option<[String; 2]>,
}

/// Everything that a config is made from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// `--config`.
    pub file: Option<&'a Path>,
    /// Where the file lies if nothing names another.
    pub home: &'a Home,
    /// The environment.
    pub env: &'a Env,
    /// Values from the command line.
    pub flags: Flags,
    /// A file that is named need not be there yet.
    pub may_be_absent: bool,
}

/// A config that was read and checked.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file that was read, or would be.
    pub path: PathBuf,
    /// The file is there.
    pub exists: bool,
    /// Each value with where it came from, in the order of the file.
    pub entries: Vec<Entry>,
    /// All values without what might be secret, for clients of the daemon.
    pub shown: serde_json::Value,
    /// What works, but should be changed.
    pub notices: Vec<String>,
}

impl Loaded {
    /// The directory against which paths in the config count.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

/// Reads and checks the config. A file that nothing names need not be there.
///
/// # Errors
/// Names file and line, or variable or flag, of the first thing that is wrong.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let (path, named) = find(sources);
    let file = match ConfigFile::read(&path) {
        Err(ConfigError::Read { source, .. })
            if (!named || sources.may_be_absent) && source.kind() == std::io::ErrorKind::NotFound =>
        {
            None
        }
        read => Some(read?),
    };
    let figment = layers::stack(file.as_ref(), sources)?;
    let mut config: Config = figment.extract().map_err(|error| ConfigError::of_figment(&error, file.as_ref()))?;
    let mut notices = layers::unknown_variables(sources.env);
    check::check(&mut config, file.as_ref(), &mut notices)?;
    let entries = origins::entries(&figment, file.as_ref());
    let shown = shown::shown(&figment);
    Ok(Loaded { config, exists: file.is_some(), path, entries, shown, notices })
}

/// The file's path, and whether someone named it.
fn find(sources: &Sources<'_>) -> (PathBuf, bool) {
    let variable = sources.env.get("EXOCLAW_CONFIG").map(Path::new);
    match sources.file.or(variable) {
        Some(path) => (path.to_owned(), true),
        None => (sources.home.config(), false),
    }
}
