use exoclaw_protocol::{Origin, Spent};
use futures::future::join_all;

use super::samples::{ALL, accepted, approval, keyed, of_the_session, one_of_each, oversized, scope, session};
use crate::{
    AppendError, Appended, Conversation, Entry, Page, ReadError, Record, SessionFilter, SessionSummary, Store,
};

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// A session of ten entries.
async fn ten(store: &dyn Store) {
    for n in 1..=10 {
        store.append(&session("ten"), n, vec![accepted(&format!("run-{n}"))]).await.unwrap();
    }
}

/// Entries are numbered from 1 without gaps, over several appends.
pub async fn numbers_follow_the_order_of_appending(store: &dyn Store) {
    let main = session("main");
    let first = store.append(&main, 5, vec![accepted("a"), accepted("b")]).await.unwrap();
    let second = store.append(&main, 4, vec![accepted("c")]).await.unwrap();
    assert_eq!((first, second), (Appended { first: 1, last: 2 }, Appended { first: 3, last: 3 }));
    let expected = vec![
        Entry { seq: 1, at_ms: 5, record: accepted("a") },
        Entry { seq: 2, at_ms: 5, record: accepted("b") },
        Entry { seq: 3, at_ms: 4, record: accepted("c") },
    ];
    assert_eq!(store.read(&main, 0, ALL).await.unwrap(), expected);
    assert_eq!(store.tail(&main, None, ALL).await.unwrap(), expected);
}

/// Each session has its own numbers and records.
pub async fn sessions_are_strangers_to_each_other(store: &dyn Store) {
    for name in ["one", "two"] {
        let appended = store.append(&session(name), 1, vec![accepted("run")]).await.unwrap();
        assert_eq!(appended, Appended { first: 1, last: 1 });
    }
    assert_eq!(store.read(&session("one"), 0, ALL).await.unwrap().len(), 1);
    assert_eq!(store.read(&session("three"), 0, ALL).await.unwrap(), vec![]);
    assert_eq!(store.tail(&session("three"), None, ALL).await.unwrap(), vec![]);
    assert_eq!(store.session_count().await.unwrap(), 2);
}

/// Every kind of record survives, whatever is in it.
pub async fn every_record_comes_back_as_it_was(store: &dyn Store) {
    let records = [one_of_each("run"), approval("run"), of_the_session("run")].concat();
    store.append(&session("main"), u64::MAX, records.clone()).await.unwrap();
    let read = store.read(&session("main"), 0, ALL).await.unwrap();
    assert!(read.iter().all(|entry| entry.at_ms == u64::MAX), "{read:?}");
    assert_eq!(read.into_iter().map(|entry| entry.record).collect::<Vec<_>>(), records);
}

/// A page holds no more entries or bytes than it may, from the right end.
pub async fn a_page_keeps_to_its_bounds(store: &dyn Store) {
    ten(store).await;
    let ten = session("ten");
    let three = Page { entries: 3, ..ALL };
    assert_eq!(seqs(&store.read(&ten, 4, three).await.unwrap()), [5, 6, 7]);
    assert_eq!(seqs(&store.tail(&ten, None, three).await.unwrap()), [8, 9, 10]);
    assert_eq!(seqs(&store.tail(&ten, Some(8), three).await.unwrap()), [5, 6, 7]);

    // Runs 1 to 9 have records of one length.
    let one = serde_json::to_string(&accepted("run-1")).unwrap().len() as u64;
    let two = Page { bytes: 2 * one, ..ALL };
    assert_eq!(seqs(&store.read(&ten, 2, two).await.unwrap()), [3, 4]);
    assert_eq!(seqs(&store.tail(&ten, Some(9), two).await.unwrap()), [7, 8]);
    let nearly_two = Page { bytes: 2 * one - 1, ..ALL };
    assert_eq!(seqs(&store.read(&ten, 2, nearly_two).await.unwrap()), [3]);
}

/// Bounds of nothing still let one entry through, so that a reader gets on.
pub async fn a_page_holds_at_least_one_entry(store: &dyn Store) {
    ten(store).await;
    let nothing = Page { entries: 0, bytes: 0 };
    assert_eq!(seqs(&store.read(&session("ten"), 4, nothing).await.unwrap()), [5]);
    assert_eq!(seqs(&store.tail(&session("ten"), None, nothing).await.unwrap()), [10]);
}

/// Whatever number a client makes up is answered.
pub async fn bounds_beyond_the_journal_are_harmless(store: &dyn Store) {
    ten(store).await;
    let ten = session("ten");
    assert_eq!(store.read(&ten, 10, ALL).await.unwrap(), vec![]);
    assert_eq!(store.read(&ten, u64::MAX, ALL).await.unwrap(), vec![]);
    assert_eq!(store.tail(&ten, Some(0), ALL).await.unwrap(), vec![]);
    assert_eq!(store.tail(&ten, Some(1), ALL).await.unwrap(), vec![]);
    let most = Page { entries: u32::MAX, bytes: u64::MAX };
    assert_eq!(store.tail(&ten, Some(u64::MAX), most).await.unwrap().len(), 10);
}

