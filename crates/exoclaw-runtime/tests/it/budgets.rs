//! What models may cost: refused before it is spent, exact under concurrency, remembered across restarts.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ErrorCode, Event, Money, RpcError, SendStatus, UsageParams, UsageResult};
use exoclaw_runtime::{Allowance, Budget, Budgets, Price, RuntimeConfig, StartError};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{World, end, events, message, names, opened};

/// The clock's day began eight hours before its time.
const LEFT_OF_DAY: Duration = Duration::from_secs(16 * 60 * 60);

fn tokens(tokens: u64) -> Option<Allowance> {
    Some(Allowance { tokens: Some(tokens), money: None })
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn bounded(budgets: Budgets) -> impl FnOnce(&mut RuntimeConfig) {
    move |config| {
        config.budgets = budgets;
        config.agents[0].max_tokens = Some(100);
        config.agents[0].price =
            Some(Price { input: money("1000"), output: money("2000"), cache_read: None, cache_write: None });
    }
}

fn of_day(tokens_a_day: u64) -> Budgets {
    Budgets { all: Budget { day: tokens(tokens_a_day), ..Budget::default() }, ..Budgets::default() }
}

async fn refusal(world: &World, by: Option<&str>, session: &str) -> RpcError {
    let by = by.map(|name| name.parse().unwrap());
    world.runtime.send_by(by, message(session, "hi")).await.unwrap_err()
}

async fn answered(world: &World, by: Option<&str>, session: &str) -> Event {
    let by = by.map(|name| name.parse().unwrap());
    let (sent, mut events) = world.runtime.send_by(by, message(session, "hi")).await.unwrap();
    end(&mut events, &sent.run_id).await
}

async fn usage(world: &World, session: Option<&str>) -> UsageResult {
    let session = session.map(|session| session.parse().unwrap());
    world.runtime.usage(UsageParams { session, days: None }).await.unwrap()
}

#[tokio::test]
async fn a_message_is_refused_before_anything_is_spent_on_it() {
    let world = World::with(bounded(of_day(400))).await;
    world.script.answer(Answer::text(["one"]).usage(200, 100));
    assert!(matches!(answered(&world, None, "main").await, Event::Final { .. }));
    let before = world.journal().await;

    let error = refusal(&world, None, "main").await;
    assert_eq!(error.code, ErrorCode::BudgetExceeded);
    let said = "the budget for a day is 400 tokens: 300 tokens are spent, and the next model step may take up to ";
    assert!(error.message.starts_with(said), "{}", error.message);
    assert!(error.message.contains("it starts anew at 2027-01-16T00:00:00Z"), "{}", error.message);
    let left = Duration::from_millis(error.retry_after_ms.unwrap());
    assert!(left < LEFT_OF_DAY && left > LEFT_OF_DAY - Duration::from_secs(60), "{left:?}");
    assert_eq!((world.script.requests().len(), world.journal().await), (1, before));

    // A new day.
    world.clock.advance(left);
    world.script.answer(Answer::text(["two"]).usage(200, 100));
    assert!(matches!(answered(&world, None, "main").await, Event::Final { .. }));
    assert_eq!(usage(&world, None).await.total.day.usage.tokens(), 300);
    assert_eq!(usage(&world, None).await.total.month.usage.tokens(), 600);
}

#[tokio::test]
async fn a_run_stops_before_the_step_that_would_go_beyond() {
    let world = World::with(bounded(of_day(500))).await;
    world.script.answer(Answer::call("c1", "nothing", json!({})).usage(300, 0));
    world.script.answer(Answer::text(["not asked"]));
    let (sent, mut subscription) = world.send("hi").await;
    let events = events(&mut subscription, &sent.run_id).await;
    assert_eq!(names(&events).last().unwrap(), "error budget_exceeded");
    let Event::Error { message, .. } = &events.last().unwrap().event else { unreachable!() };
    assert!(message.contains("is 500 tokens: 300 tokens are spent"), "{message}");
    assert_eq!(world.script.requests().len(), 1);
    assert_eq!(world.journal().await, ["accepted", "started", "step", "result", "ended"]);
    // What was held for nothing is given back.
    world.clock.advance(LEFT_OF_DAY);
    assert!(matches!(answered(&world, None, "main").await, Event::Final { .. }));
}

#[tokio::test]
async fn runs_side_by_side_never_overspend() {
    let mut change = Some(bounded(of_day(4_000)));
    let world = World::with(|config| {
        change.take().unwrap()(config);
        // One step takes at most 1,000 and some tokens: there is room for three.
        config.agents[0].max_tokens = Some(1_000);
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    let mut runs = Vec::new();
    for number in 0..8 {
        world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["done"]).usage(0, 1_000));
        runs.push(world.send_to(&format!("s{number}"), "hi").await);
    }
    let refused = |event: &Event| matches!(event, Event::Error { code: ErrorCode::BudgetExceeded, .. });
    let mut ends = futures::stream::FuturesUnordered::new();
    for (sent, subscription) in &mut runs {
        ends.push(end(subscription, &sent.run_id));
    }
    let mut next = async || futures::StreamExt::next(&mut ends).await.unwrap();
    for _ in 0..5 {
        let event = next().await;
        assert!(refused(&event), "{event:?}");
    }
    gate.add_permits(3);
    for _ in 0..3 {
        let event = next().await;
        assert!(matches!(event, Event::Final { .. }), "{event:?}");
    }
    assert_eq!(usage(&world, None).await.total.day.usage.tokens(), 3_000);
    assert!(refusal(&world, None, "main").await.message.contains("3000 tokens are spent"));
    assert_eq!(world.script.requests().len(), 3);
}

#[tokio::test]
async fn what_was_spent_survives_a_restart() {
    let budgets = || Budgets {
        currency: "EUR".to_owned(),
        all: Budget { month: Some(Allowance { tokens: None, money: Some(money("1")) }), ..Budget::default() },
        ..Budgets::default()
    };
    let world = World::with(bounded(budgets())).await;
    // 0.3 for reading, 0.2 for writing.
    world.script.answer(Answer::text(["one"]).usage(300, 100));
    answered(&world, Some("phone"), "main").await;
    let told = usage(&world, Some("main")).await;
    assert_eq!((told.day.as_str(), told.month.as_str(), told.currency.as_str()), ("2027-01-15", "2027-01", "EUR"));
    assert_eq!(told.total.month.cost, money("0.5"));
    assert_eq!(told.session.as_ref().unwrap().spent, told.total.day);
    assert_eq!((told.agents[0].name.as_str(), told.agents[0].spent), ("main", told.total));
    assert_eq!((told.credentials[0].name.as_str(), told.credentials[0].spent), ("phone", told.total));
    assert_eq!((told.budgets[0].of.as_str(), told.budgets[0].spent), ("all", told.total.month));
    assert_eq!(told.days, [], "nobody asked for them");
    let days = world.runtime.usage(UsageParams { session: None, days: Some(2) }).await.unwrap().days;
    let days: Vec<_> = days.iter().map(|day| (day.day.as_str(), day.spent)).collect();
    assert_eq!(days, [("2027-01-14", Default::default()), ("2027-01-15", told.total.day)]);
    let all = world.runtime.usage(UsageParams { session: None, days: Some(u32::MAX) }).await.unwrap().days;
    assert_eq!(all.len(), exoclaw_protocol::limits::USAGE_DAYS as usize);

    let world = World::over(world.store.inner().clone(), world.clock.clone(), bounded(budgets())).await;
    assert_eq!(usage(&world, Some("main")).await, told);
    world.script.answer(Answer::text(["two"]).usage(300, 0));
    answered(&world, None, "main").await;
    let error = refusal(&world, None, "other").await;
    assert!(error.message.contains("for a month is 1 EUR: 0.8 EUR are spent"), "{}", error.message);
    assert!(error.message.contains("anew at 2027-02-01T00:00:00Z"), "{}", error.message);
}

#[tokio::test]
async fn agents_credentials_and_sessions_have_their_own() {
    let budget = |day, session| Budget { day, session, ..Budget::default() };
    let budgets = Budgets {
        all: budget(None, tokens(1_000)),
        agents: [("main".parse().unwrap(), budget(tokens(2_000), None))].into(),
        credentials: [("phone".parse().unwrap(), budget(tokens(500), None))].into(),
        ..Budgets::default()
    };
    let world = World::with(bounded(budgets)).await;
    let spend = |tokens| world.script.answer(Answer::text(["so"]).usage(tokens, 0));
    spend(400);
    answered(&world, Some("phone"), "a").await;
    let error = refusal(&world, Some("phone"), "b").await;
    assert!(error.message.starts_with("the budget of credential phone for a day is 500 tokens: 400 "), "{error}");
    spend(500);
    answered(&world, Some("laptop"), "a").await;
    let error = refusal(&world, Some("laptop"), "a").await;
    assert!(error.message.starts_with("the budget for this session is 1000 tokens: 900 "), "{error}");
    assert_eq!(error.retry_after_ms, None);
    spend(1_000);
    answered(&world, Some("laptop"), "b").await;
    let error = refusal(&world, Some("laptop"), "c").await;
    assert!(error.message.starts_with("the budget of agent main for a day is 2000 tokens: 1900 "), "{error}");
}

#[tokio::test]
async fn a_message_that_was_answered_is_known_without_a_budget() {
    let world = World::with(bounded(of_day(400))).await;
    world.script.answer(Answer::text(["one"]).usage(300, 0));
    let first = world.send_keyed("hi", "k").await.unwrap();
    let (_, mut subscription) = world.subscribe(Some((first.epoch, first.seq))).await;
    end(&mut subscription, &first.run_id).await;
    let again = world.send_keyed("hi", "k").await.unwrap();
    assert_eq!((again.run_id, again.status), (first.run_id, SendStatus::Ok));
    assert_eq!(world.send_keyed("hi", "another").await.unwrap_err().code, ErrorCode::BudgetExceeded);
}

#[tokio::test]
async fn a_budget_of_money_wants_prices() {
    let credential = Budget { day: Some(Allowance { tokens: None, money: Some(money("1")) }), ..Budget::default() };
    let budgets = Budgets { credentials: [("phone".parse().unwrap(), credential)].into(), ..Budgets::default() };
    let config = |price| {
        let budgets = budgets.clone();
        move |config: &mut RuntimeConfig| {
            bounded(budgets)(config);
            config.agents[0].price = price;
        }
    };
    let refused = World::try_with(config(None)).await.err().unwrap();
    assert!(matches!(refused, StartError::NoPrice { .. }), "{refused}");
    assert!(World::try_with(config(Some(Price::default()))).await.is_ok());
}
