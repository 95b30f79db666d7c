//! One call of `echo`, in each of the ways that others run plugins and in ours: on the same component, in the same run.
//!
//! Each way makes what it makes anew, calls once with JSON, and drops it. Criterion reports medians; the table before it has the
//! percentiles of single calls.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and may fail by panicking")]

#[path = "../tests/it/guest.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod guest;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use exoclaw_sandbox::{Host, Permit, Plugin, Sandbox, SandboxConfig};
use serde_json::json;
use tokio::runtime::Runtime;
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use guest::{ECHO, Guest, permit, request, text};

mod bindings {
    wasmtime::component::bindgen!({ path: "wit", world: "tool-plugin", exports: { default: async } });
}
use bindings::{ToolPluginPre, exoclaw::plugin::types::Request};

/// What embedders of wasmtime have: WASI and nothing of ours.
struct Embedded {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Embedded {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    Engine::new(&config).unwrap()
}

fn linker(engine: &Engine) -> Linker<Embedded> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    linker
}

fn prelinked(linker: &Linker<Embedded>, component: &Component) -> ToolPluginPre<Embedded> {
    ToolPluginPre::new(linker.instantiate_pre(component).unwrap()).unwrap()
}

async fn embedded(engine: &Engine, pre: &ToolPluginPre<Embedded>) {
    let state = Embedded { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
    let mut store = Store::new(engine, state);
    store.set_fuel(5_000_000_000).unwrap();
    store.set_epoch_deadline(1);
    let request = Request {
        tool: "run".into(),
        arguments: json!({ "text": "hello" }).to_string(),
        call_id: "call-1".into(),
        idempotency_key: "key-1".into(),
        agent: "main".into(),
        session: "digest".into(),
        deadline_ms: 10_000,
    };
    let instance = pre.instantiate_async(&mut store).await.unwrap();
    let output = instance.exoclaw_plugin_tool().call_call(&mut store, &request).await.unwrap().unwrap();
    assert_eq!(output.content.len(), 1);
}

/// The sandbox, with so many instances ahead.
struct Ours {
    _sandbox: Sandbox,
    plugin: Plugin,
    permit: Permit,
}

impl Ours {
    fn new(component: &[u8], ahead: u32) -> Self {
        let sandbox = Sandbox::new(SandboxConfig { ahead, ..SandboxConfig::default() }).unwrap();
        let plugin = sandbox.load_bytes(component, None).unwrap();
        let permit = permit(&plugin);
        Self { _sandbox: sandbox, plugin, permit }
    }

    async fn call(&self) {
        let called = self.plugin.call(&self.permit, request(json!({ "text": "hello" })), Host::default()).await;
        assert_eq!(text(&called), r#"{"text":"hello"}"#);
    }
}

/// Prints percentiles of single calls, one at a time, a new one every `pace` or as soon as the one before has ended.
fn table(name: &str, calls: usize, pace: Duration, mut call: impl FnMut()) {
    for _ in 0..calls / 10 {
        call();
    }
    let mut nanos = Vec::with_capacity(calls);
    let mut next = Instant::now();
    for _ in 0..calls {
        while Instant::now() < next {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        next = start + pace;
        call();
        nanos.push(start.elapsed().as_nanos());
    }
    nanos.sort_unstable();
    let at = |share: f64| nanos[(calls as f64 * share) as usize] as f64 / 1_000.0;
    println!("{name:<52} {:>10.1} {:>10.1} {:>10.1}", at(0.5), at(0.9), at(0.99));
}

/// 20,000 calls in a second.
const STEADY: Duration = Duration::from_micros(50);
const AT_ONCE: Duration = Duration::ZERO;

fn ways(c: &mut Criterion) {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let packed = Guest { call: ECHO, ..Guest::NONE }.packed();
    let shared = engine();
    let component = Component::from_binary(&shared, &packed).unwrap();
    let pre = prelinked(&linker(&shared), &component);
    let pooled = Ours::new(&packed, 0);
    let ahead = Ours::new(&packed, SandboxConfig::default().ahead);

    let compile = || {
        let component = Component::from_binary(&shared, &packed).unwrap();
        runtime.block_on(embedded(&shared, &prelinked(&linker(&shared), &component)));
    };
    let new_engine = || {
        let engine = engine();
        let component = Component::from_binary(&engine, &packed).unwrap();
        runtime.block_on(embedded(&engine, &prelinked(&linker(&engine), &component)));
    };
    let new_linker = || runtime.block_on(embedded(&shared, &prelinked(&linker(&shared), &component)));
    let on_demand = || runtime.block_on(embedded(&shared, &pre));
    let pooling = || runtime.block_on(pooled.call());
    let ours = || runtime.block_on(ahead.call());

    println!("{:<52} {:>10} {:>10} {:>10}", "µs of one call", "p50", "p90", "p99");
    table("compile per call", 200, AT_ONCE, compile);
    table("new engine per call, compiles", 200, AT_ONCE, new_engine);
    table("new linker per call", 2_000, AT_ONCE, new_linker);
    table("pre-linked, on demand", 20_000, AT_ONCE, on_demand);
    table("sandbox: pre-linked, pooled, copy-on-write", 50_000, AT_ONCE, pooling);
    table("sandbox: the same, 20,000 calls/s", 50_000, STEADY, pooling);
    table("sandbox: made ahead, used once, 20,000 calls/s", 50_000, STEADY, ours);
    table("sandbox: made ahead, used once, one after another", 50_000, AT_ONCE, ours);

    let mut group = c.benchmark_group("call");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function("compile per call", |b| b.iter(compile));
    group.bench_function("new engine per call", |b| b.iter(new_engine));
    group.bench_function("new linker per call", |b| b.iter(new_linker));
    group.bench_function("pre-linked on demand", |b| b.iter(on_demand));
    group.bench_function("pre-linked and pooled", |b| b.iter(pooling));
    group.bench_function("made ahead", |b| b.iter(ours));
}

criterion_group!(benches, ways);
criterion_main!(benches);
