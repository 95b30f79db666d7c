//! The handle that every door holds.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use exoclaw_agent::TurnLimits;
use exoclaw_protocol::{
    AgentId, AgentStatus, ChannelListResult, ErrorCode, PingResult, PluginListResult, RpcError, SessionKey, SessionRef,
    StatusResult,
};
use exoclaw_router::Router;
use exoclaw_store::{Store, audit::Audit};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    approvals::Approvals,
    channels::{self, Channels},
    clock::Clock,
    config::{self, Agent, Parts, RuntimeConfig, StartError},
    cron::{Cron, Jobs, Scheduler},
    history::Recent,
    journal::{read_only, read_refusal},
    keys,
    load::Load,
    metrics::Metrics,
    plugins::{PluginSlot, Plugins, Replaced},
    recordings::Recordings,
    recovery,
    session::shutting_down,
    sessions::Sessions,
    spending::Ledger,
    tasks::Tasks,
};

mod abort;
mod approve;
mod chat;
mod cron;
mod invoke;
mod send;
mod sessions;
mod stop_word;
mod usage;
mod wait;
mod work;

pub use invoke::Invoked;

/// Of a deadline for shutting down, at most so much is kept back from the runs: to record those that did not end, and to
/// close sockets and store.
const SHUTDOWN_RESERVE: Duration = Duration::from_secs(2);

/// Sessions, runs and events. Clones are handles of one runtime; it lives until [`shutdown`](Self::shutdown).
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tasks: Tasks,
    pub(crate) load: Load,
    /// One permit per run that may be under way.
    pub(crate) runs: Arc<Semaphore>,
    concurrent_runs: u32,
    /// No message is accepted and no run started any more.
    pub(crate) closing: CancellationToken,
    /// Runs under way are to end now.
    pub(crate) interrupt: CancellationToken,
    pub(crate) recent: Recent,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) approvals: Approvals,
    pub(crate) cron: Cron,
    pub(crate) approval_lifetime: Duration,
    pub(crate) turn_limits: TurnLimits,
    pub(crate) run_timeout: Option<Duration>,
    /// In lower case.
    pub(crate) stop_words: HashSet<String>,
    pub(crate) recordings: Option<Recordings>,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) router: Router,
    agents: HashMap<AgentId, Arc<Agent>>,
    /// In the order of the config.
    agent_status: Vec<AgentStatus>,
    pub(crate) plugins: Plugins,
    pub(crate) channels: Channels,
    demo: bool,
    pub(crate) version: String,
    warnings: Vec<String>,
    pub(crate) started_ms: u64,
}

impl Runtime {
    /// Starts a runtime: runs that an earlier process left open are taken up or ended first.
    ///
    /// # Errors
    /// When agents, router and plugins do not fit together, or the store can't be read.
    pub async fn start(config: RuntimeConfig, parts: Parts) -> Result<Self, StartError> {
        let Parts { router, store, plugins, clock } = parts;
        let status = |agent: &config::AgentConfig| AgentStatus {
            id: agent.id.clone(),
            provider: agent.provider_name.clone(),
            model: agent.model.clone(),
            default: agent.id == *router.default_agent(),
        };
        let agent_status = config.agents.iter().map(status).collect();
        config::check_prices(&config.agents, &config.budgets)?;
        let agents = config::agents(config.agents, &router, &plugins, &config.approvals.ask)?;
        let channels = Channels::new(config.channels, &plugins)?;
        let concurrent_runs =
            u32::try_from(config.concurrent_runs.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let ledger = Ledger::load(config.budgets, &*store, clock.now_ms()).await.map_err(StartError::Store)?;
        let jobs = Jobs::load(&*store).await.map_err(StartError::Store)?;
        let (cron, commands) = Cron::new();
        let inner = Arc::new(Inner {
            ledger: Arc::new(ledger),
            approvals: Approvals::default(),
            cron,
            approval_lifetime: config.approvals.lifetime,
            sessions: Arc::new(Sessions::new(clock.clone(), config.delta_interval)),
            run_timeout: config.run_timeout,
            stop_words: config.stop_words.iter().map(|word| word.trim().to_lowercase()).collect(),
            tasks: Tasks::default(),
            load: Load::new(config.messages_in_flight),
            runs: Arc::new(Semaphore::new(concurrent_runs as usize)),
            concurrent_runs,
            closing: CancellationToken::new(),
            interrupt: CancellationToken::new(),
            recent: Recent::new(store.clone(), config.context),
            turn_limits: config.turn_limits,
            recordings: config.recordings,
            audit: config.audit,
            metrics: Arc::default(),
            agents,
            agent_status,
            plugins,
            channels,
            demo: config.demo,
            version: config.version,
            warnings: config.warnings,
            started_ms: clock.now_ms(),
            router,
            store,
            clock,
        });
        recovery::recover(&inner).await.map_err(StartError::Store)?;
        let forget = keys::forget(inner.store.clone(), inner.clock.clone(), inner.tasks.clone());
        // Nobody can have stopped the tasks yet.
        let _ = inner.tasks.spawn("forget keys", forget);
        let runtime = Self { inner };
        let scheduler = Scheduler::new(runtime.clone(), jobs, commands);
        let _ = runtime.inner.tasks.spawn("cron", scheduler.run());
        let inner = &runtime.inner;
        for channel in inner.channels.all() {
            let _ = inner.tasks.spawn("deliver", channels::deliver(inner.clone(), channel.clone()));
        }
        Ok(runtime)
    }

    /// The owner of tasks, for doors that have some of their own. Its token is cancelled once the runs have ended.
    pub fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    /// The clock that all times of this runtime come from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Where doors record what they see, too.
    pub fn audit(&self) -> &Audit {
        &self.inner.audit
    }

    /// Whether messages are taken at present.
    ///
    /// # Errors
    /// `shutting_down` or `store_read_only`, with the reason.
    pub fn ready(&self) -> Result<(), RpcError> {
        if self.inner.closing.is_cancelled() {
            return Err(shutting_down());
        }
        self.inner.store.read_only().map_or(Ok(()), |reason| Err(read_only(&reason)))
    }

    /// It was told to stop: nothing new is begun.
    pub fn is_stopping(&self) -> bool {
        self.inner.closing.is_cancelled()
    }

    /// Answers `ping`.
    pub fn ping(&self) -> PingResult {
        PingResult { now_ms: self.inner.clock.now_ms() }
    }

    /// Answers `status`.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn status(&self) -> Result<StatusResult, RpcError> {
        let inner = &self.inner;
        let (plugins_ready, plugins_failed) = inner.plugins.counts();
        Ok(StatusResult {
            version: inner.version.clone(),
            uptime_ms: inner.clock.now_ms().saturating_sub(inner.started_ms),
            demo: inner.demo,
            agents: inner.agent_status.clone(),
            sessions: inner.store.session_count().await.map_err(|error| read_refusal(&error))?,
            active_runs: inner.load.taken() as u64,
            plugins_ready,
            plugins_failed,
            store_read_only: inner.store.read_only(),
            warnings: inner.warnings.clone(),
        })
    }

