//! The serving benchmark: a release build of the daemon under load on this machine, with a model that costs nothing.
//!
//! Prints a table and writes it, with a plot, to the folder given as its argument. With the word `gateway` behind it, the
//! door is measured instead: its memory, handshakes and slow readers; with `small`, in a moment and for nothing but a try.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark stops at the first surprise and prints")]

mod daemon;
mod figures;
mod gateway;
mod model;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use exoclaw_protocol::Event;
use futures::future::join_all;

use crate::{
    daemon::Daemon,
    figures::{Row, Sample},
    model::{Model, Pace},
};

const AT_ONCE: Pace = Pace { deltas: 1, gap: Duration::ZERO, padding: 0 };
const STEADY: Pace = Pace { deltas: 500, gap: Duration::from_millis(2), padding: 0 };

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let out = PathBuf::from(words.first().expect("usage: serving FOLDER [gateway [small]]"));
    let is_wanted = |word: &str| words[1..].iter().any(|given| given == word);
    if is_wanted("gateway") {
        let rows = gateway::measure(if is_wanted("small") { gateway::SMALL } else { gateway::WHOLE }).await;
        let table = figures::table("The door, measured", &machine(), &rows);
        println!("{table}");
        if !is_wanted("small") {
            std::fs::write(out.join("gateway.md"), table).expect("the table is written");
        }
        return;
    }
    let origin = Instant::now();
    let quick = Model::start(AT_ONCE, origin).await.expect("a free port");
    let steady = Model::start(STEADY, origin).await.expect("a free port");

    let (bare, idle) = start_up(&quick, &[]).await;
    let (with_plugins, _) = start_up(&quick, &plugins()).await;
    let size = std::fs::metadata(daemon::binary()).expect("the daemon is built").len() as f64 / 1_048_576.0;

    let daemon = Daemon::start(steady.addr, &[], home()).await;
    let deltas = delta_latency(&daemon, origin).await;
    drop(daemon);

    let daemon = Daemon::start(quick.addr, &[], home()).await;
    let acks = idle_acks(&daemon).await;
    let mut loads = Vec::new();
    // With fewer, a connection's own limit would be measured.
    for sessions in [10, 30, 100] {
        loads.push((sessions, turns(&daemon, sessions).await));
    }
    let loaded = daemon.resident_mib();
    drop(daemon);

    let throughput: Vec<(u32, f64)> = loads.iter().map(|(sessions, (rate, _))| (*sessions, *rate)).collect();
    let (_, (rate, turn_times)) = &loads[2];
    let rows = [
        row("process start to first answer, no plugins", ms(bare), "≤ 30 ms", bare <= Duration::from_millis(30)),
        row(
            "the same with three cached plugins",
            ms(with_plugins),
            "≤ 60 ms",
            with_plugins <= Duration::from_millis(60),
        ),
        row("resident memory, idle", format!("{idle:.1} MiB"), "≤ 20 MiB", idle <= 20.0),
        row("binary with page", format!("{size:.1} MiB"), "≤ 25 MiB", size <= 25.0),
        row("delta: model's wire to client's frame, p50", ms(deltas.quantile(0.5)), "", true),
        row(
            "delta: model's wire to client's frame, p99",
            ms(deltas.quantile(0.99)),
            "≤ 1 ms",
            deltas.quantile(0.99) <= Duration::from_millis(1),
        ),
        row(
            "durable `chat.send`, idle, p50",
            ms(acks.quantile(0.5)),
            "≤ 1 ms",
            acks.quantile(0.5) <= Duration::from_millis(1),
        ),
        row("durable `chat.send`, whole turns, 100 sessions", format!("{rate:.0} /s"), "≥ 2000 /s", *rate >= 2000.0),
        row(
            "a whole turn, 100 sessions, p99",
            ms(turn_times.quantile(0.99)),
            "≤ 100 ms",
            turn_times.quantile(0.99) <= Duration::from_millis(100),
        ),
        row("resident memory after the load", format!("{loaded:.1} MiB"), "", true),
    ];
    let table = figures::table("Serving, measured", &machine(), &rows) + "\n![Latency and throughput](serving.svg)\n";
    println!("{table}");
    std::fs::create_dir_all(&out).expect("the folder is made");
    std::fs::write(out.join("serving.md"), table).expect("the table is written");
    let latencies = [("delta through the daemon", &deltas), ("durable acknowledgement, idle", &acks)];
    figures::plot(&out.join("serving.svg"), &latencies, &throughput).expect("the plot is written");
}

fn row(what: &'static str, measured: String, target: &'static str, met: bool) -> Row {
    Row { what, measured, target, met }
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The example plugins, packed.
fn plugins() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    ["echo", "clock", "notes"].map(|name| folder.join(name).with_extension("wasm")).into()
}

/// Median time to the first answer over 11 starts with a warm cache, and resident memory after the last.
async fn start_up(model: &Model, plugins: &[PathBuf]) -> (Duration, f64) {
    let mut daemon = Daemon::start(model.addr, plugins, home()).await;
    let mut times = Vec::new();
    for _ in 0..11 {
        daemon = Daemon::start(model.addr, plugins, daemon.stop()).await;
        times.push(daemon.first_answer);
    }
    (Sample::new(times).quantile(0.5), daemon.resident_mib())
}

/// From the model's socket to the client's, on otherwise idle cores.
async fn delta_latency(daemon: &Daemon, origin: Instant) -> Sample {
    let mut socket = daemon.socket().await;
    let mut latencies = Vec::new();
    for run in 0..6 {
        socket.send("latency").await;
        socket
            .watch(|event| {
                let now = origin.elapsed();
                let Event::Delta { text } = &event.event else { return };
                // The first run warms caches up.
                for sent in text.split_whitespace().filter(|_| run > 0) {
                    latencies.push(now - Duration::from_nanos(sent.parse().expect("the model sends times")));
                }
            })
            .await;
    }
    Sample::new(latencies)
}

/// From sending a message to its acknowledgement, one at a time and as many in a second as one connection may send.
async fn idle_acks(daemon: &Daemon) -> Sample {
    let mut socket = daemon.socket().await;
    let mut times = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for _ in 0..500 {
        pace.tick().await;
        let start = Instant::now();
        socket.send("acks").await;
        times.push(start.elapsed());
        socket.watch(|_| {}).await;
    }
    Sample::new(times)
}

/// Whole turns: each session sends, sees its answer's end, and sends again. Gives the acknowledgements in a second, and how
/// long the turns took.
async fn turns(daemon: &Daemon, sessions: u32) -> (f64, Sample) {
    const SPAN: Duration = Duration::from_secs(5);
    let mut sockets = Vec::new();
    for _ in 0..sessions {
        sockets.push(daemon.socket().await);
    }
    let start = Instant::now();
    let times = join_all(sockets.iter_mut().enumerate().map(|(index, socket)| async move {
        let session = format!("load-{sessions}-{index}");
        let mut times = Vec::new();
        while start.elapsed() < SPAN {
            let begin = Instant::now();
            socket.send(&session).await;
            socket.watch(|_| {}).await;
            times.push(begin.elapsed());
        }
        times
    }));
    let times: Vec<Duration> = times.await.into_iter().flatten().collect();
    (times.len() as f64 / start.elapsed().as_secs_f64(), Sample::new(times))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let commit = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    format!("{cores} cores ({model}), model server and clients on the same cores, real disk; commit {commit}.")
}
