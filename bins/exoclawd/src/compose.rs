//! Puts the crates together: config in, a listening gateway over a running runtime out.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use exoclaw_gateway::{BindError, Gateway, GatewayConfig, LogTail, ShownConfig, TlsConfig};
use exoclaw_protocol::{Secret, TokenName};
use exoclaw_runtime::{AgentConfig, ApprovalConfig, ChannelConfig, Parts, Price, Runtime, RuntimeConfig, SystemClock};
use exoclaw_sandbox::Trust;
use exoclaw_store::{
    DeviceError, Devices, OWNER, OpenError, SqliteConfig, SqliteStore, Store, TokenError, Tokens,
    audit::{Audit, Decision, Entry, What},
};

use crate::{
    Env, Home,
    assets::Page,
    audit,
    config::SCHEMA,
    config::{Config, Loaded, ProviderKind, router},
    demo,
    error::{CliError, Exit, chain},
    plugins, providers,
};

/// A daemon that listens.
pub(crate) struct Daemon {
    pub(crate) runtime: Runtime,
    pub(crate) gateway: Gateway,
    pub(crate) own_socket: Option<PathBuf>,
    pub(crate) audit: Audit,
    /// Time for runs to end when the daemon is told to stop.
    pub(crate) drain: Duration,
}

/// Shouted in the log, on the terminal and in `status`.
pub(crate) const NO_AUTH: &str = "nobody is asked for a credential: every program on this machine may do everything. \
    Start without --auth none to change that";

/// What a daemon is made from, besides its config.
pub(crate) struct Start<'a> {
    pub(crate) home: &'a Home,
    pub(crate) env: &'a Env,
    /// The owner's; `None` asks nobody for anything.
    pub(crate) token: Option<Secret>,
    pub(crate) demo: bool,
    /// Where the log's last lines are.
    pub(crate) log: Arc<LogTail>,
}

/// Longest path of a Unix socket that every system takes, in bytes.
const SOCKET_PATH_BYTES: usize = 103;

impl Start<'_> {
    /// Opens everything, in the order in which it is needed.
    pub(crate) async fn run(self, loaded: Loaded) -> Result<Daemon, CliError> {
        let sources = if self.demo { plugins::of_demo(self.home)? } else { plugins::of_config(&loaded, self.home) };
        let audit = audit::open(self.home, self.demo)?;
        self.record(&loaded, &audit).await?;
        let directory = loaded.directory().to_owned();
        let shown = ShownConfig {
            path: loaded.path.display().to_string(),
            exists: loaded.exists,
            values: loaded.shown.clone(),
            schema: SCHEMA,
        };
        let config = if self.demo { demo(loaded.config)? } else { loaded.config };
        let default = config.default_agent().ok_or_else(no_agents)?;
        let router = router(&config, &default.id).map_err(|error| CliError::of(Exit::Config, error))?;
        let agents = agents(&config, self.env, self.home)?;
        let store = open_store(if self.demo { self.home.demo().join("store.db") } else { self.home.store() });
        // The demo's are part of this program.
        let trust = if self.demo { Trust::default() } else { plugins::trust(&config) };
        let plugins = plugins::load(sources, trust, self.home, self.env, &audit);
        let (store, plugins) = tokio::join!(store, plugins);
        let (store, (plugins, follower)) = (store?, plugins?);

        let Access { own_socket, tokens, devices } = match self.access() {
            Ok(access) => access,
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };
        let mut warnings = if self.token.is_none() { vec![NO_AUTH.to_owned()] } else { Vec::new() };
        warnings.extend(unknown_credentials(&config, &tokens));
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let runtime_config = RuntimeConfig {
            demo: self.demo,
            warnings,
            budgets: config.budgets.budgets(),
            audit: audit.clone(),
            approvals: ApprovalConfig {
                ask: config.approvals.ask.clone(),
                lifetime: Duration::from_secs(config.approvals.expire_seconds.into()),
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            recordings: Some(plugins::recordings(self.home)),
            delta_interval: Duration::from_millis(config.chat.delta_ms.into()),
            run_timeout: run_timeout(&config),
            stop_words: config.chat.stop_words.clone(),
            channels: channels(&config),
            ..RuntimeConfig::new(agents)
        };
        let parts = Parts { router, store: Arc::new(store.clone()), plugins, clock: Arc::new(SystemClock) };
        let runtime = match Runtime::start(runtime_config, parts).await {
            Ok(runtime) => runtime,
            Err(error) => {
                store.close().await;
                return Err(CliError::of(Exit::Config, error));
            }
        };
        if let Some(follower) = follower {
            // Nobody can have stopped the tasks yet.
            let _ = runtime.tasks().spawn("follow plugins", follower.run(runtime.clone()));
        }
        let file = |path: &String| self.home.expand(path, &directory);
        let tls = config.gateway.tls.as_ref().map(|tls| TlsConfig {
            cert: file(&tls.cert),
            key: file(&tls.key),
            client_ca: tls.client_ca.as_ref().map(file),
        });
        let (address, drain) = (SocketAddr::new(config.gateway.bind, config.gateway.port), config.gateway.drain());
        let gateway = GatewayConfig {
            token: self.token,
            tokens,
            devices,
            own_socket: own_socket.clone(),
            tls,
            metrics: config.metrics.listen,
            hosts: config.gateway.hosts,
            origins: config.gateway.origins,
            proxies: config.gateway.proxies,
            rates: config.limits.rates(),
            shown,
            log: self.log,
            ..GatewayConfig::new(address)
        };
        match Gateway::bind(gateway, runtime.clone(), Arc::new(Page)).await {
            Ok(gateway) => Ok(Daemon { runtime, gateway, own_socket, audit, drain }),
            Err(error) => {
                runtime.shutdown(drain).await;
                Err(bind_error(&error))
            }
        }
    }
}

