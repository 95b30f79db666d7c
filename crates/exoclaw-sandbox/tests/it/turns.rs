//! Guests that compute for long take turns.

use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use exoclaw_sandbox::{Grants, Host, KeyValue, KeyValueError, Limits, Permit, Plugin, Sandbox, SandboxConfig};
use futures::{FutureExt, future::BoxFuture};
use serde_json::json;
use tokio::{
    sync::mpsc::{Sender, channel},
    task::JoinSet,
};

use crate::guest::{Guest, request, text};

const WORLD: &str = "import wasi:clocks/monotonic-clock@0.2.0; import wasi:io/poll@0.2.0;";
const IMPORTS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
    (import "exoclaw:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
/// Computes for 50 ms of the clock, which is longer than a call does without a turn.
const COMPUTE: &str = "
    (func $compute (local $end i64)
      (local.set $end (i64.add (call $now) (i64.const 50000000)))
      (loop $on (br_if $on (i64.lt_u (call $now) (local.get $end)))))";

fn load(sandbox: &Sandbox, seconds: u64, call: &str) -> (Plugin, Permit) {
    let requests = "kv = \"1 KiB\"";
    let guest = Guest { world: WORLD, imports: IMPORTS, functions: COMPUTE, call, requests, ..Guest::NONE };
    let plugin = sandbox.load_bytes(&guest.packed(), None).unwrap();
    let limits = Limits { time: Duration::from_secs(seconds), host_calls: 10_000_000, ..Limits::default() };
    let grants = Grants { kv: plugin.manifest().requests.kv, ..Grants::default() };
    let permit = Permit::new(plugin.manifest(), &grants, &limits).unwrap();
    (plugin, permit)
}

fn one_at_a_time() -> Sandbox {
    Sandbox::new(SandboxConfig { concurrency: 8, computing: 1, ..SandboxConfig::default() }).unwrap()
}

/// A store that tells when it is asked, and notices when two calls ask it at the same time.
#[derive(Default)]
struct Watch {
    asked: Option<Sender<()>>,
    inside: AtomicU32,
    together: AtomicU32,
}

impl KeyValue for Watch {
    fn get(&self, _: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, KeyValueError>> {
        if self.inside.fetch_add(1, SeqCst) > 0 {
            self.together.fetch_add(1, SeqCst);
        }
        (0..2_000).for_each(|_| spin_loop());
        self.inside.fetch_sub(1, SeqCst);
        if let Some(asked) = &self.asked {
            asked.try_send(()).unwrap();
        }
        async { Ok(None) }.boxed()
    }

    fn set(&self, _: String, _: Vec<u8>) -> BoxFuture<'_, Result<(), KeyValueError>> {
        async { Ok(()) }.boxed()
    }

    fn delete(&self, _: String) -> BoxFuture<'_, Result<(), KeyValueError>> {
        async { Ok(()) }.boxed()
    }

    fn keys(&self, _: String, _: u32) -> BoxFuture<'_, Result<Vec<String>, KeyValueError>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_more_compute_for_long_than_there_are_turns() {
    let (plugin, permit) = load(
        &one_at_a_time(),
        60,
        "(call $compute)
         (loop $on
           (call $get (i32.const 0) (i32.const 1) (i32.const 256))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $on (i32.lt_u (local.get $i) (i32.const 5000))))
         (call $number (i32.const 7))",
    );
    let watch = Arc::new(Watch::default());
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let (plugin, permit) = (plugin.clone(), permit.clone());
        let host = Host { kv: Some(Arc::clone(&watch) as _), ..Host::default() };
        calls.spawn(async move { plugin.call(&permit, request(json!({})), host).await });
    }
    while let Some(called) = calls.join_next().await {
        assert_eq!(text(&called.unwrap()), "07");
    }
    assert_eq!(watch.together.load(SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_waits_keeps_no_turn() {
    let sandbox = one_at_a_time();
    let (sleeper, sleeps) = load(
        &sandbox,
        60,
        "(call $compute) (call $get (i32.const 0) (i32.const 1) (i32.const 256))
         (call $block (call $after (i64.const 3600000000000))) (unreachable)",
    );
    let (worker, works) = load(&sandbox, 20, "(call $compute) (call $number (i32.const 7))");
    let (asked, mut computed) = channel(1);
    let host = Host { kv: Some(Arc::new(Watch { asked: Some(asked), ..Watch::default() })), ..Host::default() };
    let mut sleeping = JoinSet::new();
    sleeping.spawn(async move { sleeper.call(&sleeps, request(json!({})), host).await });
    computed.recv().await.unwrap();
    assert_eq!(text(&worker.call(&works, request(json!({})), Host::default()).await), "07");
}
