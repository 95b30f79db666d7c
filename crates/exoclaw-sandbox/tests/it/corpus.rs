//! The hostile guests: each is contained, and each could have succeeded.

use std::collections::HashSet;

use exoclaw_sandbox::corpus::{Ground, Range, cases};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_guest_is_contained() {
    let folder = tempfile::tempdir().unwrap();
    let ground = Ground::new(folder.path()).unwrap();
    let mut range = Range::new().unwrap();
    let mut wrong = Vec::new();
    for case in cases() {
        let verdict = range.run(case, &ground).await;
        if !verdict.contained || !verdict.control || !verdict.unharmed {
            wrong.push(format!("{}: {verdict:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_enough_and_each_has_its_name() {
    let names: HashSet<_> = cases().map(|case| case.name).collect();
    assert!(names.len() >= 60, "{}", names.len());
    assert_eq!(names.len(), cases().count());
}
