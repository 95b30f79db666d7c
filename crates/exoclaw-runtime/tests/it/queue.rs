//! What becomes of messages that come while a run is under way.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{
    AbortReason, ChatSendParams, ChatSendResult, Event, QueueMode, RunId, SendStatus, SessionPatchParams,
};
use exoclaw_runtime::Subscription;
use exoclaw_store::{Record, RunOutcome};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{Fault, World, asked, end, message, name, names, opened, settle};

async fn send_as(world: &World, text: &str, queue: QueueMode) -> (ChatSendResult, Subscription) {
    let params =
        ChatSendParams { queue: Some(queue), idempotency_key: Some(text.parse().unwrap()), ..message("main", text) };
    world.runtime.send_and_subscribe(params).await.unwrap()
}

/// Names of what was told of a run so far.
async fn told(world: &World, start: &ChatSendResult, run_id: &RunId) -> Vec<String> {
    let (_, mut subscription) = world.subscribe(Some((start.epoch, 0))).await;
    let mut told = Vec::new();
    while let Some(event) = subscription.try_next().unwrap() {
        if event.event().run_id == *run_id {
            told.push(event.event().clone());
        }
    }
    names(&told)
}

/// A run that hangs until the gate opens, then says `one`.
async fn under_way(world: &World) -> (ChatSendResult, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    let (first, _) = world.send("1").await;
    settle().await;
    (first, gate)
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_collected_into_one_turn() {
    let world = World::new().await;
    let (first, gate) = under_way(&world).await;
    let (second, _) = send_as(&world, "2", QueueMode::Collect).await;
    let (third, _) = send_as(&world, "3", QueueMode::Collect).await;
    let (fourth, mut subscription) = send_as(&world, "4", QueueMode::Collect).await;
    world.script.answer(Answer::text(["all three"]));
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &fourth.run_id).await, Event::Final { .. }));
    assert_eq!(asked(&world.script, 1), ["User: 1", "Assistant: one", "User: 234"]);
    assert_eq!(world.script.requests().len(), 2);
    for joined in [&second, &third] {
        assert_eq!(told(&world, &first, &joined.run_id).await, ["accepted", "joined"]);
    }
    // Whoever asks again hears of the run that answered.
    let (again, _) = send_as(&world, "2", QueueMode::Collect).await;
    assert_eq!((again.run_id, again.status), (fourth.run_id.clone(), SendStatus::Ok));
    let restarted = world.restart().await;
    let (again, _) = send_as(&restarted, "3", QueueMode::Collect).await;
    assert_eq!((again.run_id, again.status), (fourth.run_id, SendStatus::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_newer_message_interrupts_and_takes_the_place_of_those_before_it() {
    let world = World::new().await;
    let (first, _gate) = under_way(&world).await;
    let (second, _) = world.send("2").await;
    world.script.answer(Answer::text(["three"]));
    let (third, mut subscription) = send_as(&world, "3", QueueMode::Interrupt).await;
    assert!(matches!(end(&mut subscription, &third.run_id).await, Event::Final { .. }));
    for stopped in [&first, &second] {
        assert_eq!(told(&world, &first, &stopped.run_id).await, ["accepted", "aborted"]);
    }
    let (_, mut subscription) = world.subscribe(Some((first.epoch, first.seq))).await;
    let stopped = Event::Aborted { text: String::new(), reason: AbortReason::Interrupt };
    assert_eq!(end(&mut subscription, &first.run_id).await, stopped);
    assert_eq!(asked(&world.script, 1), ["User: 123"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_steers_the_run_under_way_at_its_next_step() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_call("c1", "t", json!({})));
    world.script.answer(Answer::text(["as you wish"]));
    world.script.answer(Answer::text(["later"]));
    let (first, mut subscription) = world.send("1").await;
    settle().await;
    let (second, _) = send_as(&world, "instead do 2", QueueMode::Steer).await;
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &first.run_id).await, Event::Final { .. }));
    assert_eq!(asked(&world.script, 1), ["User: 1", "Assistant: [c1 t]", "User: [c1 failed]instead do 2"]);
    assert_eq!(told(&world, &first, &second.run_id).await, ["accepted", "joined"]);
    assert_eq!(send_as(&world, "instead do 2", QueueMode::Steer).await.0.run_id, first.run_id);

    // Later turns see it where it was said.
    let (third, mut subscription) = world.send("3").await;
    assert!(matches!(end(&mut subscription, &third.run_id).await, Event::Final { .. }));
    let expected =
        ["User: 1", "Assistant: [c1 t]", "User: [c1 failed]instead do 2", "Assistant: as you wish", "User: 3"];
    assert_eq!(asked(&world.script, 2), expected);
}

