//! What a busy sandbox does: calls in a second on two threads, what a guest's request adds to a bare one, a large plugin from the
//! cache, a thousand calls at a time, and a neighbour of guests that spin. Prints one figure a line.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and may fail by panicking")]

#[path = "../tests/it/guest.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod guest;
#[path = "../tests/it/server.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod server;

use std::{
    fmt::Write as _,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use exoclaw_sandbox::{Grants, Host, Limits, Permit, Plugin, Sandbox, SandboxConfig};
use http_body_util::{BodyExt, Empty};
use serde_json::json;
use tokio::{net::TcpStream, runtime::Builder, task::JoinSet};

use guest::{ECHO, Guest, permit, request, text};
use server::Server;

const SECONDS: Duration = Duration::from_secs(3);

fn main() {
    throughput();
    fetch();
    cached();
    thousand();
    neighbour();
}

fn echo(config: SandboxConfig) -> (Plugin, Permit) {
    let sandbox = Sandbox::new(config).unwrap();
    let plugin = sandbox.load_bytes(&Guest { call: ECHO, ..Guest::NONE }.packed(), None).unwrap();
    let permit = permit(&plugin);
    (plugin, permit)
}

async fn call(plugin: &Plugin, permit: &Permit) {
    let called = plugin.call(permit, request(json!({ "text": "hello" })), Host::default()).await;
    assert!(!called.output.is_error, "{called:?}");
}

fn percentile(mut nanos: Vec<u128>, share: f64) -> f64 {
    nanos.sort_unstable();
    nanos[((nanos.len() - 1) as f64 * share) as usize] as f64 / 1_000.0
}

fn throughput() {
    for ahead in [0, SandboxConfig::default().ahead] {
        let (plugin, permit) = echo(SandboxConfig { ahead, ..SandboxConfig::default() });
        let caller = || {
            let (plugin, permit) = (plugin.clone(), permit.clone());
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                let (start, mut calls) = (Instant::now(), 0_u64);
                while start.elapsed() < SECONDS {
                    runtime.block_on(call(&plugin, &permit));
                    calls += 1;
                }
                calls
            })
        };
        let callers = [caller(), caller()];
        let calls: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        let rate = calls as f64 / SECONDS.as_secs_f64();
        println!("calls on two threads, {ahead} ahead: {rate:.0}/s");
    }
}

fn fetch() {
    const REQUESTS: usize = 3_000;
    let server = Server::saying("hello");
    let port = server.address.port();
    let pattern = format!("http = [\"GET http://127.0.0.1:{port}/*\"]");
    let plugin = Guest { requests: &pattern, ..Guest::FETCH }.load();
    let grants: Grants = toml::from_str(&format!("{pattern}\nhttp-private = [\"127.0.0.1:{port}\"]")).unwrap();
    let permit = Permit::new(plugin.manifest(), &grants, &Limits::default()).unwrap();
    let line = format!("GET http://127.0.0.1:{port}/");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut bare_times, mut fetch_times) = (Vec::new(), Vec::new());
        // In turn, so that both meet the same machine.
        for _ in 0..REQUESTS {
            let start = Instant::now();
            bare(port).await;
            bare_times.push(start.elapsed().as_nanos());
            let start = Instant::now();
            let called = plugin.call(&permit, request(json!({ "text": line })), Host::default()).await;
            assert_eq!(text(&called), "200 hello");
            fetch_times.push(start.elapsed().as_nanos());
        }
        let (bare, fetch) = (percentile(bare_times, 0.5), percentile(fetch_times, 0.5));
        println!("request on loopback: bare {bare:.0} µs, by a guest {fetch:.0} µs, adds {:.0} µs", fetch - bare);
    });
}

/// A connection of its own, as guests' requests have.
async fn bare(port: u16) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let request = http::Request::get("/").header("host", "127.0.0.1").body(Empty::<bytes::Bytes>::new()).unwrap();
    let exchange = async {
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        drop(sender);
        body
    };
    let (body, _) = tokio::join!(exchange, connection);
    assert_eq!(&body[..], b"hello");
}

