use exoclaw_store::{
    Page, ReadError, SessionFilter, Store,
    conformance::samples::{ALL, accepted, keyed, scope, session},
};

use super::Home;

/// Two sessions of five records and a value; then `harm` is done to the file.
async fn harmed(harm: &str) -> (Home, exoclaw_store::SqliteStore) {
    let home = Home::new();
    let store = home.open();
    for name in ["bad", "good"] {
        for n in 1..=5 {
            store.append(&session(name), n, vec![keyed(&format!("run-{n}"), &format!("k-{n}"))]).await.unwrap();
        }
    }
    store.kv_set(&scope("notes", "main"), "k", b"value".to_vec(), 100).await.unwrap();
    store.close().await;
    home.raw().execute_batch(harm).unwrap();
    let store = home.open();
    (home, store)
}

/// The third record of `bad` is named, and all else can be read and written.
async fn check_third_is_named(harm: &str) {
    let (_home, store) = harmed(harm).await;
    let bad = session("bad");
    for read in [store.read(&bad, 0, ALL).await, store.tail(&bad, None, ALL).await] {
        let named = matches!(&read, Err(ReadError::Damaged { session, seq: 3, .. }) if *session == bad.to_string());
        assert!(named, "{harm}: {read:?}");
    }
    assert_eq!(store.read(&bad, 3, ALL).await.unwrap().len(), 2);
    assert_eq!(store.read(&bad, 0, Page { entries: 2, ..ALL }).await.unwrap().len(), 2);
    assert_eq!(store.read(&session("good"), 0, ALL).await.unwrap().len(), 5);
    assert_eq!(store.open_runs().await.unwrap().len(), 10);
    assert_eq!(store.append(&bad, 6, vec![accepted("run-6")]).await.unwrap().first, 6);
}

#[tokio::test]
async fn a_changed_record_is_named() {
    for change in [
        "json = replace(json, 'run-3', 'run-4')",
        "json = CAST(x'ff00fe' AS TEXT)",
        "json = ''",
        "at_ms = at_ms + 1",
        "crc32 = crc32 + 1",
        "crc32 = -1",
    ] {
        check_third_is_named(&format!("UPDATE records SET {change} WHERE session = 1 AND seq = 3")).await;
    }
}

#[tokio::test]
async fn a_record_in_the_place_of_another_is_named() {
    check_third_is_named(
        "UPDATE records SET (crc32, json) = (SELECT crc32, json FROM records WHERE session = 2 AND seq = 3)
         WHERE session = 1 AND seq = 3",
    )
    .await;
}

#[tokio::test]
async fn a_damaged_outcome_is_named() {
    let (_home, store) = harmed("UPDATE runs SET outcome = '{' WHERE session = 1 AND accepted_seq = 3").await;
    let found = store.find_key(&session("bad"), &"k-3".parse().unwrap()).await;
    assert!(matches!(found, Err(ReadError::Damaged { seq: 3, .. })), "{found:?}");
    assert!(store.find_key(&session("bad"), &"k-4".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_session_hides_no_other() {
    let (_home, store) =
        harmed("UPDATE sessions SET key = 'agent' WHERE id = 1; UPDATE sessions SET messages = -1 WHERE id = 1").await;
    let listed = store.sessions(SessionFilter::latest(10)).await.unwrap();
    assert_eq!(listed.into_iter().map(|summary| summary.session).collect::<Vec<_>>(), [session("good")]);
    assert_eq!(store.open_runs().await.unwrap().len(), 5);
}

/// The session's head says three records where there are five: only that session can't go on.
#[tokio::test]
async fn a_session_that_contradicts_itself_fails_alone() {
    let (_home, store) = harmed("UPDATE sessions SET last_seq = 3 WHERE id = 1").await;
    let (bad, good) = (session("bad"), session("good"));
    let (refused, appended) =
        futures::join!(store.append(&bad, 6, vec![accepted("x")]), store.append(&good, 6, vec![accepted("x")]));
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(appended.unwrap().first, 6);
    assert_eq!(store.read_only(), None);
}

#[tokio::test]
async fn a_damaged_value_is_not_handed_out() {
    let (_home, store) = harmed("UPDATE kv SET value = x'00'").await;
    assert!(store.kv_get(&scope("notes", "main"), "k").await.is_err());
    store.kv_set(&scope("notes", "main"), "k", b"new".to_vec(), 100).await.unwrap();
    assert_eq!(store.kv_get(&scope("notes", "main"), "k").await.unwrap(), Some(b"new".to_vec()));
}