#[tokio::test(start_paused = true)]
async fn what_steers_nothing_is_answered_on_its_own() {
    let world = World::new().await;
    let (first, gate) = under_way(&world).await;
    let (second, mut subscription) = send_as(&world, "2", QueueMode::Steer).await;
    world.script.answer(Answer::text(["two"]));
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &second.run_id).await, Event::Final { .. }));
    assert_eq!(told(&world, &first, &first.run_id).await.last().unwrap(), "final");
    assert_eq!(asked(&world.script, 1), ["User: 1", "Assistant: one", "User: 2"]);
}

/// A process that dies between taking a message for a step and that step still tells the model of it.
#[tokio::test(start_paused = true)]
async fn what_was_taken_for_a_step_survives_a_crash() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_call("c1", "t", json!({})));
    let (first, _) = world.send("1").await;
    settle().await;
    send_as(&world, "2", QueueMode::Steer).await;
    let died = Arc::new(Semaphore::new(0));
    let reached = died.clone();
    world
        .store
        .on_append(move |record| matches!(record, Record::Step { step: 1, .. }).then(|| Fault::Die(reached.clone())));
    world.script.answer(Answer::text(["never heard"]));
    gate.add_permits(1);
    died.acquire().await.unwrap().forget();

    let restarted = world.restart_to([Answer::text(["as you wish"])]).await;
    settle().await;
    assert_eq!(asked(&restarted.script, 0), ["User: 1", "Assistant: [c1 t]", "User: [c1 failed]2"]);
    let (again, _) = send_as(&restarted, "2", QueueMode::Steer).await;
    assert_eq!((again.run_id, again.status), (first.run_id, SendStatus::Ok));
    assert_eq!(restarted.script.requests().len(), 1);
}

/// Whatever was accepted before a crash is treated after it as it would have been before.
#[tokio::test(start_paused = true)]
async fn how_messages_are_treated_survives_a_crash() {
    let world = World::new().await;
    world.script.answer(Answer::never());
    world.send("1").await;
    settle().await;
    for text in ["2", "3"] {
        send_as(&world, text, QueueMode::Collect).await;
    }
    let restarted = world.restart_to([Answer::text(["one"]), Answer::text(["two and three"])]).await;
    settle().await;
    assert_eq!(asked(&restarted.script, 1), ["User: 1", "Assistant: one", "User: 23"]);

    restarted.script.answer(Answer::never());
    restarted.send("4").await;
    settle().await;
    // As if it had died before it could stop anything.
    restarted.store.on_append(|record| {
        matches!(record, Record::RunEnded { .. }).then(|| Fault::Hold(Arc::new(Semaphore::new(0))))
    });
    send_as(&restarted, "5", QueueMode::Interrupt).await;
    let again = restarted.restart_to([Answer::text(["five"])]).await;
    settle().await;
    assert_eq!(again.script.requests().len(), 1);
    assert_eq!(asked(&again.script, 0).last().unwrap(), "User: 45");
}

#[tokio::test(start_paused = true)]
async fn a_session_remembers_its_mode() {
    let world = World::new().await;
    let patch = SessionPatchParams { queue: Some(Some(QueueMode::Collect)), ..SessionPatchParams::new(name("main")) };
    world.runtime.patch_session(patch).await.unwrap();
    let world = world.restart().await;
    let (_, gate) = under_way(&world).await;
    world.send("2").await;
    let (third, mut subscription) = world.send("3").await;
    // One that says otherwise is taken at its word.
    let (fourth, mut last) = send_as(&world, "4", QueueMode::Queue).await;
    world.script.answer(Answer::text(["two"])).answer(Answer::text(["four"]));
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &third.run_id).await, Event::Final { .. }));
    assert!(matches!(end(&mut last, &fourth.run_id).await, Event::Final { .. }));
    assert_eq!(asked(&world.script, 2), ["User: 1", "Assistant: one", "User: 23", "Assistant: two", "User: 4"]);
}

/// The end that joins messages must be durable, or they stay on their own for the next process.
#[tokio::test(start_paused = true)]
async fn messages_that_can_t_be_joined_are_not_lost() {
    let world = World::new().await;
    let (_, gate) = under_way(&world).await;
    let (second, _) = send_as(&world, "2", QueueMode::Collect).await;
    let (third, mut subscription) = send_as(&world, "3", QueueMode::Collect).await;
    world.store.on_append(|record| match record {
        Record::RunEnded { outcome: RunOutcome::Ok, .. } => None,
        Record::RunEnded { .. } => Some(Fault::Fail),
        _ => None,
    });
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &third.run_id).await, Event::Error { .. }));
    // The first of them may have been begun: it is taken up alone.
    let restarted = world.restart_to([Answer::text(["two"]), Answer::text(["three"])]).await;
    settle().await;
    assert_eq!(asked(&restarted.script, 0), ["User: 1", "Assistant: one", "User: 2"]);
    for (text, run) in [("2", second), ("3", third)] {
        let (again, _) = send_as(&restarted, text, QueueMode::Collect).await;
        assert_eq!((again.run_id, again.status), (run.run_id, SendStatus::Ok));
    }
}