/// All records of an append or none, and no session comes of a refused one.
pub async fn nothing_is_appended_by_a_refused_append(store: &dyn Store) {
    let main = session("main");
    let refused = store.append(&main, 1, vec![]).await;
    assert!(matches!(refused, Err(AppendError::Empty)), "{refused:?}");
    let refused = store.append(&main, 1, vec![keyed("a", "k"), keyed("b", "k")]).await;
    assert!(matches!(refused, Err(AppendError::DuplicateKey(_))), "{refused:?}");
    assert_eq!(store.session(&main).await.unwrap(), None);
    assert_eq!(store.session_count().await.unwrap(), 0);
    assert_eq!(store.open_runs().await.unwrap(), vec![]);

    store.append(&main, 1, vec![keyed("a", "k")]).await.unwrap();
    let refused = store.append(&main, 2, vec![accepted("b"), keyed("c", "k")]).await;
    assert!(matches!(refused, Err(AppendError::DuplicateKey(_))), "{refused:?}");
    assert_eq!(seqs(&store.read(&main, 0, ALL).await.unwrap()), [1]);
    assert_eq!(store.session(&main).await.unwrap().unwrap().updated_ms, 1);
    assert_eq!(store.append(&main, 3, vec![accepted("b")]).await.unwrap(), Appended { first: 2, last: 2 });
    assert_eq!(store.read_only(), None);
}

/// A record beyond all measure is refused before it is handed on.
pub async fn a_record_beyond_measure_is_refused(store: &dyn Store) {
    let refused = store.append(&session("main"), 1, vec![accepted("a"), oversized()]).await;
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    assert_eq!(store.session_count().await.unwrap(), 0);
    assert_eq!(store.read_only(), None);
}

/// Eight writers in one session: each record is where its answer says, in its writer's order.
pub async fn concurrent_appends_leave_no_gap(store: &dyn Store) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 25;
    let main = session("main");
    let write = async |writer: u64| {
        let mut placed = Vec::new();
        for n in 0..EACH {
            let record = accepted(&format!("run-{writer}-{n}"));
            let appended = store.append(&main, n, vec![record.clone()]).await.unwrap();
            placed.push((appended.first, record));
        }
        assert!(placed.is_sorted_by_key(|(seq, _)| *seq));
        placed
    };
    let mut placed = join_all((0..WRITERS).map(write)).await.concat();
    placed.sort_by_key(|(seq, _)| *seq);
    let read = store.read(&main, 0, ALL).await.unwrap();
    assert_eq!(seqs(&read), (1..=WRITERS * EACH).collect::<Vec<_>>());
    let read: Vec<(u64, Record)> = read.into_iter().map(|entry| (entry.seq, entry.record)).collect();
    assert_eq!(read, placed);
}

/// The order of appending decides, not the caller's clock, which may go backwards.
pub async fn sessions_are_listed_by_last_use(store: &dyn Store) {
    for (at_ms, name) in [(30, "a"), (20, "b"), (10, "c"), (1, "a")] {
        store.append(&session(name), at_ms, vec![accepted(&format!("run-{at_ms}"))]).await.unwrap();
    }
    let listed = async |limit| -> Vec<String> {
        let sessions = store.sessions(SessionFilter::latest(limit)).await.unwrap();
        sessions.into_iter().map(|summary| summary.session.tail().to_owned()).collect()
    };
    assert_eq!(listed(10).await, ["a", "c", "b"]);
    assert_eq!(listed(2).await, ["a", "c"]);
    assert_eq!(listed(0).await, Vec::<String>::new());
}

/// Times, last number and count of messages.
pub async fn a_session_is_summed_up(store: &dyn Store) {
    let main = session("main");
    assert_eq!(store.session(&main).await.unwrap(), None);
    store.append(&main, 7, one_of_each("a")).await.unwrap();
    store.append(&main, 9, vec![accepted("b")]).await.unwrap();
    let summary = SessionSummary {
        session: main.clone(),
        created_ms: 7,
        updated_ms: 9,
        last_seq: 10,
        messages: 2,
        quarantined: None,
        conversation: Conversation {
            title: Some("žluťoučký 🐎 \"\\".into()),
            origin: Some(Origin { peer: Some("dm:U1".parse().unwrap()), ..Origin::channel("slack") }),
            ..Conversation::default()
        },
        spent: Spent { steps: 1, cost: exoclaw_protocol::Money::MAX, ..Spent::default() },
    };
    assert_eq!(store.session(&main).await.unwrap(), Some(summary.clone()));
    assert_eq!(store.sessions(SessionFilter::latest(10)).await.unwrap(), vec![summary]);
}

/// Closing twice is closing; nothing goes in or out afterwards.
pub async fn a_closed_store_refuses_everything(store: &dyn Store) {
    let main = session("main");
    store.append(&main, 1, vec![accepted("a")]).await.unwrap();
    assert_eq!(store.read_only(), None);
    futures::join!(store.close(), store.close());
    store.close().await;
    let refused = store.append(&main, 1, vec![accepted("b")]).await;
    assert!(matches!(refused, Err(AppendError::Closed)), "{refused:?}");
    let refused = store.read(&main, 0, ALL).await;
    assert!(matches!(refused, Err(ReadError::Closed)), "{refused:?}");
    assert!(store.kv_set(&scope("p", "a"), "k", vec![], 10).await.is_err());
    assert!(store.kv_get(&scope("p", "a"), "k").await.is_err());
    assert!(store.read_only().is_some());
}
