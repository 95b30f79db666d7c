//! Stopping the whole runtime.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ErrorCode, Event};
use tokio::sync::Semaphore;

use crate::support::{World, end, message, names, opened, settle, short};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_run_is_let_finish_and_what_waits_is_kept_for_the_next_start() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    let (first, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    settle().await;
    let runtime = world.runtime.clone();
    let stopping = tokio::task::JoinSet::from_iter([async move { runtime.shutdown(DEADLINE).await }]);
    settle().await;
    let refused = world.runtime.send(message("main", "3")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::ShuttingDown);
    assert_eq!(world.runtime.ready().unwrap_err().code, ErrorCode::ShuttingDown);
    assert!(!world.runtime.tasks().token().is_cancelled(), "sockets must stay until the runs have ended");
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &first.run_id).await, Event::Final { .. }));
    assert_eq!(stopping.join_all().await, [true]);
    assert!(world.runtime.tasks().token().is_cancelled());
    assert!(subscription.try_next().unwrap().is_none());

    let open = world.store.inner().open_runs().await;
    // Closed with the runtime: a store in memory is not to be read after, a file is.
    if let Ok(open) = open {
        assert_eq!(open.iter().map(|run| &run.run_id).collect::<Vec<_>>(), [&second.run_id]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_is_suspended_in_time_and_hears_of_no_end() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half"]).then_never());
    let (_, mut subscription) = world.send("hi").await;
    settle().await;
    let begun = tokio::time::Instant::now();
    assert!(world.runtime.shutdown(DEADLINE).await);
    assert!(begun.elapsed() <= DEADLINE);
    let heard = [crate::support::next(&mut subscription).await, crate::support::next(&mut subscription).await];
    assert_eq!(names(&heard), ["accepted", "delta half"]);
    assert!(subscription.try_next().unwrap().is_none());
    assert!(world.runtime.shutdown(DEADLINE).await);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_stop_is_dropped_at_the_deadline() {
    let world = World::new().await;
    world.runtime.tasks().spawn("stubborn", std::future::pending()).unwrap();
    let begun = tokio::time::Instant::now();
    assert!(!world.runtime.shutdown(DEADLINE).await);
    assert_eq!(begun.elapsed(), DEADLINE);
    settle().await;
    assert!(world.runtime.tasks().is_empty());
}

#[tokio::test]
async fn suspended_and_waiting_runs_are_found_again_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = exoclaw_store::SqliteConfig::new(dir.path().join("exoclaw.db"));
    let open = || Arc::new(exoclaw_store::SqliteStore::open(&config).unwrap());
    let world = World::over(open(), Arc::default(), |_| {}).await;
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let begin = begun.clone();
    world.script.answer(Answer::empty().and_wait(async move { begin.add_permits(1) }).and_wait(opened(&gate)));
    world.send("1").await;
    begun.acquire().await.unwrap().forget();
    let (second, _) = world.send("2").await;
    world.runtime.shutdown(Duration::from_millis(300)).await;
    drop(world);

    let world = World::found(open(), [Answer::text(["one"]), Answer::text(["two"])]).await;
    let (_, mut subscription) = world.subscribe(None).await;
    assert!(matches!(end(&mut subscription, &second.run_id).await, Event::Final { .. }));
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: 1", "User: 2", "Assistant: one", "Assistant: two"]);
}
