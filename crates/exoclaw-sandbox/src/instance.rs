//! One instance for one call. This is the only place that makes a wasm store; nothing of it outlives the call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use exoclaw_plugin_format::Access;
use exoclaw_protocol::Metering;
use tokio::time::timeout;
use wasmtime::{Store, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::{
    CallError, Host, Permit, ToolRequest,
    bindings::exoclaw::plugin::types,
    entry::Entry,
    http::{Egress, Told, Traffic},
    limits,
    output::{Lines, Stdio},
    plugin,
    state::{Ceiling, Meter, State},
};

/// Runs one call from start to end and meters it, whatever comes of it.
pub(crate) async fn run<E: Entry>(
    entry: &E,
    plugin: &plugin::Inner,
    permit: &Permit,
    request: ToolRequest,
    arguments: String,
    host: Host,
    metering: &mut Metering,
) -> Result<E::End, CallError> {
    let argument_bytes = arguments.len() as u64;
    let time = permit.limits.time;
    let lines = Arc::new(Lines::new(permit.plugin.clone(), request.call_id.to_string()));
    let key = E::carries_key(plugin, &request.tool).then(|| request.idempotency_key.clone());
    let told = Told { lines: Arc::clone(&lines), denied: host.denied.clone() };
    let (client, granted) = (Arc::clone(&plugin.sandbox.http), Arc::clone(&permit.http));
    let egress = Egress::new(client, granted, told, key, host.tape.clone());
    let mut store = store(plugin, permit, host, Arc::clone(&lines), egress)?;
    let request = types::Request {
        tool: request.tool.to_string(),
        arguments,
        call_id: request.call_id.to_string(),
        idempotency_key: request.idempotency_key,
        agent: request.agent.to_string(),
        session: request.session,
        deadline_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    };
    // The epoch ends a guest that computes; the timeout ends one that waits for the host.
    let ended = match timeout(time, entry.enter(&mut store, &request)).await {
        // Calls into WASI are stopped at ticks: a guest may have ended before one.
        Ok(Ok(_)) if store.data().check_host_calls().is_err() => {
            Err(CallError::HostCalls { host_calls: permit.limits.host_calls })
        }
        Ok(Ok(answer)) => E::end(answer, &permit.limits),
        Ok(Err(error)) => Err(CallError::of_guest(error, store.data(), &permit.limits)),
        Err(_) => Err(CallError::TimedOut { time }),
    };
    lines.close();
    let Meter { host_calls, bytes_out, bytes_in, .. } = store.data().meter;
    let traffic = store.data().egress.traffic();
    let carried = |of: fn(&Traffic) -> &AtomicU64| traffic.map_or(0, |traffic| of(traffic).load(Relaxed));
    *metering = Metering {
        wall_us: 0,
        fuel: permit.limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0)),
        peak_memory: store.data().ceiling.memory() as u64,
        host_calls,
        bytes_out: bytes_out + carried(|traffic| &traffic.sent) + lines.sent() + ended.as_ref().map_or(0, E::size),
        bytes_in: bytes_in + carried(|traffic| &traffic.received) + argument_bytes,
    };
    ended
}

fn store(
    plugin: &plugin::Inner,
    permit: &Permit,
    host: Host,
    lines: Arc<Lines>,
    egress: Egress,
) -> Result<Store<State>, CallError> {
    let limits = &permit.limits;
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits::RESOURCES);
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(limits::HTTP_FIELD_BYTES);
    let state = State {
        wasi: wasi(permit, &lines)?,
        table,
        ceiling: Ceiling::new(limits),
        meter: Meter { host_call_limit: limits.host_calls, ..Meter::default() },
        lines,
        http,
        egress,
        tape: host.tape.clone(),
        host,
        may_store: permit.kv.is_some(),
        reports: limits::PROGRESS_REPORTS,
        deadline: Instant::now() + limits.time,
    };
    let mut store = Store::new(&plugin.sandbox.engine, state);
    store.limiter(|state| &mut state.ceiling);
    store.set_hostcall_fuel(limits::HOST_CALL_BYTES);
    store.set_max_component_handles(limits::RESOURCES);
    store.set_fuel(limits.fuel).map_err(CallError::engine)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        store.data().may_go_on()?;
        Ok(UpdateDeadline::Yield(1))
    });
    Ok(store)
}

/// WASI with what the permit gives, and nothing else.
fn wasi(permit: &Permit, lines: &Arc<Lines>) -> Result<WasiCtx, CallError> {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(Stdio(Arc::clone(lines))).stderr(Stdio(Arc::clone(lines))).max_random_size(limits::RANDOM_BYTES);
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
