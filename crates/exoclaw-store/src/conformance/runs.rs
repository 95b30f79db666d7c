use exoclaw_protocol::IdempotencyKey;
use futures::future::join_all;

use super::samples::{accepted, ended, keyed, one_of_each, session};
use crate::{AppendError, KeyedRun, OpenRun, RunOutcome, Store};

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
    };
    let expected = vec![open(&two, "a", 1), open(&one, "c", 7), open(&two, "d", 2)];
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
    let aborted = RunOutcome::Aborted { text: "half a sen".into() };
    store.append(&main, 1, vec![keyed("a", "k")]).await.unwrap();
    store.append(&main, 1, vec![ended("a", aborted.clone()), ended("a", RunOutcome::Ok)]).await.unwrap();
    store.append(&main, 1, vec![ended("a", RunOutcome::Ok)]).await.unwrap();
    assert_eq!(store.find_key(&main, &key("k")).await.unwrap().unwrap().outcome, Some(aborted));
}
