use std::time::Duration;

use exoclaw_protocol::Message;
use exoclaw_store::{
    AppendError, KvError, Record, SqliteStore, Store,
    conformance::samples::{ALL, accepted, scope, session},
};
use futures::future::join_all;

use super::Home;

fn large(run: &str) -> Record {
    let message = Message::user("x".repeat(4096));
    Record::accepted(run.parse().unwrap(), message, "d")
}

/// Appends until the database is full; says how many appends were acknowledged.
async fn fill(store: &SqliteStore) -> u64 {
    for n in 0..1000 {
        match store.append(&session("main"), n, vec![large(&format!("run-{n}"))]).await {
            Ok(appended) => assert_eq!(appended.first, n + 1),
            Err(AppendError::ReadOnly { .. }) => return n,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("the bound of the database does not bind");
}

fn bounded(home: &Home) -> SqliteStore {
    SqliteStore::open(&exoclaw_store::SqliteConfig { max_bytes: Some(512 * 1024), ..home.config() }).unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_before_the_disk_was_full_stays() {
    let home = Home::new();
    let store = bounded(&home);
    let acknowledged = fill(&store).await;
    assert!(acknowledged > 10);
    assert!(store.read_only().unwrap().contains("full"));

    let refused = store.append(&session("other"), 1, vec![accepted("a")]).await;
    assert!(matches!(refused, Err(AppendError::ReadOnly { .. })), "{refused:?}");
    let refused = store.kv_set(&scope("notes", "main"), "k", vec![1], 10).await;
    assert!(matches!(refused, Err(KvError::ReadOnly { .. })), "{refused:?}");
    assert_eq!(store.read(&session("main"), 0, ALL).await.unwrap().len() as u64, acknowledged);
    store.close().await;

    let store = home.open();
    assert_eq!(store.read(&session("main"), 0, ALL).await.unwrap().len() as u64, acknowledged);
    assert_eq!(store.session(&session("main")).await.unwrap().unwrap().last_seq, acknowledged);
    assert_eq!(store.append(&session("main"), 1, vec![accepted("a")]).await.unwrap().first, acknowledged + 1);
}

/// Of appends that share a transaction with one that finds no room, none is acknowledged that is not there.
#[tokio::test]
async fn whoever_shares_the_transaction_is_refused_too() {
    let home = Home::new();
    let store = bounded(&home);
    let appends = (0..400).map(|n| {
        let (store, session) = (store.clone(), session(&format!("s-{n}")));
        async move { store.append(&session, 1, vec![large("run")]).await.is_ok() }
    });
    let answers = join_all(appends).await;
    assert!(answers.iter().any(|acknowledged| !acknowledged));
    store.close().await;
    let store = home.open();
    for (n, acknowledged) in answers.iter().enumerate() {
        let found = store.session(&session(&format!("s-{n}"))).await.unwrap();
        assert_eq!(found.is_some(), *acknowledged, "s-{n}");
    }
}

#[tokio::test]
async fn writing_goes_on_when_there_is_room_again() {
    let home = Home::new();
    let store = bounded(&home);
    let acknowledged = fill(&store).await;
    home.raw().execute_batch("DELETE FROM records WHERE seq <= 40").unwrap();

    // The writer looks for room by itself.
    let recovered = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while store.read_only().is_some() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recovered).await.expect("the store stays read-only");
    let appended = store.append(&session("main"), 1, vec![accepted("a")]).await.unwrap();
    assert_eq!(appended.first, acknowledged + 1);
}
