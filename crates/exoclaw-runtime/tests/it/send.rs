//! What a sender is told.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::{ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::{ChatSendParams, ErrorCode, Event, Origin, SendStatus, limits};
use futures::{FutureExt, future::join_all};
use tokio::sync::Semaphore;

use crate::support::{Fault, World, end, events, message, names, next, settle};

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_in_numbered_events() {
    let world = World::new().await;
    world.script.answer(Answer::text(["Hel", "lo"]).usage(3, 2));
    let (sent, mut subscription) = world.send("hi").await;
    assert_eq!((sent.status, sent.session.as_str(), sent.seq), (SendStatus::Started, "agent:main:main", 0));

    let events = events(&mut subscription, &sent.run_id).await;
    assert_eq!(names(&events), ["accepted", "delta Hel", "delta lo", "usage", "final"]);
    assert!(events.iter().all(|event| event.epoch == sent.epoch && event.run_id == sent.run_id));
    assert!(events.iter().map(|event| event.seq).eq(1..=5));
    let Event::Final { message, usage, .. } = &events[4].event else { panic!("{:?}", events[4]) };
    assert_eq!((message.text().as_str(), usage.input_tokens, usage.output_tokens), ("Hello", 3, 2));
    assert_eq!(world.journal().await, ["accepted", "started", "step", "ended"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"]));
    let (_, mut watcher) = world.subscribe(None).await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    world.store.on_append(move |_| Some(Fault::Hold(held.clone())));

    let mut send = Box::pin(world.runtime.send(message("main", "hi")));
    for _ in 0..100 {
        assert!((&mut send).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert!(watcher.try_next().unwrap().is_none());
    gate.add_permits(1);
    send.await.unwrap();
    assert_eq!(names(&[next(&mut watcher).await]), ["accepted"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_can_t_be_saved_is_refused_and_never_told() {
    let world = World::new().await;
    let (_, mut watcher) = world.subscribe(None).await;
    world.store.on_append(|_| Some(Fault::Fail));
    let error = world.runtime.send(message("main", "hi")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::StoreReadOnly);
    assert!(watcher.try_next().unwrap().is_none());

    world.store.heal();
    world.script.answer(Answer::text(["hello"]));
    let (sent, mut subscription) = world.send("again").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_accepting_harms_only_its_message() {
    let world = World::new().await;
    world.store.on_append(|_| Some(Fault::Panic));
    let error = world.runtime.send(message("main", "hi")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    world.store.heal();
    world.script.answer(Answer::text(["hello"]));
    let (sent, mut subscription) = world.send("again").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_send_is_answered_with_the_first_run() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    world.script.answer(Answer::empty().and_wait(async move { wait.acquire().await.unwrap().forget() }));
    let first = world.send_keyed("hi", "k1").await.unwrap();
    let (_, mut subscription) = world.subscribe(Some((first.epoch, first.seq))).await;

    let again = world.send_keyed("hi", "k1").await.unwrap();
    assert_eq!(
        (again.run_id.clone(), again.status, again.seq),
        (first.run_id.clone(), SendStatus::InFlight, first.seq)
    );
    assert_eq!(world.send_keyed("ho", "k1").await.unwrap_err().code, ErrorCode::Conflict);

    gate.add_permits(1);
    end(&mut subscription, &first.run_id).await;
    let after = world.send_keyed("hi", "k1").await.unwrap();
    assert_eq!((after.run_id, after.status), (first.run_id.clone(), SendStatus::Ok));
    assert_eq!(world.journal().await, ["accepted", "started", "step", "ended"]);

    let restarted = world.restart().await;
    let after = restarted.send_keyed("hi", "k1").await.unwrap();
    assert_eq!((after.run_id, after.status), (first.run_id, SendStatus::Ok));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_is_told_why_a_run_did_not_end_well() {
    let world = World::new().await;
    world.script.answer(Answer::error(ProviderErrorKind::Refused, "not this")).answer(Answer::never());
    let failed = world.send_keyed("one", "k1").await.unwrap();
    let stopped = world.send_keyed("two", "k2").await.unwrap();
    settle().await;
    world.abort(None).await;
    let restarted = world.restart().await;
    for world in [&world, &restarted] {
        for (text, key, run, code) in
            [("one", "k1", &failed, ErrorCode::Refused), ("two", "k2", &stopped, ErrorCode::Interrupted)]
        {
            let again = world.send_keyed(text, key).await.unwrap();
            assert_eq!((&again.run_id, again.status), (&run.run_id, SendStatus::Error));
            assert_eq!(again.failure.unwrap().code, code);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_known_for_a_day_and_then_forgotten() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"])).answer(Answer::text(["hello again"]));
    let first = world.send_keyed("hi", "k1").await.unwrap();
    settle().await;
    let hour = Duration::from_secs(60 * 60);
    for _ in 0..24 {
        assert_eq!(world.send_keyed("hi", "k1").await.unwrap().run_id, first.run_id);
        world.clock.advance(hour - Duration::from_secs(1));
        tokio::time::sleep(hour).await;
    }
    world.clock.advance(hour);
    tokio::time::sleep(hour).await;
    let later = world.send_keyed("hi", "k1").await.unwrap();
    assert_eq!(later.status, SendStatus::Started);
    assert_ne!(later.run_id, first.run_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_under_one_key_are_one_run() {
    let world = World::new().await;
    world.script.answer(Answer::text(["once"]));
    let sends = join_all((0..16).map(|_| world.send_keyed("hi", "k1"))).await;
    let results: Vec<_> = sends.into_iter().map(Result::unwrap).collect();
    assert!(results.iter().all(|result| result.run_id == results[0].run_id));
    assert_eq!(results.iter().filter(|result| result.status == SendStatus::Started).count(), 1);
    let started = results.iter().find(|result| result.status == SendStatus::Started).unwrap();
    let (_, mut subscription) = world.subscribe(Some((started.epoch, started.seq))).await;
    end(&mut subscription, &started.run_id).await;
    assert_eq!(world.script.requests().len(), 1);
    assert_eq!(world.journal().await, ["accepted", "started", "step", "ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_busy_but_knows_what_it_took() {
    let world = World::new().await;
    world.script.answer(Answer::never());
    world.send("first").await;
    let (queued, _) = world.send("keeps the worker busy").await;
    let mut last = world.send_keyed("hi", "k1").await.unwrap();
    for i in 2..limits::SESSION_QUEUE {
        last = world.send_to("main", &format!("message {i}")).await.0;
    }
    assert_ne!(last.run_id, queued.run_id);
    let refused = world.runtime.send(message("main", "too many")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Busy);
    assert!(refused.code.is_retryable());
    assert_eq!(world.send_keyed("hi", "k1").await.unwrap().status, SendStatus::InFlight);
    world.script.answer(Answer::text(["other sessions are not concerned"]));
    let (sent, mut subscription) = world.send_to("other", "hi").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn messages_in_flight_are_bounded_over_all_sessions() {
    let world = World::with(|config| config.messages_in_flight = 2).await;
    world.script.answer(Answer::never()).answer(Answer::never());
    world.send_to("a", "hi").await;
    world.send_to("b", "hi").await;
    assert_eq!(world.runtime.send(message("c", "hi")).await.unwrap_err().code, ErrorCode::Busy);
    assert_eq!(world.runtime.status().await.unwrap().active_runs, 2);
}

#[tokio::test(start_paused = true)]
async fn a_sender_who_leaves_does_not_take_the_message_along() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"]));
    let (_, mut watcher) = world.subscribe(None).await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    world.store.on_append(move |_| Some(Fault::Hold(held.clone())));
    assert!(world.runtime.send(message("main", "hi")).now_or_never().is_none());
    gate.add_permits(1_000);
    let accepted = next(&mut watcher).await;
    assert!(matches!(end(&mut watcher, &accepted.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn invalid_sends_are_refused_in_words() {
    let world = World::new().await;
    let refused = async |params| world.runtime.send(params).await.unwrap_err().code;
    assert_eq!(refused(message("agent:nobody:main", "hi")).await, ErrorCode::UnknownAgent);
    assert_eq!(refused(message("main", "  ")).await, ErrorCode::InvalidParams);
    assert_eq!(refused(ChatSendParams::default()).await, ErrorCode::InvalidParams);
    let origin = Some(Origin::channel("x".repeat(129)));
    assert_eq!(refused(ChatSendParams { origin, ..message_without_session() }).await, ErrorCode::InvalidParams);
}

#[tokio::test(start_paused = true)]
async fn an_origin_is_routed() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"]));
    let origin = Some(Origin::channel("slack"));
    let sent = world.runtime.send(ChatSendParams { origin, ..message_without_session() }).await.unwrap();
    assert_eq!(sent.session.as_str(), "agent:main:slack:main");
}

fn message_without_session() -> ChatSendParams {
    ChatSendParams { text: Some("hi".into()), ..ChatSendParams::default() }
}
