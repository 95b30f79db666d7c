//! A fresh call: new store, instance from the pool, one call with JSON, everything dropped.
//!
//! Criterion reports the median; the table printed before it has the percentiles of single calls.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and may fail by panicking")]

#[path = "../tests/it/guest.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod guest;

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use exoclaw_sandbox::{Grants, Host, Limits, Permit, Plugin, Sandbox, SandboxConfig};
use serde_json::json;

use guest::{ECHO, Guest, request, text};

const SINGLE_CALLS: usize = 50_000;

fn echo() -> (Plugin, Permit) {
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let plugin = sandbox.load_bytes(&Guest { call: ECHO, ..Guest::NONE }.packed(), None).unwrap();
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).unwrap();
    (plugin, permit)
}

async fn call(plugin: &Plugin, permit: &Permit) {
    let called = plugin.call(permit, request(json!({ "text": "hello" })), Host::default()).await;
    assert_eq!(text(&called), r#"{"text":"hello"}"#);
}

fn fresh_call(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (plugin, permit) = echo();
    let mut nanos: Vec<u128> = runtime.block_on(async {
        for _ in 0..1_000 {
            call(&plugin, &permit).await;
        }
        let mut nanos = Vec::with_capacity(SINGLE_CALLS);
        for _ in 0..SINGLE_CALLS {
            let start = Instant::now();
            call(&plugin, &permit).await;
            nanos.push(start.elapsed().as_nanos());
        }
        nanos
    });
    nanos.sort_unstable();
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        let at = (SINGLE_CALLS as f64 * share) as usize;
        println!("fresh call of echo, {name}: {:.1} µs", nanos[at] as f64 / 1_000.0);
    }
    c.bench_function("fresh call of echo", |b| b.iter(|| runtime.block_on(call(&plugin, &permit))));
}

criterion_group!(benches, fresh_call);
criterion_main!(benches);
