//! How the gateway is, asked for and told.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;

use super::{BOTH, Claw};
use crate::support::World;

#[tokio::test]
async fn an_answer_is_kept_for_a_second_and_no_longer() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, BOTH[1]).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    let first = claw.call("health", json!({})).await;
    claw.call("sessions.patch", json!({ "key": "new", "label": "New" })).await;
    world.clock.passed_ms.fetch_add(7, Ordering::Relaxed);
    assert_eq!(claw.call("health", json!({})).await, first);
    tokio::time::advance(Duration::from_secs(1)).await;
    let later = claw.call("health", json!({})).await;
    assert_eq!(later["sessions"]["count"], first["sessions"]["count"].as_u64().unwrap() + 1);
    assert_eq!(later["ts"], first["ts"].as_u64().unwrap() + 7);
}

#[tokio::test]
async fn all_who_may_read_are_told_each_minute() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        tokio::time::pause();
        let told = claw.event_named("health").await;
        assert_eq!((&told["payload"]["ok"], &told["payload"]["defaultAgentId"]), (&json!(true), &json!("main")));
        assert!(told["stateVersion"]["health"].as_u64().unwrap() > 0 && told["seq"].is_u64(), "{told}");
        tokio::time::resume();
    }
}
