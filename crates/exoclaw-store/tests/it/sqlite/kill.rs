//! A process that is killed while it writes: what it had acknowledged is there.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
};

use exoclaw_store::{
    SqliteConfig, SqliteStore, Store,
    conformance::samples::{ALL, accepted, session},
};
use futures::future::join_all;

use super::Home;

/// Tells the child, which is this test binary too, where to write.
const HOME: &str = "EXOCLAW_STORE_KILL_TEST";

const WRITERS: usize = 4;
const CYCLES: u64 = 8;

/// The child: without the variable there is nothing to do. Prints each acknowledgement when it has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    #[expect(clippy::disallowed_methods, reason = "the way to tell a child of the test harness")]
    let Ok(path) = std::env::var(HOME) else { return };
    let store = Arc::new(SqliteStore::open(&SqliteConfig::new(path)).unwrap());
    let write = |writer: usize| {
        let store = Arc::clone(&store);
        async move {
            let name = format!("w-{writer}");
            let start = store.session(&session(&name)).await.unwrap().map_or(0, |summary| summary.last_seq);
            for n in start + 1.. {
                let appended = store.append(&session(&name), n, vec![accepted(&format!("run-{n}"))]).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "ack {writer} {}", appended.last).unwrap();
                out.flush().unwrap();
            }
        }
    };
    join_all((0..WRITERS).map(write)).await;
}

/// Runs the child and kills it after so many acknowledgements; gives back the last of each writer.
fn run_and_kill(home: &Home, after: u64) -> [u64; WRITERS] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["sqlite::kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(HOME, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acks = [0; WRITERS];
    let mut count = 0;
    // Killed in the midst of writing; what the pipe still holds was acknowledged as well.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((_, ack)) = line.split_once("ack ") else { continue };
        let Some((writer, seq)) = ack.split_once(' ') else { continue };
        let (Ok(writer), Ok(seq)) = (writer.parse::<usize>(), seq.parse::<u64>()) else { continue };
        acks[writer] = seq;
        count += 1;
        if count == after {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(count >= after, "the child ended early: {status}");
    acks
}

#[tokio::test]
async fn every_acknowledged_record_survives_a_kill() {
    let home = Home::new();
    let mut acked = [0; WRITERS];
    for cycle in 0..CYCLES {
        let acks = run_and_kill(&home, 1 + cycle * 17);
        for (total, ack) in acked.iter_mut().zip(acks) {
            *total = ack.max(*total);
        }
        let store = home.open();
        for (writer, acked) in acked.iter().enumerate() {
            let entries = store.read(&session(&format!("w-{writer}")), 0, ALL).await.unwrap();
            assert!(entries.len() as u64 >= *acked, "cycle {cycle}: {} of {acked} are left", entries.len());
            for (entry, n) in entries.iter().zip(1..) {
                assert_eq!((entry.seq, &entry.record), (n, &accepted(&format!("run-{n}"))));
            }
        }
        store.close().await;
    }
}
