//! What the runtime records by itself: what was refused for want of a budget, and questions that nobody answered.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ErrorCode, Event};
use exoclaw_runtime::{Allowance, Budget, Budgets, RuntimeConfig};
use exoclaw_store::{
    MemoryStore,
    audit::{Audit, AuditConfig, records},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    approvals::{asking, call, guest, requested},
    support::{World, end, message},
};

/// A trail in a folder of its own.
struct Trail(TempDir);

impl Trail {
    fn new() -> (Self, Audit) {
        let home = tempfile::tempdir().unwrap();
        let config = AuditConfig::new(home.path().join("audit"), home.path().join("head"));
        (Self(home), Audit::open(config, Arc::new(|| 1_800_000_000_000)).unwrap())
    }

    /// What was recorded, once nothing more is.
    fn told(&self, audit: &Audit) -> Vec<String> {
        audit.close();
        let told = records(&self.0.path().join("audit"), 1).unwrap().map(Result::unwrap).skip(1).map(|record| {
            let text = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
            let times = record.more.map(|more| format!(" +{more}")).unwrap_or_default();
            let (what, action, decision) = (record.what, record.action, record.decision);
            format!(
                "{what} {action} {decision} {} {}: {}{times}",
                text(record.who),
                text(record.object),
                text(record.reason)
            )
        });
        told.collect()
    }
}

fn of_day(tokens: u64) -> Budgets {
    let day = Some(Allowance { tokens: Some(tokens), money: None });
    Budgets { all: Budget { day, ..Budget::default() }, ..Budgets::default() }
}

#[tokio::test]
async fn what_no_budget_has_room_for_is_recorded_once_and_counted() {
    let (trail, audit) = Trail::new();
    let recorded = audit.clone();
    let bounded = move |config: &mut RuntimeConfig| {
        (config.audit, config.budgets) = (recorded, of_day(500));
        config.agents[0].max_tokens = Some(100);
    };
    let world = World::with(bounded).await;
    world.script.answer(Answer::call("c1", "nothing", json!({})).usage(450, 0));
    let (sent, mut events) = world.send("hi").await;
    assert!(matches!(end(&mut events, &sent.run_id).await, Event::Error { .. }));
    for _ in 0..3 {
        let refused = world.runtime.send_by(None, message("main", "hi")).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::BudgetExceeded);
    }
    assert_eq!(
        trail.told(&audit),
        [
            "budget step refused agent main all: the budget for a day is 500 tokens",
            "budget message refused agent main all: the budget for a day is 500 tokens",
            "budget message refused agent main all: the budget for a day is 500 tokens +2",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_recorded_with_its_end() {
    let (trail, audit) = Trail::new();
    let recorded = audit.clone();
    let change = move |config: &mut RuntimeConfig| {
        asking(config);
        config.audit = recorded;
        config.approvals.lifetime = Duration::from_millis(100);
    };
    let answers = [call(), Answer::text(["so be it"])];
    let world = World::of(Arc::new(MemoryStore::new()), Arc::default(), guest(), answers, change).await.unwrap();
    let (sent, mut subscription) = world.send("hi").await;
    let id = requested(&mut subscription).await.id;
    end(&mut subscription, &sent.run_id).await;
    assert_eq!(
        trail.told(&audit),
        [
            format!("approval ask asked agent main guest.run: approval {id}"),
            format!("approval expire refused agent main guest.run: approval {id}"),
        ]
    );
}
