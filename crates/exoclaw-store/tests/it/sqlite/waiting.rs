//! What happens to those who wait for the writer.

use exoclaw_store::{
    AppendError, KvError, Store,
    conformance::samples::{ALL, accepted, scope, session},
};
use futures::future::join_all;
use rusqlite::Connection;

use super::Home;

/// Another program that holds the database, so that the writer waits, until it is told to let go.
struct Holder(Connection);

impl Holder {
    fn of(home: &Home) -> Self {
        let connection = home.raw();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    async fn let_go(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_loses_nothing() {
    let home = Home::new();
    let store = home.open();
    let holder = Holder::of(&home);
    let appends = (0..6000).map(|n| store.append(&session("main"), n, vec![accepted(&format!("run-{n}"))]));
    let (answers, ()) = futures::join!(join_all(appends), holder.let_go());
    let acknowledged = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((4000..6000).contains(&acknowledged), "{acknowledged}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(AppendError::Busy))));
    assert_eq!(store.read(&session("main"), 0, ALL).await.unwrap().len(), acknowledged);
    assert_eq!(store.read_only(), None);
    store.append(&session("main"), 1, vec![accepted("after")]).await.unwrap();
}

#[tokio::test]
async fn few_large_values_fill_the_queue_too() {
    const LARGE: usize = 8 << 20;
    let home = Home::new();
    let store = home.open();
    let holder = Holder::of(&home);
    let notes = scope("notes", "main");
    let sets = (0..12).map(|n| store.kv_set(&notes, &n.to_string(), vec![0; LARGE], u64::MAX));
    let (answers, ()) = futures::join!(join_all(sets), holder.let_go());
    let kept = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..12).contains(&kept), "{kept}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(KvError::Failed(_)))));
    assert_eq!(store.kv_keys(&notes, "", 100).await.unwrap().len(), kept);
    store.kv_set(&notes, "after", vec![0; LARGE], u64::MAX).await.unwrap();
}

#[tokio::test]
async fn closing_finishes_what_waits() {
    let home = Home::new();
    let store = home.open();
    let holder = Holder::of(&home);
    let appends = (0..200).map(|n| store.append(&session("main"), n, vec![accepted(&format!("run-{n}"))]));
    let (answers, (), ()) = futures::join!(join_all(appends), store.close(), holder.let_go());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let store = home.open();
    assert_eq!(store.session(&session("main")).await.unwrap().unwrap().last_seq, 200);
}

/// More readers at once than there are places: all are served.
#[tokio::test]
async fn every_reader_is_served() {
    let home = Home::new();
    let store = home.open();
    store.append(&session("main"), 1, vec![accepted("a")]).await.unwrap();
    let reads = join_all((0..500).map(|_| store.read(&session("main"), 0, ALL))).await;
    assert!(reads.iter().all(|read| read.as_ref().is_ok_and(|entries| entries.len() == 1)));
}
