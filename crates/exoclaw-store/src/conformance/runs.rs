use exoclaw_protocol::{AbortReason, IdempotencyKey, RunOptions};
use futures::future::join_all;

use super::samples::{ALL, accepted, ended, keyed, one_of_each, session};
use crate::{AppendError, KeyedRun, OpenRun, Record, RunOutcome, SessionFilter, Store};

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

/// A key that was used is known with its run, in its session only.
pub async fn a_key_is_taken_once_per_session(store: &dyn Store) {
    let (one, two) = (session("one"), session("two"));
    assert_eq!(store.find_key(&one, &key("k")).await.unwrap(), None);
    store.append(&one, 1, vec![keyed("a", "k")]).await.unwrap();
    let refused = store.append(&one, 2, vec![keyed("b", "k")]).await;
    assert!(matches!(&refused, Err(AppendError::DuplicateKey(found)) if *found == key("k")), "{refused:?}");
    store.append(&two, 3, vec![keyed("c", "k")]).await.unwrap();

    let found =
        |run: &str| KeyedRun { run_id: run.parse().unwrap(), digest: format!("digest of {run}"), outcome: None };
    assert_eq!(store.find_key(&one, &key("k")).await.unwrap(), Some(found("a")));
    assert_eq!(store.find_key(&two, &key("k")).await.unwrap(), Some(found("c")));
    assert_eq!(store.find_key(&two, &key("K")).await.unwrap(), None);
}

/// Of many sends at once under one key, one gets through and the others are told; neighbours are not harmed.
pub async fn a_key_taken_twice_at_once_is_taken_once(store: &dyn Store) {
    let main = session("main");
    let sends = (0..16).map(|n| store.append(&main, 1, vec![keyed(&format!("same-{n}"), "k")]));
    let others = (0..16).map(|n| store.append(&main, 1, vec![keyed(&format!("other-{n}"), &format!("k-{n}"))]));
    let (sends, others) = futures::join!(join_all(sends), join_all(others));
    assert_eq!(sends.iter().filter(|sent| sent.is_ok()).count(), 1);
    assert!(sends.iter().all(|sent| matches!(sent, Ok(_) | Err(AppendError::DuplicateKey(_)))), "{sends:?}");
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert_eq!(store.session(&main).await.unwrap().unwrap().last_seq, 17);
    assert_eq!(store.read_only(), None);
}

/// A key can't be used twice within one append either.
pub async fn a_key_twice_in_one_append_is_refused(store: &dyn Store) {
    let refused = store.append(&session("main"), 1, vec![keyed("a", "k"), keyed("b", "k")]).await;
    assert!(matches!(refused, Err(AppendError::DuplicateKey(_))), "{refused:?}");
    assert_eq!(store.find_key(&session("main"), &key("k")).await.unwrap(), None);
}

/// A run has one message.
pub async fn a_run_is_accepted_once_per_session(store: &dyn Store) {
    store.append(&session("one"), 1, vec![accepted("a")]).await.unwrap();
    let refused = store.append(&session("one"), 1, vec![accepted("a")]).await;
    assert!(matches!(&refused, Err(AppendError::DuplicateRun(run)) if run.as_str() == "a"), "{refused:?}");
    store.append(&session("two"), 1, vec![accepted("a")]).await.unwrap();
    let refused = store.append(&session("two"), 1, vec![accepted("b"), accepted("b")]).await;
    assert!(matches!(refused, Err(AppendError::DuplicateRun(_))), "{refused:?}");
}

/// Open runs come in the order of acceptance, over all sessions.
pub async fn a_run_is_open_until_it_ends(store: &dyn Store) {
    let (one, two) = (session("one"), session("two"));
    store.append(&two, 9, vec![accepted("a")]).await.unwrap();
    store.append(&one, 8, one_of_each("b")).await.unwrap();
    store.append(&one, 7, vec![accepted("c")]).await.unwrap();
    store.append(&two, 6, vec![accepted("d")]).await.unwrap();
    let open = |session: &_, run: &str, accepted_seq| OpenRun {
        session: Clone::clone(session),
        run_id: run.parse().unwrap(),
        accepted_seq,
        resumed: 0,
        by: None,
        options: RunOptions::default(),
    };
    let expected = vec![open(&two, "a", 1), open(&one, "c", 10), open(&two, "d", 2)];
    assert_eq!(store.open_runs().await.unwrap(), expected);

    // Only the run of that session ends.
    store.append(&one, 5, vec![ended("a", RunOutcome::Ok)]).await.unwrap();
    assert_eq!(store.open_runs().await.unwrap(), expected);
    store.append(&two, 5, vec![ended("a", RunOutcome::Ok)]).await.unwrap();
    assert_eq!(store.open_runs().await.unwrap(), expected[1..]);
}

/// A run ends once; whatever ends it again changes nothing.
pub async fn the_first_outcome_of_a_run_counts(store: &dyn Store) {
    let main = session("main");
    let aborted = RunOutcome::Aborted { text: "half a sen".into(), reason: AbortReason::Timeout };
    store.append(&main, 1, vec![keyed("a", "k")]).await.unwrap();
    store.append(&main, 1, vec![ended("a", aborted.clone()), ended("a", RunOutcome::Ok)]).await.unwrap();
    store.append(&main, 1, vec![ended("a", RunOutcome::Ok)]).await.unwrap();
    assert_eq!(store.find_key(&main, &key("k")).await.unwrap().unwrap().outcome, Some(aborted));
}

