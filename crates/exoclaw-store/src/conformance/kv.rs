use super::samples::scope;
use crate::{KvError, Store, encoded::RECORD_BYTES};

const QUOTA: u64 = 1024;

/// The last value set is the one that is there.
pub async fn values_come_back_until_deleted(store: &dyn Store) {
    let notes = scope("notes", "main");
    assert_eq!(store.kv_get(&notes, "k").await.unwrap(), None);
    for value in [&b"one"[..], b"", &[0, 255, b'\n']] {
        store.kv_set(&notes, "k", value.to_vec(), QUOTA).await.unwrap();
        assert_eq!(store.kv_get(&notes, "k").await.unwrap().as_deref(), Some(value));
    }
    for key in ["k", "k", "never set"] {
        store.kv_delete(&notes, key).await.unwrap();
        assert_eq!(store.kv_get(&notes, key).await.unwrap(), None);
    }
    store.kv_set(&notes, "", vec![], QUOTA).await.unwrap();
    assert_eq!(store.kv_get(&notes, "").await.unwrap(), Some(vec![]));
    store.kv_delete(&notes, "").await.unwrap();
    assert_eq!(store.kv_get(&notes, "").await.unwrap(), None);
}

/// Another plugin's or agent's values are out of reach.
pub async fn scopes_of_values_are_apart(store: &dyn Store) {
    let scopes = [scope("notes", "main"), scope("notes", "other"), scope("clock", "main")];
    for (scope, value) in scopes.iter().zip(1..) {
        store.kv_set(scope, "k", vec![value], QUOTA).await.unwrap();
    }
    store.kv_delete(&scopes[1], "k").await.unwrap();
    let mut left = Vec::new();
    for scope in &scopes {
        left.push(store.kv_get(scope, "k").await.unwrap());
    }
    assert_eq!(left, [Some(vec![1]), None, Some(vec![3])]);
}

/// What is replaced or deleted no longer counts; a refused value changes nothing.
pub async fn a_quota_counts_keys_and_values(store: &dyn Store) {
    let notes = scope("notes", "main");
    let set = async |key: &str, bytes: usize| store.kv_set(&notes, key, vec![7; bytes], 10).await;
    set("aa", 4).await.unwrap();
    set("b", 3).await.unwrap();
    let refused = set("b", 4).await;
    assert!(matches!(refused, Err(KvError::OverQuota { quota: 10 })), "{refused:?}");
    assert!(set("c", 0).await.is_err());
    assert_eq!(store.kv_get(&notes, "b").await.unwrap(), Some(vec![7; 3]));
    assert_eq!(store.kv_get(&notes, "c").await.unwrap(), None);
    set("aa", 3).await.unwrap();
    set("c", 0).await.unwrap();
    store.kv_delete(&notes, "aa").await.unwrap();
    set("b", 8).await.unwrap();
    assert!(store.kv_set(&scope("notes", "other"), "b", vec![7; 10], 10).await.is_err());
    store.kv_set(&scope("notes", "other"), "b", vec![7; 9], 10).await.unwrap();
    assert_eq!(store.read_only(), None);
}

/// A value has a bound of its own, however large the quota is.
pub async fn a_value_beyond_measure_is_refused(store: &dyn Store) {
    let notes = scope("notes", "main");
    let refused = store.kv_set(&notes, "k", vec![0; RECORD_BYTES + 1], u64::MAX).await;
    assert!(matches!(refused, Err(KvError::Failed(_))), "{refused:?}");
    assert_eq!(store.kv_get(&notes, "k").await.unwrap(), None);
    assert_eq!(store.read_only(), None);
}

/// By prefix and limit, in the order of the bytes.
pub async fn keys_are_listed_in_byte_order(store: &dyn Store) {
    let notes = scope("notes", "main");
    for key in ["b", "ä", "a/2", "a/10", "A", "a", "a%", "a_"] {
        store.kv_set(&notes, key, vec![1], QUOTA).await.unwrap();
    }
    store.kv_set(&scope("notes", "other"), "a/1", vec![1], QUOTA).await.unwrap();
    let keys = async |prefix: &str, limit| store.kv_keys(&notes, prefix, limit).await.unwrap();
    assert_eq!(keys("", 100).await, ["A", "a", "a%", "a/10", "a/2", "a_", "b", "ä"]);
    assert_eq!(keys("a/", 100).await, ["a/10", "a/2"]);
    assert_eq!(keys("a", 2).await, ["a", "a%"]);
    assert_eq!(keys("c", 100).await, Vec::<String>::new());
    assert_eq!(keys("", 0).await, Vec::<String>::new());
}
