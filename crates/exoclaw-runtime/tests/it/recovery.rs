//! What a new process makes of what an old one left.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ErrorCode, Event, SendStatus};
use exoclaw_store::{SqliteConfig, SqliteStore, Store};

use crate::support::{World, asked, end, settle, short};

#[tokio::test(start_paused = true)]
async fn a_run_that_had_begun_is_ended_and_those_behind_it_are_run() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half"]).then_never());
    let begun = world.send_keyed("1", "k1").await.unwrap();
    settle().await;
    let waiting = world.send_keyed("2", "k2").await.unwrap();
    let last = world.send_keyed("3", "k3").await.unwrap();

    let restarted = world.restart().await;
    restarted.script.answer(Answer::text(["two"])).answer(Answer::text(["three"]));
    let (result, mut subscription) = restarted.subscribe(None).await;
    assert!(!result.recovered);
    assert!(matches!(end(&mut subscription, &waiting.run_id).await, Event::Final { .. }));
    assert!(matches!(end(&mut subscription, &last.run_id).await, Event::Final { .. }));
    let history: Vec<_> = restarted.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: 1 (interrupted)", "User: 2", "User: 3", "Assistant: two", "Assistant: three"]);
    assert_eq!(restarted.script.requests().len(), 2, "the run that had begun was run again");
    assert_eq!(asked(&restarted.script, 1), ["User: 12", "Assistant: two", "User: 3"]);

    assert!(restarted.store.inner().open_runs().await.unwrap().is_empty());
    let again = restarted.send_keyed("1", "k1").await.unwrap();
    assert_eq!((again.run_id, again.status), (begun.run_id, SendStatus::Error));
    assert_eq!(restarted.send_keyed("2", "k2").await.unwrap().status, SendStatus::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_agent_is_gone_is_ended_in_words() {
    let world = World::new().await;
    world.script.answer(Answer::never()).answer(Answer::never());
    world.send_to("agent:main:main", "1").await;
    let (waiting, _) = world.send_to("agent:main:main", "2").await;

    let (provider, _) = exoclaw_agent::test_util::ScriptedProvider::new();
    let parts = exoclaw_runtime::Parts {
        router: exoclaw_router::Router::new(vec!["other".parse().unwrap()], "other".parse().unwrap(), vec![]).unwrap(),
        store: world.store.inner().clone(),
        plugins: exoclaw_runtime::Plugins::default(),
        clock: Arc::new(exoclaw_runtime::SystemClock),
    };
    let mut config = crate::support::config(provider);
    config.agents[0].id = "other".parse().unwrap();
    exoclaw_runtime::Runtime::start(config, parts).await.unwrap();
    settle().await;
    assert!(world.store.inner().open_runs().await.unwrap().is_empty());
    let page = exoclaw_store::Page { entries: 10, bytes: u64::MAX };
    let entries = world.store.inner().tail(&waiting.session, None, page).await.unwrap();
    let last = serde_json::to_value(&entries.last().unwrap().record).unwrap();
    assert_eq!(last["outcome"]["code"], serde_json::to_value(ErrorCode::UnknownAgent).unwrap());
}

#[tokio::test]
async fn the_real_store_brings_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(dir.path().join("exoclaw.db"));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config).unwrap());
    let world = World::over(store, Arc::default(), |_| {}).await;
    world.script.answer(Answer::text(["one"]));
    let (sent, mut subscription) = world.send("1").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
    let before = world.history().await;
    assert!(world.runtime.shutdown(crate::support::PATIENCE).await);
    drop((world, subscription));

    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config).unwrap());
    let world = World::over(store, Arc::default(), |_| {}).await;
    assert_eq!(world.history().await, before);
    world.script.answer(Answer::text(["two"]));
    let (sent, mut subscription) = world.send("2").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
    assert_eq!(asked(&world.script, 0), ["User: 1", "Assistant: one", "User: 2"]);
}