/// How often a run was taken up again is known with it, for itself.
pub async fn a_run_taken_up_again_is_counted(store: &dyn Store) {
    let main = session("main");
    let resumed = |run: &str| Record::RunResumed { run_id: run.parse().unwrap() };
    store.append(&main, 1, vec![accepted("a"), accepted("b"), resumed("a")]).await.unwrap();
    store.append(&main, 2, vec![resumed("a"), resumed("unknown")]).await.unwrap();
    let open = store.open_runs().await.unwrap();
    let counts: Vec<_> = open.iter().map(|run| (run.run_id.as_str(), run.resumed)).collect();
    assert_eq!(counts, [("a", 2), ("b", 0)]);
}

/// Only keys of old runs that have ended go; the runs stay, and such a key counts as new.
pub async fn a_key_is_forgotten_after_its_time(store: &dyn Store) {
    let (one, two) = (session("one"), session("two"));
    let over = |run: &str| ended(run, RunOutcome::Ok);
    store.append(&one, 10, vec![keyed("old", "k-old"), over("old"), keyed("open", "k-open")]).await.unwrap();
    store.append(&one, 20, vec![keyed("new", "k-new"), over("new")]).await.unwrap();
    store
        .append(&two, 19, vec![keyed("other", "k-old"), over("other"), accepted("keyless"), over("keyless")])
        .await
        .unwrap();
    let known = async |session, text| store.find_key(session, &key(text)).await.unwrap().is_some();

    assert_eq!(store.forget_keys(10, 100).await.unwrap(), 0);
    assert_eq!(store.forget_keys(20, 100).await.unwrap(), 2);
    assert_eq!(store.forget_keys(20, 100).await.unwrap(), 0);
    let left = (known(&one, "k-old").await, known(&one, "k-open").await, known(&one, "k-new").await);
    assert_eq!(left, (false, true, true));
    assert!(!known(&two, "k-old").await);

    let again = store.append(&one, 30, vec![accepted("old")]).await;
    assert!(matches!(again, Err(AppendError::DuplicateRun(_))), "{again:?}");
    store.append(&one, 30, vec![keyed("newer", "k-old")]).await.unwrap();
    assert!(known(&one, "k-old").await);
    store.append(&one, 31, vec![over("open")]).await.unwrap();
    assert_eq!(store.forget_keys(20, 100).await.unwrap(), 1);
}

/// The oldest first, as many as were asked for.
pub async fn no_more_keys_are_forgotten_at_once_than_asked_for(store: &dyn Store) {
    let main = session("main");
    for n in [3, 1, 2] {
        let run = format!("run-{n}");
        store.append(&main, n, vec![keyed(&run, &format!("k-{n}")), ended(&run, RunOutcome::Ok)]).await.unwrap();
    }
    assert_eq!(store.forget_keys(100, 0).await.unwrap(), 0);
    assert_eq!(store.forget_keys(100, 2).await.unwrap(), 2);
    assert_eq!(store.find_key(&main, &key("k-2")).await.unwrap(), None);
    assert!(store.find_key(&main, &key("k-3")).await.unwrap().is_some());
    assert_eq!(store.forget_keys(100, 2).await.unwrap(), 1);
}

/// It takes nothing more and has no open runs, says why, and can still be read; others are not touched.
pub async fn a_quarantined_session_stands_still(store: &dyn Store) {
    let (bad, good) = (session("bad"), session("good"));
    for session in [&bad, &good] {
        store.append(session, 1, vec![keyed("a", "k")]).await.unwrap();
    }
    store.quarantine(&bad, "record 1 is damaged").await.unwrap();
    store.quarantine(&bad, "another reason").await.unwrap();
    store.quarantine(&session("unknown"), "a reason").await.unwrap();

    let refused = store.append(&bad, 2, vec![accepted("b")]).await;
    let told = matches!(&refused, Err(AppendError::Quarantined { reason }) if reason == "record 1 is damaged");
    assert!(told, "{refused:?}");
    store.append(&good, 2, vec![accepted("b")]).await.unwrap();
    let open: Vec<_> = store.open_runs().await.unwrap().into_iter().map(|run| run.session).collect();
    assert_eq!(open, [good.clone(), good.clone()]);

    let summary = store.session(&bad).await.unwrap().unwrap();
    assert_eq!((summary.last_seq, summary.quarantined.as_deref()), (1, Some("record 1 is damaged")));
    assert_eq!(
        store.sessions(SessionFilter::latest(10)).await.unwrap(),
        vec![store.session(&good).await.unwrap().unwrap(), summary]
    );
    assert_eq!(store.session_count().await.unwrap(), 2);
    assert_eq!(store.read(&bad, 0, ALL).await.unwrap().len(), 1);
    assert!(store.find_key(&bad, &key("k")).await.unwrap().is_some());
}
