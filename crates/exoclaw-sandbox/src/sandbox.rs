//! The engine: one for all plugins.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::sync::Semaphore;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures, component::Linker,
};

use crate::{
    HttpConfig, Trust, cache::Cache, compile::Compiler, http::Client, imports, limits, state::State, stock::Maker,
    ticker::Ticker,
};

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where compiled components are kept, if anywhere. Created with mode 0700; one that others can write is not used.
    pub cache: Option<PathBuf>,
    /// Calls of all plugins that run at the same time. Each holds address space; memory only while it runs.
    pub concurrency: u32,
    /// Calls that may wait for their turn; one more is refused at once.
    pub queue: usize,
    /// Instances that are made ahead for plugins that are called often, of all plugins; 0 for none. They are beside
    /// `concurrency`.
    pub ahead: u32,
    /// Calls that go on at the same time after they have computed for more than 10 to 20 ms; more of them take turns. At least one;
    /// fewer than the threads that calls run on, so that one is left for everybody else.
    pub computing: u32,
    /// How plugins reach the network, as far as they are granted it.
    pub http: HttpConfig,
    /// Whose plugins are loaded.
    pub trust: Trust,
    /// How long compiling one component may take.
    pub compile_time: Duration,
}

/// Components made from Python, the largest there are, take 40 seconds on a busy machine.
const COMPILE_TIME: Duration = Duration::from_secs(120);

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache: None,
            concurrency: 64,
            queue: 1024,
            ahead: 32,
            computing: threads().saturating_sub(1).max(1),
            http: HttpConfig::default(),
            trust: Trust::default(),
            compile_time: COMPILE_TIME,
        }
    }
}

/// Threads that a runtime has unless it is told otherwise.
fn threads() -> u32 {
    std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX))
}

/// An engine that can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The engine or its pool of instances.
    #[error(
        "set up the WebAssembly engine for {concurrency} calls at a time; a limit on address space (ulimit -v) may be too low"
    )]
    Engine {
        /// Calls that were to run at the same time.
        concurrency: u32,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The trusted certificates.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
    /// The threads that end calls which run too long, and make instances ahead.
    #[error("start the threads of the sandbox")]
    Thread(#[source] io::Error),
}

/// Compiles plugins and runs their calls. A cheap handle; the last one, plugins included, stops the engine's threads.
#[derive(Clone)]
pub struct Sandbox(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
    pub(crate) maker: Maker,
    pub(crate) cache: Option<Cache>,
    pub(crate) compiler: Compiler,
    pub(crate) trust: Trust,
    /// One permit for each instance that the pool has room for.
    pub(crate) slots: Semaphore,
    /// Calls that wait for a slot, of their plugin or of the pool. Bounded by `queue`; when full, a call is refused.
    pub(crate) waiting: AtomicUsize,
    pub(crate) queue: usize,
    pub(crate) http: Arc<Client>,
    /// One permit for each call that may compute for long; those that have none wait in the order in which they came. Bounded by
    /// `slots`.
    pub(crate) turns: Arc<Semaphore>,
}

impl Sandbox {
    /// Sets up the engine and its thread.
    ///
    /// # Errors
    /// No address space for the pool, no thread, or a certificate that is none.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let SandboxConfig { cache, concurrency, queue, ahead, computing, http, trust, compile_time } = config;
        let failed = |error: wasmtime::Error| SandboxError::Engine { concurrency, source: error.into() };
        let engine = Engine::new(&engine_config(concurrency.saturating_add(Maker::held(ahead)))).map_err(failed)?;
        let linker = imports::linker(&engine).map_err(failed)?;
        let ticker = Ticker::start(engine.clone()).map_err(SandboxError::Thread)?;
        let maker = Maker::start(ahead).map_err(SandboxError::Thread)?;
        let cache = cache.map(|dir| Cache::new(dir, &engine));
        let slots = Semaphore::new(concurrency as usize);
        let http = Arc::new(Client::new(http).map_err(SandboxError::Tls)?);
        let waiting = AtomicUsize::new(0);
        let compiler = Compiler::new(compile_time);
        let turns = Arc::new(Semaphore::new(computing.max(1) as usize));
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            ticker,
            maker,
            cache,
            compiler,
            trust,
            slots,
            waiting,
            queue,
            http,
            turns,
        })))
    }
}

impl Sandbox {
    /// Whether the engine holds no instance, memory, table or stack, neither of any call nor made ahead of one.
    pub fn is_idle(&self) -> bool {
        self.0.engine.pooling_allocator_metrics().is_some_and(|held| {
            held.core_instances() == 0
                && held.component_instances() == 0
                && held.memories() == 0
                && held.tables() == 0
                && held.stacks() == 0
        })
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("free", &self.0.slots.available_permits()).finish_non_exhaustive()
    }
}

/// Memory of a finished call that stays resident for the next one. Bounds what bursts leave behind: times the number of
/// calls that ever ran at once.
const KEEP_MEMORY: usize = 128 * 1024;
const KEEP_TABLES: usize = 16 * 1024;
const KEEP_STACK: usize = 32 * 1024;

/// Pool slots that stay warm for plugins which are not running: an idle daemon stays small.
const WARM_SLOTS: u32 = 16;

fn engine_config(concurrency: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(concurrency)
        .total_stacks(concurrency)
        .total_memories(concurrency * 2)
        .total_tables(concurrency * 8)
        .total_core_instances(concurrency * limits::INSTANCES as u32)
        .max_core_instances_per_component(limits::INSTANCES as u32)
        .max_memories_per_component(limits::MEMORIES as u32)
        .max_tables_per_component(limits::TABLES as u32)
        .max_tables_per_module(8)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .max_memory_size(limits::CEILING.memory.0 as usize)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLES)
        .async_stack_keep_resident(KEEP_STACK)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits::STACK_BYTES)
        .async_stack_size(2 * limits::STACK_BYTES)
        .native_unwind_info(false);
    // What compilers use today, and no more.
    for off in [WasmFeatures::THREADS, WasmFeatures::MEMORY64, WasmFeatures::RELAXED_SIMD, WasmFeatures::TAIL_CALL] {
        config.wasm_features(off, false);
    }
    config
}
