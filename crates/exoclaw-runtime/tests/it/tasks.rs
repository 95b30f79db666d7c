//! The owner of tasks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use exoclaw_runtime::{Stopped, Tasks};

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_tasks_and_takes_no_more() {
    let tasks = Tasks::default();
    let finished = Arc::new(AtomicBool::new(false));
    let (token, flag) = (tasks.token(), finished.clone());
    let work = async move {
        token.cancelled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        flag.store(true, Ordering::Relaxed);
    };
    tasks.spawn("work", work).unwrap();
    assert_eq!(tasks.len(), 1);
    assert!(tasks.stop(DEADLINE).await);
    assert!(finished.load(Ordering::Relaxed));
    assert_eq!(tasks.spawn("late", async {}), Err(Stopped));
    assert!(tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_harms_no_other_task() {
    let tasks = Tasks::default();
    tasks.spawn("panicking", async { panic!("as it was told to") }).unwrap();
    let (done, is_done) = tokio::sync::oneshot::channel();
    tasks.spawn("other", async move { done.send(()).unwrap() }).unwrap();
    is_done.await.unwrap();
    assert!(tasks.stop(DEADLINE).await);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_stop_is_dropped() {
    let tasks = Tasks::default();
    let guard = Arc::new(());
    let held = guard.clone();
    let stubborn = async move {
        std::future::pending::<()>().await;
        drop(held);
    };
    tasks.spawn("stubborn", stubborn).unwrap();
    assert!(!tasks.stop(DEADLINE).await);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(Arc::strong_count(&guard), 1);
}
