//! A store with many sessions, of which some have runs that are open: the daemon is there at once and ends them all.

use std::time::Instant;

use exoclaw_protocol::{Block, Message, RunId, SessionKey, StopReason, Usage};
use exoclaw_store::{Record, RunOutcome, SqliteConfig, SqliteStore, Store};
use exoclaw_tests::{
    daemon::Setup,
    model::{Answer, ModelServer},
    wait::wait_for,
};
use futures::{StreamExt, stream};

use super::work::PATIENCE;

const SESSIONS: usize = 10_000;
const OPEN: usize = 100;

/// Appends that are under way at the same time.
const WRITERS: usize = 256;

fn records(number: usize) -> Vec<Record> {
    let run_id: RunId = format!("{number:032x}").parse().unwrap();
    let message = Message::user(format!("message {number}"));
    let begun =
        [Record::accepted(run_id.clone(), message, "0".repeat(64)), Record::RunStarted { run_id: run_id.clone() }];
    let content = vec![Block::text("an answer that is about as long as answers are ".repeat(16))];
    let step = Record::Step {
        cost: None,
        run_id: run_id.clone(),
        step: 0,
        content,
        stop_reason: StopReason::EndTurn,
        usage: Usage::default(),
    };
    let ended = [step, Record::RunEnded { run_id, outcome: RunOutcome::Ok }];
    let is_open = number.is_multiple_of(SESSIONS / OPEN);
    begun.into_iter().chain(ended.into_iter().filter(|_| !is_open)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_open_runs_of_many_sessions_are_taken_up() {
    let model = ModelServer::start().await;
    model.usually(Answer::text(["done"]));
    let mut daemon = Setup::with_model("openai", &model.openai_url()).start();
    tokio::task::block_in_place(|| daemon.terminate());

    let config = SqliteConfig::new(daemon.home().join("store.db"));
    let store = tokio::task::block_in_place(|| SqliteStore::open(&config)).unwrap();
    let append = |number: usize| {
        let session: SessionKey = format!("agent:main:s{number}").parse().unwrap();
        let store = &store;
        async move { store.append(&session, 1_800_000_000_000, records(number)).await.unwrap() }
    };
    stream::iter(0..SESSIONS).map(append).buffer_unordered(WRITERS).count().await;
    assert_eq!(store.open_runs().await.unwrap().len(), OPEN);
    store.close().await;
    drop(store);

    let started = Instant::now();
    tokio::task::block_in_place(|| daemon.restart());
    let ready = started.elapsed();
    let look = || if model.requests().len() == OPEN { Ok(()) } else { Err(daemon.log()) };
    wait_for(PATIENCE, look).await;
    let ended = started.elapsed();
    tokio::task::block_in_place(|| daemon.terminate());
    let store = tokio::task::block_in_place(|| SqliteStore::open(&config)).unwrap();
    assert!(store.open_runs().await.unwrap().is_empty());
    assert_eq!(model.requests().len(), OPEN, "each was asked for once");
    store.close().await;
    println!("many: {SESSIONS} sessions, {OPEN} open runs: ready after {ready:?}, all asked for after {ended:?}");
}
