use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use exoclaw_store::{
    OpenError, SessionFilter, Store,
    conformance::samples::{ALL, accepted, one_of_each, scope, session},
};
use futures::future::join_all;

use super::Home;

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let home = Home::new();
    let store = home.open();
    store.append(&session("main"), 5, one_of_each("a")).await.unwrap();
    store.append(&session("other"), 6, vec![accepted("b")]).await.unwrap();
    store.kv_set(&scope("notes", "main"), "k", vec![1], 10).await.unwrap();
    let before = (
        store.read(&session("main"), 0, ALL).await.unwrap(),
        store.sessions(SessionFilter::latest(10)).await.unwrap(),
        store.open_runs().await.unwrap(),
    );
    store.close().await;

    let store = home.open();
    let after = (
        store.read(&session("main"), 0, ALL).await.unwrap(),
        store.sessions(SessionFilter::latest(10)).await.unwrap(),
        store.open_runs().await.unwrap(),
    );
    assert_eq!(after, before);
    assert_eq!(store.kv_get(&scope("notes", "main"), "k").await.unwrap(), Some(vec![1]));
    assert_eq!(store.append(&session("main"), 7, vec![accepted("c")]).await.unwrap().first, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_eight_tasks_write_is_there_after_a_drop() {
    const EACH: u64 = 50;
    let home = Home::new();
    let store = Arc::new(home.open());
    let write = |writer: u64| {
        let store = Arc::clone(&store);
        async move {
            let mut last = 0;
            for n in 0..EACH {
                let record = accepted(&format!("run-{writer}-{n}"));
                let own = store.append(&session(&format!("own-{writer}")), n, vec![record.clone()]).await.unwrap();
                assert_eq!((own.first, own.last), (n + 1, n + 1));
                let shared = store.append(&session("shared"), n, vec![record]).await.unwrap();
                assert!(shared.first > last);
                last = shared.first;
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "real parallel callers")]
    let tasks = join_all((0..8).map(|writer| tokio::spawn(write(writer)))).await;
    assert!(tasks.iter().all(Result::is_ok), "{tasks:?}");
    drop(store);

    let store = home.open();
    assert_eq!(store.session(&session("shared")).await.unwrap().unwrap().last_seq, 8 * EACH);
    assert_eq!(store.read(&session("shared"), 0, ALL).await.unwrap().len() as u64, 8 * EACH);
    for writer in 0..8 {
        let own = store.read(&session(&format!("own-{writer}")), 0, ALL).await.unwrap();
        let expected: Vec<_> = (0..EACH).map(|n| accepted(&format!("run-{writer}-{n}"))).collect();
        assert_eq!(own.into_iter().map(|entry| entry.record).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_is_done() {
    let home = Home::new();
    let first = home.open();
    let refused = home.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    assert!(refused.to_string().contains(&home.path().display().to_string()));
    first.close().await;
    let second = home.open();
    drop(second);
    home.open();
}

#[test]
fn the_files_are_closed_to_others() {
    let home = Home::new();
    fs::write(home.path(), "").unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let _store = home.open();
    let modes: Vec<_> = fs::read_dir(home.0.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    assert!(modes.len() >= 3 && modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[test]
fn a_newer_format_is_left_alone() {
    let home = Home::new();
    drop(home.open());
    home.raw().pragma_update(None, "user_version", 8).unwrap();
    let before = fs::read(home.path()).unwrap();
    let refused = home.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 8, known: 7, .. }), "{refused:?}");
    assert_eq!(fs::read(home.path()).unwrap(), before);
}

#[test]
fn a_foreign_file_is_left_alone() {
    let text = Home::new();
    fs::write(text.path(), "notes ".repeat(1000)).unwrap();
    let database = Home::new();
    database.raw().execute_batch("CREATE TABLE t (a)").unwrap();
    for home in [text, database] {
        let before = fs::read(home.path()).unwrap();
        let refused = home.try_open().unwrap_err();
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused:?}");
        assert_eq!(fs::read(home.path()).unwrap(), before);
    }
}

#[test]
fn a_path_that_cannot_be_is_named() {
    let home = Home::new();
    fs::write(home.path(), "").unwrap();
    let config = exoclaw_store::SqliteConfig::new(home.path().join("below/a/file.db"));
    let refused = exoclaw_store::SqliteStore::open(&config).unwrap_err();
    assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
    assert!(refused.to_string().contains("store.db/below"), "{refused}");
}
