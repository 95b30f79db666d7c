//! Durable appends, reads and opening, on the disk that holds the temporary folder.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exoclaw_protocol::{Message, SessionKey};
use exoclaw_store::{Page, Record, RunOutcome, SqliteConfig, SqliteStore, Store};
use futures::future::join_all;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A message of about so many characters, in words of which some are frequent and most are not, as in a language.
fn message(n: u64, length: usize) -> Record {
    let (mut text, mut state) = (String::with_capacity(length + 8), n + 1);
    while text.len() < length {
        // Xorshift (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let rank = state % (1 + (state >> 20) % 20_000);
        text.push_str(&format!("{:x} ", rank * 7_919));
    }
    let message = Message::user(text);
    Record::accepted(format!("run-{n}").parse().unwrap(), message, "0".repeat(64))
}

/// As long as in a chat: a record of about 1 KB.
const LENGTH: usize = 900;

fn session(n: u64) -> SessionKey {
    format!("agent:main:s-{n}").parse().unwrap()
}

fn fresh() -> (TempDir, SqliteConfig, SqliteStore, Runtime) {
    let home = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(home.path().join("store.db"));
    let store = SqliteStore::open(&config).unwrap();
    (home, config, store, Runtime::new().unwrap())
}

/// Each writer in a session of its own; all wait until all are durable.
fn append(criterion: &mut Criterion) {
    let (_home, _, store, runtime) = fresh();
    let mut next = 0;
    let mut group = criterion.benchmark_group("append");
    group.measurement_time(Duration::from_secs(5)).sample_size(30);
    for writers in [1, 64, 100] {
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} at once"), |bencher| {
            bencher.iter(|| {
                let appends = (0..writers).map(|writer| {
                    next += 1;
                    store.append(&session(writer), next, vec![message(next, LENGTH)])
                });
                let appended = runtime.block_on(join_all(appends));
                assert!(appended.iter().all(Result::is_ok));
            });
        });
    }
    runtime.block_on(store.close());
}

fn tail(criterion: &mut Criterion) {
    let (_home, _, store, runtime) = fresh();
    for n in 0..20 {
        let records = (0..500).map(|m| message(500 * n + m, LENGTH)).collect();
        runtime.block_on(store.append(&session(0), n, records)).unwrap();
    }
    let page = Page { entries: 200, bytes: 4 << 20 };
    criterion.bench_function("last 200 of 10,000", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(store.tail(&session(0), None, page)).unwrap().len(), 200));
    });
    runtime.block_on(store.close());
}

/// Until the runs that a restart takes up again are known.
fn open(criterion: &mut Criterion) {
    let (_home, config, store, runtime) = fresh();
    for n in 0..1_000_000 / 200 {
        let turn = |m| {
            let run_id = format!("run-{}", 200 * n + m).parse().unwrap();
            [message(200 * n + m, 200), Record::RunEnded { run_id, outcome: RunOutcome::Ok }]
        };
        runtime.block_on(store.append(&session(n % 1000), n, (0..200).flat_map(turn).collect())).unwrap();
    }
    runtime.block_on(store.close());

    let mut group = criterion.benchmark_group("open");
    group.sample_size(10);
    group.bench_function("1,000,000 messages", |bencher| {
        bencher.iter_custom(|times| {
            let opened = (0..times).map(|_| {
                let started = Instant::now();
                let store = SqliteStore::open(&config).unwrap();
                assert_eq!(runtime.block_on(store.open_runs()).unwrap(), []);
                let time = started.elapsed();
                runtime.block_on(store.close());
                time
            });
            opened.sum()
        });
    });
}

criterion_group!(benches, append, tail, open);
criterion_main!(benches);
