use exoclaw_protocol::{AbortReason, ErrorCode, Origin};

use super::samples::{accepted, ended, session};
use crate::{Delivery, Record, RunOutcome, Store};

fn from(run: &str, channel: &str, to: &str) -> Record {
    match accepted(run) {
        Record::Accepted { run_id, message, key, digest, by, options, .. } => Record::Accepted {
            run_id,
            message,
            key,
            digest,
            by,
            origin: Some(Origin::channel(channel)),
            to: Some(to.to_owned()),
            options,
        },
        other => other,
    }
}

fn delivered(run: &str) -> Record {
    Record::Delivered { run_id: run.parse().unwrap(), failure: None }
}

async fn due(store: &dyn Store, channel: &str) -> Vec<String> {
    let line = |Delivery { session, run_id, ended_seq, to }: Delivery| {
        format!("{} {run_id} {ended_seq} {to}", session.segments().last().unwrap_or_default())
    };
    store.deliveries(channel, 10).await.unwrap().into_iter().map(line).collect()
}

/// It waits from the end of its run on, behind those of the same session.
pub async fn an_answer_waits_until_it_is_delivered(store: &dyn Store) {
    let (main, other) = (session("main"), session("other"));
    let messages = vec![from("a", "slack", "C1"), from("b", "slack", "C2"), from("c", "slack", "C3"), accepted("d")];
    store.append(&main, 1, messages).await.unwrap();
    store.append(&other, 1, vec![from("a", "telegram", "7"), from("b", "slack", "C4")]).await.unwrap();
    let summary = store.session(&main).await.unwrap().unwrap();
    assert_eq!(
        (summary.conversation.origin, summary.conversation.to),
        (Some(Origin::channel("slack")), Some("C3".into()))
    );
    assert_eq!(due(store, "slack").await, [""; 0]);
    let stopped = RunOutcome::Aborted { text: "half".into(), reason: AbortReason::Asked };
    let failed = RunOutcome::Failed { code: ErrorCode::Internal, message: "m".into(), text: String::new() };
    store.append(&main, 1, vec![ended("a", RunOutcome::Ok), ended("b", failed)]).await.unwrap();
    store.append(&main, 1, vec![ended("c", stopped), ended("d", RunOutcome::Ok)]).await.unwrap();
    store.append(&other, 1, vec![ended("a", RunOutcome::Ok), ended("b", RunOutcome::Ok)]).await.unwrap();
    let mut slack = due(store, "slack").await;
    slack.sort();
    assert_eq!(slack, ["main a 5 C1", "other b 4 C4"]);
    assert_eq!(store.deliveries("slack", 1).await.unwrap().len(), 1);
    assert_eq!(due(store, "telegram").await, ["other a 3 7"]);
    assert_eq!((store.delivery_count("slack").await.unwrap(), store.delivery_count("web").await.unwrap()), (3, 0));

    // A second end changes nothing, and neither does a delivery of what was not to be delivered.
    store.append(&main, 1, vec![ended("a", RunOutcome::Ok), delivered("d"), delivered("c")]).await.unwrap();
    store.append(&other, 1, vec![delivered("b")]).await.unwrap();
    assert_eq!(due(store, "slack").await, ["main a 5 C1"]);
    store.append(&main, 1, vec![delivered("a")]).await.unwrap();
    assert_eq!(due(store, "slack").await, ["main b 6 C2"]);
    store.append(&main, 1, vec![delivered("b")]).await.unwrap();
    assert_eq!(due(store, "slack").await, [""; 0]);
    assert_eq!(due(store, "telegram").await, ["other a 3 7"]);
    store.delete(&other).await.unwrap();
    assert_eq!(due(store, "telegram").await, [""; 0]);
}

/// A run that answers the messages of others tells its answer where the last of them was written.
pub async fn what_joins_is_answered_where_it_came_from_last(store: &dyn Store) {
    let main = session("main");
    let joined = |into: &str| RunOutcome::Joined { into: into.parse().unwrap(), step: None };
    store.append(&main, 1, vec![from("a", "slack", "C1"), from("b", "slack", "C2"), accepted("c")]).await.unwrap();
    store
        .append(&main, 1, vec![ended("a", joined("c")), ended("b", joined("c")), ended("c", RunOutcome::Ok)])
        .await
        .unwrap();
    assert_eq!(due(store, "slack").await, ["main c 6 C2"]);
}

/// What can't be recorded as delivered would be delivered again and again.
pub async fn nothing_is_delivered_of_a_session_that_stands_still(store: &dyn Store) {
    let main = session("main");
    store.append(&main, 1, vec![from("a", "slack", "C1"), ended("a", RunOutcome::Ok)]).await.unwrap();
    assert_eq!(due(store, "slack").await, ["main a 2 C1"]);
    store.quarantine(&main, "damaged").await.unwrap();
    assert_eq!(due(store, "slack").await, [""; 0]);
}
