//! What a new process makes of what an old one left.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ErrorCode, Event, SendStatus};
use exoclaw_store::{SqliteConfig, SqliteStore, Store};

use crate::support::{World, asked, end, settle, short};

#[tokio::test(start_paused = true)]
async fn a_run_that_had_begun_goes_on_and_those_behind_it_follow() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half"]).then_never());
    let begun = world.send_keyed("1", "k1").await.unwrap();
    settle().await;
    let waiting = world.send_keyed("2", "k2").await.unwrap();
    let last = world.send_keyed("3", "k3").await.unwrap();

    let answers = [Answer::text(["one"]), Answer::text(["two"]), Answer::text(["three"])];
    let restarted = world.restart_to(answers).await;
    let (result, mut subscription) = restarted.subscribe(None).await;
    assert!(!result.recovered);
    assert!(matches!(end(&mut subscription, &waiting.run_id).await, Event::Final { .. }));
    assert!(matches!(end(&mut subscription, &last.run_id).await, Event::Final { .. }));
    let history: Vec<_> = restarted.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: 1", "User: 2", "User: 3", "Assistant: one", "Assistant: two", "Assistant: three"]);
    assert_eq!(asked(&restarted.script, 0), ["User: 1"]);
    let expected = ["User: 1", "Assistant: one", "User: 2", "Assistant: two", "User: 3"];
    assert_eq!(asked(&restarted.script, 2), expected);

    assert!(restarted.store.inner().open_runs().await.unwrap().is_empty());
    let again = restarted.send_keyed("1", "k1").await.unwrap();
    assert_eq!((again.run_id, again.status), (begun.run_id, SendStatus::Ok));
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

/// Ends the process of `world` in the midst of its model's answer, `times` in a row.
async fn crash(world: World, times: u32) -> World {
    let mut world = world;
    for _ in 0..times {
        settle().await;
        world = world.restart_to([Answer::text(["half"]).then_never()]).await;
    }
    settle().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_get_on_in_three_recoveries_is_ended_in_words() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half"]).then_never());
    world.send("1").await;
    let world = crash(world, 3).await;
    assert_eq!(world.journal().await, ["accepted", "started", "resumed", "resumed", "resumed"]);
    let world = world.restart_to([]).await;
    settle().await;
    assert!(world.script.requests().is_empty());
    assert!(world.store.inner().open_runs().await.unwrap().is_empty());
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: 1 (interrupted)"]);
    // The next message finds a session as good as any.
    world.script.answer(Answer::text(["two"]));
    let (sent, mut subscription) = world.send("2").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_gets_on_or_is_stopped_in_good_order_is_taken_up_as_often_as_it_takes() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half"]).then_never());
    let (sent, _) = world.send("1").await;
    let world = crash(world, 2).await;
    // Gets on by a step, and another process dies.
    let steps = [Answer::call("c1", "nothing", serde_json::json!({})), Answer::text(["half"]).then_never()];
    let mut world = crash(world.restart_to(steps).await, 2).await;
    for _ in 0..5 {
        // A store in memory is of no use once it is closed.
        let (runtime, gate) = (world.runtime.clone(), Arc::new(tokio::sync::Semaphore::new(0)));
        let closing = gate.clone();
        world.store.on_close(closing);
        let stopping =
            tokio::task::JoinSet::from_iter([async move { runtime.shutdown(crate::support::PATIENCE).await }]);
        gate.acquire().await.unwrap().forget();
        drop(stopping);
        assert_eq!(world.journal().await.last(), Some(&"suspended"));
        world = world.restart_to([Answer::text(["half"]).then_never()]).await;
        settle().await;
    }
    let world = world.restart_to([Answer::text(["whole"])]).await;
    let (_, mut subscription) = world.subscribe(None).await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: 1", "Assistant: [c1 nothing]", "User: [c1 failed]", "Assistant: whole"]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_session_is_quarantined_and_harms_no_other() {
    let world = World::new().await;
    world.script.answer(Answer::never()).answer(Answer::never());
    let (damaged, _) = world.send_to("damaged", "1").await;
    let (sound, _) = world.send_to("sound", "1").await;
    settle().await;

    world.store.damage(&damaged.session);
    let restarted = World::found(world.store.clone(), [Answer::text(["done"])]).await;
    let (_, mut subscription) = restarted.subscribe_to("sound", None).await;
    assert!(matches!(end(&mut subscription, &sound.run_id).await, Event::Final { .. }));
    settle().await;
    let summary = world.store.inner().session(&damaged.session).await.unwrap().unwrap();
    assert!(summary.quarantined.is_some_and(|reason| reason.contains("its checksum does not match")));
    assert!(world.store.inner().open_runs().await.unwrap().is_empty());
    let refused = restarted.runtime.send(crate::support::message("damaged", "2")).await.unwrap_err();
    assert!(refused.message.contains("quarantined"), "{refused:?}");
}