fn cached() {
    const LOADS: usize = 100;
    let mut functions = String::new();
    for number in 0..6_200 {
        write!(functions, "(func $f{number} (param $x i32) (result i32) (local.get $x)").unwrap();
        for step in 0..40 {
            write!(functions, "(i32.const {}) (i32.mul) (i32.const {step}) (i32.xor)", number * 41 + step).unwrap();
        }
        functions.push(')');
    }
    let packed = Guest { functions: &functions, call: ECHO, ..Guest::NONE }.packed();
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig { cache: Some(folder.path().join("compiled")), ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let start = Instant::now();
    drop(sandbox.load_bytes(&packed, None).unwrap());
    let compiled = start.elapsed();
    let mut times = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        let start = Instant::now();
        drop(sandbox.load_bytes(&packed, None).unwrap());
        times.push(start.elapsed().as_nanos());
    }
    let (size, loaded) = (packed.len() as f64 / f64::from(1 << 20), percentile(times, 0.5) / 1_000.0);
    println!("plugin of {size:.1} MiB: compiled in {compiled:.1?}, from the cache in {loaded:.2} ms");
}

fn thousand() {
    const CALLS: u32 = 1_000;
    const MEMORY: u64 = 1 << 20;
    // Touches every page of what it has, and waits.
    let guest = Guest {
        world: "import wasi:clocks/monotonic-clock@0.2.0; import wasi:io/poll@0.2.0;",
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
                    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
        call: "(drop (memory.grow (i32.sub (i32.const 16) (memory.size))))
               (local.set $i (i32.const 262144))
               (loop $touch
                 (i32.store (local.get $i) (i32.const 1))
                 (local.set $i (i32.add (local.get $i) (i32.const 4096)))
                 (br_if $touch (i32.lt_u (local.get $i) (i32.mul (memory.size) (i32.const 65536)))))
               (call $block (call $after (i64.const 2000000000)))
               (call $number (i32.const 1))",
        ..Guest::NONE
    };
    let sandbox = Sandbox::new(SandboxConfig { concurrency: CALLS, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox.load_bytes(&guest.packed(), None).unwrap();
    let limits = Limits { memory: exoclaw_sandbox::ByteSize(MEMORY), concurrency: 64, ..Limits::default() };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let before = resident();
    let most = runtime.block_on(async {
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            // One permit each: the limit of one plugin is not what is measured.
            let permit = Permit::new(plugin.manifest(), &Grants::default(), &limits).unwrap();
            let plugin = plugin.clone();
            calls.spawn(async move {
                let called = plugin.call(&permit, request(json!({})), Host::default()).await;
                assert!(!called.output.is_error, "{called:?}");
                assert_eq!(called.metering.peak_memory, MEMORY);
            });
        }
        let mut most = 0;
        while !calls.is_empty() {
            most = most.max(resident());
            tokio::time::timeout(Duration::from_millis(20), calls.join_next())
                .await
                .ok()
                .flatten()
                .transpose()
                .unwrap();
        }
        most
    });
    let (grown, configured) = (most.saturating_sub(before), (u64::from(CALLS) * MEMORY) >> 20);
    println!(
        "{CALLS} calls at a time, all of their memory touched: {grown} MiB more; their limits allow {configured} MiB"
    );
}

/// Resident memory of this process in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

fn neighbour() {
    const SPINNING: usize = 8;
    let (plugin, permit) = echo(SandboxConfig::default());
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let spin =
        sandbox.load_bytes(&Guest { call: "(loop $on (br $on)) (unreachable)", ..Guest::NONE }.packed(), None).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (plugin, permit) = (Arc::new(plugin), Arc::new(permit));
    // Calls run where guests spin.
    let measure = || {
        let (plugin, permit, workers) = (Arc::clone(&plugin), Arc::clone(&permit), runtime.handle().clone());
        let calls = async move {
            let (start, mut nanos) = (Instant::now(), Vec::new());
            while start.elapsed() < SECONDS {
                let (plugin, permit) = (Arc::clone(&plugin), Arc::clone(&permit));
                let start = Instant::now();
                workers.spawn(async move { call(&plugin, &permit).await }).await.unwrap();
                nanos.push(start.elapsed().as_nanos());
            }
            nanos
        };
        runtime.block_on(calls)
    };
    let quiet = percentile(measure(), 0.99);
    let limits = Limits { time: 2 * SECONDS, fuel: 10_000_000_000_000, concurrency: 64, ..Limits::default() };
    let spinning = Permit::new(spin.manifest(), &Grants::default(), &limits).unwrap();
    let mut spinners = JoinSet::new();
    for _ in 0..SPINNING {
        let (spin, permit) = (spin.clone(), spinning.clone());
        spinners.spawn_on(
            async move { drop(spin.call(&permit, request(json!({})), Host::default()).await) },
            runtime.handle(),
        );
    }
    let beside = percentile(measure(), 0.99);
    drop(spinners);
    println!(
        "neighbour's p99: quiet {quiet:.1} µs, beside {SPINNING} spinning guests {beside:.1} µs, {:.1} times",
        beside / quiet
    );
}
