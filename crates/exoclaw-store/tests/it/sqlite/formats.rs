//! Stores that earlier versions wrote.

use std::os::unix::process::ExitStatusExt;

use exoclaw_protocol::{RunOptions, Spent, Usage};
use exoclaw_store::{
    Conversation, RunOutcome, Search, Store,
    conformance::samples::{ALL, accepted, ended, keyed, one_of_each, scope, session},
    upkeep,
};

use super::{Home, strace};

/// A store of version 1: two sessions with ended and open runs, keys and a value.
pub(super) fn version_1() -> Home {
    let home = Home::new();
    home.raw().execute_batch(include_str!("../../fixtures/format-1.sql")).unwrap();
    home
}

/// A store of version 2: as that of version 1, with a run that was taken up again and steps that counted tokens.
pub(super) fn version_2() -> Home {
    let home = Home::new();
    home.raw().execute_batch(include_str!("../../fixtures/format-2.sql")).unwrap();
    home
}

/// A store of version 3: as that of version 2, with approvals, a price and a credential.
pub(super) fn version_3() -> Home {
    let home = Home::new();
    home.raw().execute_batch(include_str!("../../fixtures/format-3.sql")).unwrap();
    home
}

/// A store of version 4: that of version 3 as version 4 upgraded it, after a session was deleted.
pub(super) fn version_4() -> Home {
    let home = Home::new();
    home.raw().execute_batch(include_str!("../../fixtures/format-4.sql")).unwrap();
    home
}

/// A store of version 5: as that of version 4, with a job.
pub(super) fn version_5() -> Home {
    let home = Home::new();
    home.raw().execute_batch(include_str!("../../fixtures/format-5.sql")).unwrap();
    home
}

/// A store of version 6: as that of version 5, with deliveries, a session that was compacted and one that was reset.
pub(super) fn version_6() -> Home {
    let home = Home::new();
    home.raw().execute_batch(include_str!("../../fixtures/format-6.sql")).unwrap();
    home
}