impl Start<'_> {
    /// Records what starts, and with which config.
    async fn record(&self, loaded: &Loaded, audit: &Audit) -> Result<(), CliError> {
        let start = Entry::new(What::Daemon, "start", Decision::Allowed).who("owner").object(env!("CARGO_PKG_VERSION"));
        let start = if self.token.is_none() { start.reason(NO_AUTH) } else { start };
        audit.guard(start).await.map_err(audit::unrecorded)?;
        if loaded.exists {
            // What changed is seen by another digest.
            let text = std::fs::read(&loaded.path).map_err(|error| CliError::of(Exit::Io, error))?;
            let entry = Entry::new(What::Config, "read", Decision::Allowed).who("owner").digest_of(&text);
            audit.guard(entry.object(loaded.path.display())).await.map_err(audit::unrecorded)?;
        }
        Ok(())
    }

    /// The Unix socket, the tokens that were handed out, and the devices that are let in. The demo has its own.
    fn access(&self) -> Result<Access, CliError> {
        let (socket, credentials) = if self.demo {
            (self.home.demo().join("gateway.sock"), self.home.demo().join("credentials"))
        } else {
            (self.home.own_socket(), self.home.credentials())
        };
        // From there, a command finds it; wherever it is called.
        let socket = std::path::absolute(&socket).unwrap_or(socket);
        let fits = socket.as_os_str().len() <= SOCKET_PATH_BYTES;
        if !fits {
            tracing::warn!(path = %socket.display(), "the path is too long for a Unix socket: commands use the token");
        }
        let tokens = Tokens::open(&credentials).map_err(token_error)?;
        let devices = Devices::open(credentials).map_err(device_error)?;
        Ok(Access { own_socket: fits.then_some(socket), tokens: Arc::new(tokens), devices: Arc::new(devices) })
    }
}

/// Who may come in, beside whoever holds the owner's token.
struct Access {
    own_socket: Option<PathBuf>,
    tokens: Arc<Tokens>,
    devices: Arc<Devices>,
}

