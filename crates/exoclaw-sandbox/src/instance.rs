//! One instance for one call. This is the only place that makes a wasm store; nothing of it outlives the call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use exoclaw_plugin_format::{Access, ByteSize};
use exoclaw_protocol::{CallId, Metering};
use futures::FutureExt;
use tokio::time::timeout;
use wasmtime::{Store, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::{
    CallError, Host, Limits, Permit, Tape,
    entry::{Call, Entry, Instance},
    http::{Egress, HttpPermit, Traffic},
    limits,
    output::{Lines, Stdio},
    plugin,
    state::{Ceiling, Meter, State},
    turns::{SHORT, Turn},
};

/// Runs one call from start to end and meters it, whatever comes of it.
pub(crate) async fn run<E: Entry>(
    entry: &E,
    plugin: &Arc<plugin::Inner>,
    permit: &Permit,
    call: Call<E::Input>,
    host: Host,
    metering: &mut Metering,
) -> Result<E::End, CallError> {
    let Call { id, key, headers, bytes, input } = call;
    let time = permit.limits.time;
    let ready = E::ready(plugin).filter(|(store, _)| store.data().ceiling.fits(&permit.limits));
    let (mut store, instance) = match ready {
        Some((store, instance)) => (store, Some(instance)),
        None => (bare(plugin), None),
    };
    // What was recorded, and what directories hold, is closed with the store, and not after the call.
    let closes_with_call = !matches!(host.tape, Tape::Off) || !permit.dirs.is_empty();
    begin(&mut store, permit, &id, key, host)?;
    store.data_mut().headers = headers;
    let turn = Turn::of(&plugin.sandbox.turns);
    store.data_mut().turn = Some(Arc::clone(&turn));
    let answer = async {
        let instance = match instance {
            Some(instance) => instance,
            None => entry.instantiate(&mut store).await?,
        };
        entry.call(&instance, &mut store, &input).await
    };
    // The epoch ends a guest that computes; the timeout ends one that waits for the host.
    let ended = match timeout(time, turn.keep(answer)).await {
        // Calls into WASI are stopped at ticks: a guest may have ended before one.
        Ok(Ok(_)) if store.data().check_host_calls().is_err() => {
            Err(CallError::HostCalls { host_calls: permit.limits.host_calls })
        }
        Ok(Ok(answer)) => E::end(answer, &permit.limits),
        Ok(Err(error)) => Err(CallError::of_guest(error, store.data(), &permit.limits)),
        Err(_) => Err(CallError::TimedOut { time }),
    };
    let State { lines, egress, meter, ceiling, .. } = store.data();
    lines.close();
    let Meter { host_calls, bytes_out, bytes_in, .. } = *meter;
    let traffic = egress.traffic();
    let carried = |of: fn(&Traffic) -> &AtomicU64| traffic.map_or(0, |traffic| of(traffic).load(Relaxed));
    *metering = Metering {
        wall_us: 0,
        fuel: permit.limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0)),
        peak_memory: ceiling.memory() as u64,
        host_calls,
        bytes_out: bytes_out + carried(|traffic| &traffic.sent) + lines.sent() + ended.as_ref().map_or(0, E::size),
        bytes_in: bytes_in + carried(|traffic| &traffic.received) + bytes,
    };
    if !closes_with_call && traffic.is_none() {
        // Whatever its caller lent is given back with the answer.
        let state = store.data_mut();
        state.host = Host::default();
        state.secrets = Arc::default();
        state.headers = Vec::new();
        state.egress.begin(Arc::<HttpPermit>::default(), None, &state.host);
        plugin.sandbox.maker.dispose(store);
    }
    ended
}

/// An instance that no call has begun in. Its component runs no code of its own while it is made.
pub(crate) fn ahead(plugin: &plugin::Inner) -> Option<(Store<State>, Instance)> {
    let mut store = bare(plugin);
    store.data_mut().ceiling.limit(&limits::CEILING);
    // Nothing is waited for.
    let instance = plugin.tools.as_ref()?.instantiate(&mut store).now_or_never()?.ok()?;
    Some((store, instance))
}

/// A store that holds nothing of any call. No fuel, no time, no host calls: whoever forgets to give it some gets nowhere.
fn bare(plugin: &plugin::Inner) -> Store<State> {
    const NOTHING: Limits = Limits {
        time: Duration::ZERO,
        memory: ByteSize(0),
        fuel: 0,
        output: ByteSize(0),
        host_calls: 0,
        concurrency: 0,
        component: ByteSize(0),
    };
    let lines = Arc::new(Lines::new(plugin.manifest.name.clone()));
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits::RESOURCES);
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(limits::HTTP_FIELD_BYTES);
    let state = State {
        wasi: wasi(&lines).build(),
        table,
        ceiling: Ceiling::new(&NOTHING),
        meter: Meter::default(),
        http,
        egress: Egress::new(Arc::clone(&plugin.sandbox.http), Arc::clone(&lines)),
        lines,
        tape: Tape::Off,
        host: Host::default(),
        may_store: false,
        reports: 0,
        secrets: Arc::default(),
        checks: 0,
        headers: Vec::new(),
        deadline: Instant::now(),
        ticks: 0,
        turn: None,
    };
    let mut store = Store::new(&plugin.sandbox.engine, state);
    store.limiter(|state| &mut state.ceiling);
    store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
    store.set_max_component_handles(limits::RESOURCES);
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        state.may_go_on()?;
        state.ticks += 1;
        Ok(match &state.turn {
            Some(turn) if state.ticks > SHORT => UpdateDeadline::YieldCustom(1, Box::pin(Arc::clone(turn).take())),
            _ => UpdateDeadline::Yield(1),
        })
    });
    store
}

/// A call begins: gives the store all that the permit and the caller give it. Time, fuel and memory count from here on.
fn begin(
    store: &mut Store<State>,
    permit: &Permit,
    call: &CallId,
    key: Option<String>,
    host: Host,
) -> Result<(), CallError> {
    let limits = &permit.limits;
    let state = store.data_mut();
    state.lines.begin(call);
    if !permit.env.is_empty() || !permit.dirs.is_empty() {
        state.wasi = granted(permit, &state.lines)?;
    }
    state.egress.begin(Arc::clone(&permit.http), key, &host);
    state.ceiling.limit(limits);
    state.meter.host_call_limit = limits.host_calls;
    state.tape = host.tape.clone();
    state.host = host;
    state.may_store = permit.kv.is_some();
    state.reports = limits::PROGRESS_REPORTS;
    state.secrets = Arc::clone(&permit.checks);
    state.checks = limits::SECRET_CHECKS;
    state.deadline = Instant::now() + limits.time;
    store.set_epoch_deadline(1);
    store.set_fuel(limits.fuel).map_err(CallError::engine)
}

/// WASI that grants nothing.
fn wasi(lines: &Arc<Lines>) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(Stdio(Arc::clone(lines))).stderr(Stdio(Arc::clone(lines))).max_random_size(limits::RANDOM_BYTES);
    wasi
}

/// WASI with what the permit gives, and nothing else.
fn granted(permit: &Permit, lines: &Arc<Lines>) -> Result<WasiCtx, CallError> {
    let mut wasi = wasi(lines);
    wasi.envs(&permit.env);
    for dir in permit.dirs.iter() {
        let perms = match dir.access {
            Access::Read => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        let opened = wasi.preopened_dir(&dir.host, &dir.guest, perms);
        if let Err(error) = opened {
            return Err(CallError::Directory { host: dir.host.clone(), source: error.into() });
        }
    }
    Ok(wasi.build())
}