fn version(home: &Home) -> i32 {
    home.raw().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn schema(home: &Home) -> Vec<String> {
    let connection = home.raw();
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
    let mut names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut columns = connection
        .prepare(
            "SELECT m.name || '.' || c.name || ' ' || c.type || c.\"notnull\"
        FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1",
        )
        .unwrap();
    names.extend(columns.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    names
}

#[tokio::test]
async fn version_1_is_upgraded_with_all_that_it_holds() {
    let home = version_1();
    let store = home.open();
    let (main, other) = (session("main"), session("other"));
    let mut records = one_of_each("a");
    // What version 1 did not know.
    use exoclaw_store::Record::{Accepted, ApprovalRequested, ApprovalResolved, RunResumed, RunSuspended, Step};
    records.retain(|record| {
        !matches!(record, RunResumed { .. } | RunSuspended { .. } | ApprovalRequested { .. } | ApprovalResolved { .. })
    });
    for record in &mut records {
        if let Step { cost, .. } = record {
            *cost = None;
        }
        if let Accepted { by, origin, to, options, .. } = record {
            (*by, *origin, *to, *options) = (None, None, None, RunOptions::default());
        }
    }
    let read: Vec<_> = store.read(&main, 0, ALL).await.unwrap().into_iter().map(|entry| entry.record).collect();
    assert_eq!(read.len(), 10);
    assert_eq!(read[..5], records[..5]);
    assert_eq!(read[6], keyed("b", "k-b"));
    assert_eq!(store.read(&other, 0, ALL).await.unwrap()[2].at_ms, u64::MAX);
    let summary = store.session(&main).await.unwrap().unwrap();
    assert_eq!((summary.last_seq, summary.messages, summary.quarantined), (10, 3, None));
    let open: Vec<_> = store.open_runs().await.unwrap().into_iter().map(|run| (run.run_id, run.resumed)).collect();
    assert_eq!(open, [("d".parse().unwrap(), 0), ("e".parse().unwrap(), 0)]);
    assert_eq!(store.kv_get(&scope("notes", "main"), "list").await.unwrap(), Some(b"milk".to_vec()));

    // The age of keys was found in the records.
    assert_eq!(store.forget_keys(1_763_700_000_000, 10).await.unwrap(), 0);
    assert_eq!(store.forget_keys(1_763_700_001_000, 10).await.unwrap(), 1);
    assert!(store.find_key(&main, &"k-b".parse().unwrap()).await.unwrap().is_some());
    assert_eq!(store.append(&other, 1, vec![ended("e", RunOutcome::Ok), accepted("f")]).await.unwrap().last, 5);
    store.close().await;
    assert_eq!(version(&home), 7);
}

#[tokio::test]
async fn version_2_is_upgraded_and_summed_up() {
    let home = version_2();
    let store = home.open();
    let open = store.open_runs().await.unwrap();
    let open: Vec<_> = open.into_iter().map(|run| (run.run_id.to_string(), run.resumed, run.by)).collect();
    assert_eq!(open, [("d".to_owned(), 1, None), ("e".to_owned(), 0, None)]);
    let (main, other) = (session("main"), session("other"));
    let (main, other) = (store.spending(Some(&main), 0).await.unwrap(), store.spending(Some(&other), 0).await.unwrap());
    let ([main], [other]) = (&main[..], &other[..]) else { panic!("one day each") };
    assert_eq!((main.day, main.spent), (20_413, Spent { steps: 1, ..Spent::default() }));
    let usage = Usage {
        input_tokens: i64::MAX.cast_unsigned(),
        output_tokens: 42,
        cache_read_tokens: 7,
        cache_write_tokens: 0,
    };
    let cost = "0.001575".parse().unwrap();
    assert_eq!((other.day, other.spent), (20_413, Spent { steps: 2, usage, cost }));
    store.close().await;
    assert_eq!(version(&home), 7);
    let findings = upkeep::check(&home.path()).unwrap();
    assert!(findings.is_sound(), "{:?}", findings.problems);
}

#[tokio::test]
async fn version_3_is_upgraded_and_its_sessions_have_titles() {
    let home = version_3();
    let store = home.open();
    let open = store.open_runs().await.unwrap();
    let open: Vec<_> = open.into_iter().map(|run| (run.run_id.to_string(), run.options)).collect();
    assert_eq!(open, [("d".to_owned(), RunOptions::default()), ("e".to_owned(), RunOptions::default())]);
    let other = store.session(&session("other")).await.unwrap().unwrap();
    assert_eq!((other.last_seq, other.messages, other.spent.steps), (12, 3, 3));
    let titled = |title: &str| Conversation { title: Some(title.into()), ..Conversation::default() };
    assert_eq!(other.conversation, titled("d"));
    let main = store.session(&session("main")).await.unwrap().unwrap();
    assert_eq!(main.conversation, titled("žluťoučký 🐎 \"\\"));
    let phone = store.spending(None, 0).await.unwrap().into_iter().find(|spent| spent.credential.is_some()).unwrap();
    assert_eq!(phone.spent.cost, "0.01".parse().unwrap());
    store.close().await;
    assert_eq!(version(&home), 7);
    let findings = upkeep::check(&home.path()).unwrap();
    assert!(findings.is_sound(), "{:?}", findings.problems);
}

#[tokio::test]
async fn version_4_is_upgraded_and_takes_jobs() {
    let home = version_4();
    let store = home.open();
    let other = store.session(&session("other")).await.unwrap().unwrap();
    assert_eq!((other.last_seq, other.messages, other.spent.steps), (12, 3, 3));
    assert_eq!(other.conversation.title.as_deref(), Some("d"));
    let spent = store.spending(None, 0).await.unwrap();
    assert!(spent.iter().any(|spent| spent.spent.cost > "1000000".parse().unwrap()), "{spent:?}");
    assert_eq!(store.jobs().await.unwrap(), []);
    let id = "daily".parse().unwrap();
    store.set_job(&id, Some("{}".to_owned())).await.unwrap();
    store.close().await;
    assert_eq!(version(&home), 7);
    let findings = upkeep::check(&home.path()).unwrap();
    assert!(findings.is_sound(), "{:?}", findings.problems);

    home.raw().execute("UPDATE jobs SET json = '[]'", []).unwrap();
    assert_eq!(home.open().jobs().await.unwrap(), [exoclaw_store::StoredJob { id, text: None }]);
    let problems = upkeep::check(&home.path()).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].problem.contains("the job \"daily\""), "{problems:?}");
}

