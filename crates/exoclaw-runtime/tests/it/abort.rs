//! Stopping runs.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{AbortReason, ChatAbortParams, ErrorCode, Event};
use exoclaw_store::Record;
use futures::FutureExt;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{Fault, World, asked, end, events, name, names, next, opened, settle, short};

#[tokio::test(start_paused = true)]
async fn a_run_under_way_is_stopped_and_what_it_had_said_stays() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half of "]).then_never());
    let (sent, mut subscription) = world.send("hi").await;
    next(&mut subscription).await;
    next(&mut subscription).await;
    assert_eq!(world.abort(None).await, std::slice::from_ref(&sent.run_id));
    assert_eq!(
        end(&mut subscription, &sent.run_id).await,
        Event::Aborted { text: "half of ".into(), reason: AbortReason::Asked }
    );
    assert!(world.abort(None).await.is_empty());
    assert!(world.abort(Some(&sent.run_id)).await.is_empty());
    assert_eq!(world.journal().await, ["accepted", "started", "ended"]);
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: hi", "Assistant: half of  (interrupted)"]);

    world.script.answer(Answer::text(["whole"]));
    let (sent, mut subscription) = world.send("go on").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
    assert_eq!(asked(&world.script, 1), ["User: hi", "Assistant: half of ", "User: go on"]);
}

/// A step may be durable before the run hears of it. What is then stopped was said once, not twice.
#[tokio::test(start_paused = true)]
async fn a_step_that_was_whole_is_remembered_once() {
    let world = World::new().await;
    let never = Arc::new(Semaphore::new(0));
    world.store.on_append(move |record| matches!(record, Record::Step { .. }).then(|| Fault::HoldAfter(never.clone())));
    world.script.answer(Answer::text(["all of it"]));
    let (sent, mut subscription) = world.send("hi").await;
    settle().await;
    world.abort(None).await;
    assert_eq!(
        end(&mut subscription, &sent.run_id).await,
        Event::Aborted { text: "all of it".into(), reason: AbortReason::Asked }
    );
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: hi", "Assistant: all of it (interrupted)"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_a_tool_call_is_not_said_again() {
    let world = World::new().await;
    world.script.answer(Answer::text(["let me see"]).and_call("c1", "a", json!({})));
    world.script.answer(Answer::text(["I see "]).then_never());
    let (sent, mut subscription) = world.send("hi").await;
    settle().await;
    let running = world.subscribe(None).await.0.snapshot.unwrap().run.unwrap();
    assert_eq!(running.text, "I see ");
    world.abort(None).await;
    assert_eq!(
        end(&mut subscription, &sent.run_id).await,
        Event::Aborted { text: "I see ".into(), reason: AbortReason::Asked }
    );
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(
        history,
        ["User: hi", "Assistant: let me see[c1 a]", "User: [c1 failed]", "Assistant: I see  (interrupted)"]
    );
}

#[tokio::test(start_paused = true)]
async fn stopping_all_stops_what_waits_too() {
    let world = World::new().await;
    world.script.answer(Answer::never());
    let (first, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    let (third, _) = world.send("3").await;
    settle().await;
    assert_eq!(world.abort(None).await, [first.run_id.clone(), second.run_id.clone(), third.run_id.clone()]);
    settle().await;
    let mut told = Vec::new();
    while let Some(event) = subscription.try_next().unwrap() {
        told.push(event.event().clone());
    }
    for run_id in [&first.run_id, &second.run_id, &third.run_id] {
        let of_run: Vec<_> = told.iter().filter(|event| event.run_id == *run_id).cloned().collect();
        assert_eq!(names(&of_run), ["accepted", "aborted"]);
    }
    assert_eq!(world.script.requests().len(), 1);
    assert!(world.store.inner().open_runs().await.unwrap().is_empty());
    assert_eq!(world.runtime.status().await.unwrap().active_runs, 0);
}

#[tokio::test(start_paused = true)]
async fn one_waiting_run_is_stopped_and_its_neighbours_go_on() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    world.script.answer(Answer::text(["three"]));
    let (_, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    let (third, _) = world.send("3").await;
    assert_eq!(world.abort(Some(&second.run_id)).await, [second.run_id]);
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &third.run_id).await, Event::Final { .. }));
    // What was withdrawn was said all the same. Neighbours of one speaker are one message to a model.
    assert_eq!(asked(&world.script, 1), ["User: 1", "Assistant: one", "User: 23"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_can_t_be_recorded_is_told_once_as_an_error() {
    let world = World::new().await;
    world.script.answer(Answer::never());
    let (first, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    settle().await;
    world.store.on_append(|record| matches!(record, Record::RunEnded { .. }).then_some(Fault::Fail));
    assert_eq!(world.abort(None).await, std::slice::from_ref(&second.run_id));
    settle().await;
    let mut told = Vec::new();
    while let Some(event) = subscription.try_next().unwrap() {
        told.push(event.event().clone());
    }
    for run_id in [first.run_id, second.run_id] {
        let of_run: Vec<_> = told.iter().filter(|event| event.run_id == run_id).cloned().collect();
        assert_eq!(names(&of_run), ["accepted", "error store_read_only"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_who_leaves_does_not_keep_the_run_alive() {
    let world = World::new().await;
    world.script.answer(Answer::never());
    let (sent, mut subscription) = world.send("hi").await;
    settle().await;
    assert!(world.runtime.abort(ChatAbortParams { session: name("main"), run_id: None }).now_or_never().is_none());
    assert_eq!(names(&events(&mut subscription, &sent.run_id).await), ["accepted", "aborted"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_names_its_session() {
    let world = World::new().await;
    let params = ChatAbortParams { session: name("agent:nobody:main"), run_id: None };
    assert_eq!(world.runtime.abort(params).await.unwrap_err().code, ErrorCode::UnknownAgent);
    let params = ChatAbortParams { session: name("never-used"), run_id: None };
    assert!(!world.runtime.abort(params).await.unwrap().aborted);
}
