//! The index of words: what it leaves behind, what harms it, and how long a question may take.

use exoclaw_protocol::{AbortReason, Message};
use exoclaw_store::{
    ReadError, Record, RunOutcome, Search, Store,
    conformance::samples::{ended, session},
    upkeep,
};

use super::Home;

fn said(run: u32, text: &str) -> Record {
    Record::accepted(format!("r{run}").parse().unwrap(), Message::user(text), "d")
}

async fn found(store: &dyn Store, text: &str) -> usize {
    store.search(Search::of(text, 100)).await.unwrap().hits.len()
}

fn problems(home: &Home) -> Vec<String> {
    upkeep::check(&home.path()).unwrap().problems.iter().map(ToString::to_string).collect()
}

/// Of a word that only a deleted session had, no byte is in the file, however often the index was merged meanwhile.
#[tokio::test]
async fn nothing_of_a_deleted_session_is_left_in_the_file() {
    let home = Home::new();
    let store = home.open();
    let (gone, stays) = (session("gone"), session("stays"));
    for n in 0..300 {
        store.append(&gone, 1, vec![said(n, &format!("quicksilver{n} and words{n}"))]).await.unwrap();
        store.append(&stays, 1, vec![said(n, &format!("quartz{n} and words{n}"))]).await.unwrap();
    }
    let stopped = RunOutcome::Aborted { text: "quicksilverish".into(), reason: AbortReason::Asked };
    store.append(&gone, 1, vec![ended("r1", stopped)]).await.unwrap();
    assert_eq!((found(&store, "quicksilver").await, found(&store, "quartz").await), (100, 100));
    assert!(store.delete(&gone).await.unwrap());
    assert_eq!((found(&store, "quicksilver").await, found(&store, "quartz").await), (0, 100));
    assert_eq!(found(&store, "words7").await, 11);
    store.close().await;
    assert_eq!(problems(&home), [""; 0]);
    let bytes = std::fs::read(home.path()).unwrap();
    let count = |word: &[u8]| bytes.windows(word.len()).filter(|window| *window == word).count();
    assert!(count(b"quartz") > 300);
    // In the index a word is cut short where it begins like the one before it.
    assert_eq!((count(b"quicksilver"), count(b"uicksilver"), count(b"icksilver")), (0, 0, 0));
}

/// Its words are not known any more: the index is made anew.
#[tokio::test]
async fn nothing_of_a_damaged_session_is_left_in_the_file_either() {
    let home = Home::new();
    let store = home.open();
    store.append(&session("gone"), 1, vec![said(1, "quicksilver"), said(2, "quicksand")]).await.unwrap();
    store.append(&session("stays"), 1, vec![said(1, "quartz")]).await.unwrap();
    store.close().await;
    home.raw()
        .execute_batch("UPDATE records SET json = replace(json, 'quicksilver', 'quicklime') WHERE id = 1")
        .unwrap();
    let store = home.open();
    // What is damaged is not handed out.
    assert_eq!((found(&store, "quicksilver").await, found(&store, "quicksand").await), (0, 1));
    store.delete(&session("gone")).await.unwrap();
    assert_eq!((found(&store, "quick").await, found(&store, "quartz").await), (0, 1));
    store.close().await;
    assert_eq!(problems(&home), [""; 0]);
    let bytes = std::fs::read(home.path()).unwrap();
    assert!(!bytes.windows(5).any(|window| window == b"quick"));
}

#[tokio::test]
async fn an_index_that_does_not_fit_is_named_and_made_anew() {
    let home = Home::new();
    let store = home.open();
    store.append(&session("one"), 1, vec![said(1, "milk"), said(2, "bread")]).await.unwrap();
    store.close().await;
    assert_eq!(problems(&home), [""; 0]);
    for harm in [
        "INSERT INTO search (search, rowid, words) VALUES ('delete', 2, 'bread')",
        "INSERT INTO search (rowid, words) VALUES (2, 'butter')",
    ] {
        home.raw().execute_batch(harm).unwrap();
        assert_eq!(
            problems(&home),
            ["record 2 of session agent:main:one: it can't be found by its words, or is found by others"]
        );
        upkeep::rebuild(&home.config()).unwrap();
        assert_eq!(problems(&home), [""; 0]);
    }
    home.raw().execute_batch("UPDATE search_data SET block = x'00' WHERE id > 10").unwrap();
    assert_ne!(problems(&home), [""; 0]);
    upkeep::rebuild(&home.config()).unwrap();
    assert_eq!(problems(&home), [""; 0]);
    assert_eq!(found(&home.open(), "bread").await, 1);
}

/// A word that is everywhere, asked for where it is nowhere.
#[tokio::test]
async fn a_search_that_takes_too_long_is_broken_off() {
    let home = Home::new();
    let store = home.open();
    store.append(&session("one"), 1, vec![said(1, "milk")]).await.unwrap();
    home.raw()
        .execute_batch(
            "WITH RECURSIVE n (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n LIMIT 200000)
             INSERT INTO records (id, session, seq, at_ms, crc32, json) SELECT n, 1, n, 1, 0, '' FROM n;
             INSERT INTO search (rowid, words) SELECT id, 'milk' FROM records WHERE id > 1",
        )
        .unwrap();
    let sessions = (0..200).map(|n| session(&format!("no-{n}"))).collect();
    let nowhere = Search { sessions, ..Search::of("milk", 1) };
    assert!(matches!(store.search(nowhere).await, Err(ReadError::TooLong)));
    // The next one has all its time.
    store.append(&session("two"), 1, vec![said(1, "bread")]).await.unwrap();
    assert_eq!(found(&store, "bread").await, 1);
}