#[tokio::test]
async fn version_5_is_upgraded_and_takes_deliveries() {
    let home = version_5();
    let store = home.open();
    assert_eq!(store.jobs().await.unwrap()[0].text.as_deref(), Some("{}"));
    let other = store.session(&session("other")).await.unwrap().unwrap();
    assert_eq!((other.last_seq, other.conversation.title.as_deref(), other.conversation.to), (12, Some("d"), None));
    assert_eq!(store.deliveries("slack", 10).await.unwrap(), []);
    let mut heard = accepted("g");
    if let exoclaw_store::Record::Accepted { origin, to, .. } = &mut heard {
        (*origin, *to) = (Some(exoclaw_protocol::Origin::channel("slack")), Some("C1".to_owned()));
    }
    store.append(&session("other"), 1, vec![heard, ended("g", RunOutcome::Ok)]).await.unwrap();
    assert_eq!(store.deliveries("slack", 10).await.unwrap()[0].to, "C1");
    store.close().await;
    assert_eq!(version(&home), 7);
    let findings = upkeep::check(&home.path()).unwrap();
    assert!(findings.is_sound(), "{:?}", findings.problems);
}

#[tokio::test]
async fn version_6_is_upgraded_and_searched() {
    let home = version_6();
    let store = home.open();
    assert_eq!(store.deliveries("slack", 10).await.unwrap()[0].to, "C1");
    let find = async |text: &str| {
        let found = store.search(Search::of(text, 10)).await.unwrap();
        found.hits.into_iter().map(|hit| (hit.session, hit.entry.seq)).collect::<Vec<_>>()
    };
    assert_eq!(find("bakery").await, [(session("chat"), 4)]);
    assert_eq!(find("stat").await, [(session("chat"), 5)]);
    assert_eq!(find("cafe").await, []);
    assert_eq!(find("zlut").await, [(session("main"), 1)]);
    assert_eq!((find("r1").await, find("r2").await), (vec![], vec![(session("reset"), 4)]));
    store.append(&session("chat"), 1, vec![accepted("later")]).await.unwrap();
    assert_eq!(find("later").await, [(session("chat"), 9)]);
    store.close().await;
    assert_eq!(version(&home), 7);
    let findings = upkeep::check(&home.path()).unwrap();
    assert!(findings.is_sound(), "{:?}", findings.problems);
}

#[test]
fn an_upgraded_store_is_built_like_a_new_one() {
    for old in [version_1(), version_2(), version_3(), version_4(), version_5(), version_6()] {
        let new = Home::new();
        drop((old.open(), new.open()));
        assert_eq!(schema(&old), schema(&new));
    }
}

/// Tells the child, which is this test binary too, what to open.
const HOME: &str = "EXOCLAW_STORE_UPGRADE_TEST";

#[test]
fn child() {
    #[expect(clippy::disallowed_methods, reason = "the way to tell a child of the test harness")]
    let Ok(path) = std::env::var(HOME) else { return };
    drop(exoclaw_store::SqliteStore::open(&exoclaw_store::SqliteConfig::new(path)).unwrap());
}

/// Killed at each of its writes in turn, the upgrade leaves version 1 or 7, and the next start goes on from there.
#[test]
fn an_upgrade_that_is_killed_is_made_up_for() {
    let mut found = [0; 2];
    for number in 1.. {
        let Some(mut strace) = strace() else { return };
        let home = version_1();
        strace.arg("-P").arg(home.path());
        strace.arg("-P").arg(format!("{}-journal", home.path().display()));
        strace.args(["-e", "trace=pwrite64,fdatasync,fsync,unlink", "-e"]);
        strace.arg(format!("inject=pwrite64,fdatasync,fsync,unlink:signal=SIGKILL:when={number}"));
        strace.arg(std::env::current_exe().unwrap()).args(["sqlite::formats::child", "--exact"]);
        let status = strace.env(HOME, home.path()).output().unwrap().status;
        let killed = status.signal() == Some(9) || status.code() == Some(128 + 9);
        assert!(killed || status.success(), "{status}");
        found[usize::from(version(&home) == 7)] += 1;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = home.open();
            assert_eq!(store.read(&session("main"), 0, ALL).await.unwrap().len(), 10);
            assert_eq!(store.open_runs().await.unwrap().len(), 2);
            store.close().await;
        });
        assert_eq!(version(&home), 7);
        if !killed {
            break;
        }
    }
    assert!(found[0] > 0 && found[1] > 0, "{found:?}");
}