/// A failure of tokens as a command's.
pub(crate) fn token_error(error: TokenError) -> CliError {
    let exit = match error {
        TokenError::File(error) => return crate::keys::permission(error),
        TokenError::InUse { .. } => Exit::Unavailable,
        TokenError::Broken { .. } => Exit::Config,
        TokenError::Exists { .. } | TokenError::Unknown { .. } | TokenError::Reserved => Exit::Data,
        _ => Exit::Failed,
    };
    CliError::of(exit, error)
}

/// A failure of devices as a command's.
fn device_error(error: DeviceError) -> CliError {
    let exit = match error {
        DeviceError::File(error) => return crate::keys::permission(error),
        DeviceError::InUse { .. } => Exit::Unavailable,
        DeviceError::Broken { .. } => Exit::Config,
        _ => Exit::Failed,
    };
    CliError::of(exit, error)
}

fn demo(config: Config) -> Result<Config, CliError> {
    demo::config(config).map_err(|error| CliError::of(Exit::Failed, error))
}

fn no_agents() -> CliError {
    CliError::new(Exit::Config, "the config has no agents")
        .hint("`exoclawd onboard` sets up the first one")
        .hint("`exoclawd gateway --demo` works without")
}

fn agents(config: &Config, env: &Env, home: &Home) -> Result<Vec<AgentConfig>, CliError> {
    let providers = providers::make(config, env, home)?;
    let agent = |agent: &crate::config::AgentConfig| {
        let provider = Arc::clone(providers.get(&agent.provider)?);
        Some(AgentConfig {
            system_prompt: agent.system_prompt.clone(),
            max_tokens: agent.max_tokens,
            tools: agent.tools.clone(),
            thinking: agent.thinking,
            price: price(config, agent, &agent.model),
            models: agent.models.iter().map(|model| (model.clone(), price(config, agent, model))).collect(),
            ..AgentConfig::new(agent.id.clone(), &agent.provider, provider, &agent.model)
        })
    };
    Ok(config.agents.iter().filter_map(agent).collect())
}

/// The built-in model costs nothing.
fn price(config: &Config, agent: &crate::config::AgentConfig, model: &str) -> Option<Price> {
    let kind = config.providers.get(&agent.provider).map(|provider| provider.kind);
    let free = (kind == Some(ProviderKind::Demo)).then(Price::default);
    config.price(model).copied().or(free)
}

fn channels(config: &Config) -> Vec<ChannelConfig> {
    let channel = |channel: &crate::config::ChannelConfig| {
        let crate::config::ChannelConfig { name, plugin, account } = channel.clone();
        ChannelConfig { name, plugin, account }
    };
    config.channels.iter().map(channel).collect()
}

fn run_timeout(config: &Config) -> Option<Duration> {
    let seconds = config.chat.run_timeout_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// A budget for a credential that is not there bounds nobody; there may be one later.
fn unknown_credentials(config: &Config, tokens: &Tokens) -> Vec<String> {
    let listed = tokens.list().tokens;
    let is_known = |name: &TokenName| name.as_str() == OWNER || listed.iter().any(|token| token.name == *name);
    let unknown = config.budgets.credentials.keys().filter(|name| !is_known(name));
    unknown
        .map(|name| format!("the budget of credential {name} counts for nobody: there is no token of that name"))
        .collect()
}

async fn open_store(path: PathBuf) -> Result<SqliteStore, CliError> {
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&SqliteConfig::new(path))).await;
    let opened = opened.map_err(|error| CliError::new(Exit::Failed, "open the store").because(error))?;
    opened.map_err(|error| {
        let exit = if matches!(error, OpenError::InUse { .. }) { Exit::Unavailable } else { Exit::Io };
        CliError::of(exit, error)
    })
}

fn bind_error(error: &BindError) -> CliError {
    match error {
        BindError::Listen { addr, source } => {
            let failed = CliError::new(Exit::Unavailable, format!("listen on {addr}: {source}"));
            if source.kind() == std::io::ErrorKind::AddrInUse {
                return failed.hint(
                    "another program, perhaps another exoclawd, has the port: stop it, or choose another with --port",
                );
            }
            failed.hint("choose another address with --bind and --port")
        }
        error => CliError::new(Exit::Config, chain(error)),
    }
}