    /// The agents, in the order of the config.
    pub fn agents(&self) -> &[AgentStatus] {
        &self.inner.agent_status
    }

    /// The daemon's version.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// Answers `plugin.list`.
    pub fn plugins(&self) -> PluginListResult {
        PluginListResult { plugins: self.inner.plugins.list() }
    }

    /// Answers `channel.list`.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn channels(&self) -> Result<ChannelListResult, RpcError> {
        let mut channels = Vec::new();
        for channel in self.inner.channels.all() {
            let backlog = self.inner.store.delivery_count(channel.config.name.as_str()).await;
            channels.push(channel.info(&self.inner.plugins, backlog.map_err(|error| read_refusal(&error))?));
        }
        Ok(ChannelListResult { channels })
    }

    /// Puts the new file of a plugin, or why it can't be called, in the old one's place: the next call goes to it, those
    /// under way end on the old one. A file that can't be called leaves the old one where it is.
    pub fn replace_plugin(&self, slot: PluginSlot) -> Replaced {
        let replaced = self.inner.plugins.replace(slot);
        if matches!(replaced, Replaced::Taken { .. }) {
            for agent in self.inner.agents.values() {
                agent.tools.refresh(&self.inner.plugins);
            }
        }
        replaced
    }

    /// Ends within `deadline`: takes no more messages, lets runs finish, ends those that do not as `interrupted`, stops
    /// all tasks and closes the store. Messages that still wait for their run keep waiting, in the journal.
    ///
    /// Says whether everything stopped by itself. A second call waits for nothing that the first has done.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        let inner = &self.inner;
        let end = tokio::time::Instant::now() + deadline;
        let reserve = SHUTDOWN_RESERVE.min(deadline / 3);
        inner.closing.cancel();
        let all_ended = || inner.runs.acquire_many(inner.concurrent_runs);
        if tokio::time::timeout_at(end - reserve, all_ended()).await.is_err() {
            inner.interrupt.cancel();
            let late = tokio::time::timeout_at(end - reserve / 2, all_ended()).await.is_err();
            tracing::warn!(late, "runs were interrupted by the shutdown");
        }
        let in_time = inner.tasks.stop(end.saturating_duration_since(tokio::time::Instant::now())).await;
        inner.store.close().await;
        in_time
    }
}

impl Inner {
    pub(crate) fn agent(&self, id: &str) -> Option<Arc<Agent>> {
        self.agents.get(&AgentId::from_str(id).ok()?).cloned()
    }

    pub(crate) fn resolve(&self, session: &SessionRef) -> Result<SessionKey, RpcError> {
        self.router.resolve(session).map_err(|error| {
            let code = match error {
                exoclaw_router::ResolveError::UnknownAgent { .. } => ErrorCode::UnknownAgent,
                _ => ErrorCode::InvalidParams,
            };
            RpcError::new(code, error.to_string())
        })
    }
}
