//! Durable appends and reads, on the disk that holds the temporary folder.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exoclaw_protocol::{Message, SessionKey};
use exoclaw_store::{Page, Record, SqliteConfig, SqliteStore, Store};
use futures::future::join_all;
use tokio::runtime::Runtime;

/// A message of about 1 KB, as a chat has them.
fn record(n: u64) -> Record {
    let message = Message::user("x".repeat(900));
    Record::Accepted { run_id: format!("run-{n}").parse().unwrap(), message, key: None, digest: "0".repeat(64) }
}

fn session(n: u64) -> SessionKey {
    format!("agent:main:s-{n}").parse().unwrap()
}

fn journal(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&SqliteConfig::new(home.path().join("store.db"))).unwrap();
    let runtime = Runtime::new().unwrap();
    let mut next = 0;

    let mut group = criterion.benchmark_group("append");
    group.measurement_time(Duration::from_secs(5)).sample_size(30);
    for writers in [1, 64, 100] {
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} at once"), |bencher| {
            bencher.iter(|| {
                let appends = (0..writers).map(|writer| {
                    next += 1;
                    store.append(&session(writer), next, vec![record(next)])
                });
                let appended = runtime.block_on(join_all(appends));
                assert!(appended.iter().all(Result::is_ok));
            });
        });
    }
    group.finish();

    let page = Page { entries: 200, bytes: 4 << 20 };
    criterion.bench_function("tail of 200", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(store.tail(&session(0), None, page)).unwrap().len(), 200));
    });
    runtime.block_on(store.close());
}

criterion_group!(benches, journal);
criterion_main!(benches);
