use exoclaw_protocol::JobId;

use crate::{AppendError, Store, StoredJob, encoded::RECORD_BYTES};

/// The last text set is the one that is there.
pub async fn jobs_are_kept_until_removed(store: &dyn Store) {
    let id = |name: &str| -> JobId { name.parse().unwrap() };
    let set = async |name: &str, text: Option<&str>| {
        store.set_job(&id(name), text.map(str::to_owned)).await.unwrap();
        let jobs = store.jobs().await.unwrap().into_iter();
        jobs.map(|StoredJob { id, text }| format!("{id} {}", text.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(set("never", None).await, Vec::<String>::new());
    assert_eq!(set("b", Some("{}")).await, ["b {}"]);
    assert_eq!(set("a", Some("1")).await, ["a 1", "b {}"]);
    assert_eq!(set("b", Some("ž")).await, ["a 1", "b ž"]);
    assert_eq!(set("a", None).await, ["b ž"]);
    let refused = store.set_job(&id("b"), Some(" ".repeat(RECORD_BYTES + 1))).await;
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    assert_eq!(set("b", None).await, Vec::<String>::new());
}
