//! What the store of one call holds: the guest's view of WASI, its ceiling, its meter, and what the host lent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use wasmtime::component::ResourceTable;
use wasmtime::{Error, ResourceLimiter, Result};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    Host, Tape,
    http::{CheckedSecret, Egress},
    limits::{self, Limits},
    output::Lines,
    turns::Turn,
};

/// What the store of one call holds.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) ceiling: Ceiling,
    pub(crate) meter: Meter,
    pub(crate) lines: Arc<Lines>,
    pub(crate) http: WasiHttpCtx,
    pub(crate) egress: Egress,
    pub(crate) host: Host,
    pub(crate) tape: Tape,
    /// The permit has a quota.
    pub(crate) may_store: bool,
    /// Progress reports that are left.
    pub(crate) reports: u32,
    /// Granted ones to check with.
    pub(crate) secrets: Arc<[CheckedSecret]>,
    /// Headers to look for them in.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Questions about them that are left.
    pub(crate) checks: u32,
    pub(crate) deadline: Instant,
    /// Ticks of the epoch that it has computed through.
    pub(crate) ticks: u32,
    /// There once the call has begun.
    pub(crate) turn: Option<Arc<Turn>>,
}

/// Counts calls into the host and the bytes that they carried. Bytes of files are not seen here.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) host_calls: u64,
    pub(crate) host_call_limit: u64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
}

/// Why the host stopped a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the deadline has passed")]
    Deadline,
    #[error("too many host calls")]
    HostCalls,
}

impl State {
    /// Counts one call of the guest into the host.
    pub(crate) fn count(&mut self) -> Result<()> {
        self.meter.host_calls += 1;
        self.check_host_calls()
    }

    pub(crate) fn check_host_calls(&self) -> Result<()> {
        let Meter { host_calls, host_call_limit, .. } = self.meter;
        if host_calls > host_call_limit { Err(Error::new(Stop::HostCalls)) } else { Ok(()) }
    }

    /// Asked at each tick of the epoch. Calls into WASI are counted as they are made, and stopped here.
    pub(crate) fn may_go_on(&self) -> Result<()> {
        self.check_host_calls()?;
        if self.left().is_zero() { Err(Error::new(Stop::Deadline)) } else { Ok(()) }
    }

    /// Time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl WasiView for State {
    /// Every WASI function begins here, so this is where they are counted.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.host_calls += 1;
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    /// As with WASI, every function of `wasi:http` begins here.
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.meter.host_calls += 1;
        WasiHttpCtxView { hooks: &mut self.egress, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Bounds what the instances of one call hold together.
#[derive(Debug)]
pub(crate) struct Ceiling {
    memory_limit: usize,
    memory: usize,
    /// The guest asked for more than the limit.
    pub(crate) refused: bool,
    table_elements: usize,
}

impl Ceiling {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { memory_limit: bytes(limits), memory: 0, refused: false, table_elements: 0 }
    }

    /// Whether what is held already is within these limits.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        self.memory <= bytes(limits)
    }

    /// Other limits from now on; what is held counts.
    pub(crate) fn limit(&mut self, limits: &Limits) {
        self.memory_limit = bytes(limits);
    }

    /// Memory is never given back before the end, so what is held is the peak.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    pub(crate) fn memory_left(&self) -> usize {
        self.memory_limit.saturating_sub(self.memory)
    }
}

fn bytes(limits: &Limits) -> usize {
    usize::try_from(limits.memory.0).unwrap_or(usize::MAX)
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let grown = self.memory.saturating_add(desired.saturating_sub(current));
        if grown > self.memory_limit {
            self.refused = true;
            return Ok(false);
        }
        self.memory = grown;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let grown = self.table_elements.saturating_add(desired.saturating_sub(current));
        if grown > limits::TABLE_ELEMENTS {
            return Ok(false);
        }
        self.table_elements = grown;
        Ok(true)
    }

    fn instances(&self) -> usize {
        limits::INSTANCES
    }

    fn tables(&self) -> usize {
        limits::TABLES
    }

    fn memories(&self) -> usize {
        limits::MEMORIES
    }
}
