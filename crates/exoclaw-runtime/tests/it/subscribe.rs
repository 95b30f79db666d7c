//! Starting to watch: where one was, or from a snapshot.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{RunSnapshot, SessionSnapshot};
use exoclaw_store::Record;
use tokio::sync::Semaphore;

use crate::support::{Fault, World, events, name, names, next, opened, settle, short};

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_gets_every_event_since() {
    let world = World::new().await;
    world.script.answer(Answer::text(["a", "b", "c"]));
    let (sent, mut subscription) = world.send("hi").await;
    next(&mut subscription).await;
    next(&mut subscription).await;
    let position = subscription.position();
    drop(subscription);
    settle().await;
    let (result, mut subscription) = world.subscribe(Some(position)).await;
    assert_eq!((result.recovered, result.snapshot, result.epoch, result.seq), (true, None, position.0, 2));
    assert_eq!(names(&events(&mut subscription, &sent.run_id).await), ["delta b", "delta c", "usage", "final"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_never_was_gets_a_snapshot() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"]));
    let (sent, mut subscription) = world.send("hi").await;
    let last = events(&mut subscription, &sent.run_id).await.len() as u64;
    for position in [(sent.epoch + 1, 1), (sent.epoch - 1, 1), (sent.epoch, last + 1), (sent.epoch, u64::MAX)] {
        let (result, _) = world.subscribe(Some(position)).await;
        assert!(!result.recovered, "{position:?}");
        assert_eq!((result.epoch, result.seq), (sent.epoch, last));
        let snapshot: Vec<_> = result.snapshot.unwrap().messages.iter().map(short).collect();
        assert_eq!(snapshot, ["User: hi", "Assistant: hello"]);
    }
    let restarted = world.restart().await;
    let (result, _) = restarted.subscribe(Some((sent.epoch, last))).await;
    assert!(!result.recovered);
    assert_eq!(result.snapshot.unwrap().messages.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_nobody_used_is_empty() {
    let world = World::new().await;
    let (result, _) = world.subscribe_to("unused", None).await;
    assert_eq!((result.recovered, result.seq), (false, 0));
    assert_eq!(result.snapshot, Some(SessionSnapshot { messages: vec![], run: None }));
    let params = exoclaw_protocol::SessionSubscribeParams { session: name("agent:nobody:x"), epoch: None, seq: None };
    assert!(world.runtime.subscribe(params).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_in_the_midst_of_a_run_holds_what_was_said() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::text(["half "]).and_wait(opened(&gate)).and_text(["whole"]));
    let (sent, _) = world.send("hi").await;
    settle().await;
    let (result, mut subscription) = world.subscribe(None).await;
    let snapshot = result.snapshot.unwrap();
    assert_eq!(snapshot.run, Some(RunSnapshot { run_id: sent.run_id.clone(), text: "half ".into() }));
    assert_eq!(snapshot.messages.iter().map(short).collect::<Vec<_>>(), ["User: hi"]);
    gate.add_permits(1);
    assert_eq!(names(&events(&mut subscription, &sent.run_id).await), ["delta whole", "usage", "final"]);
}

/// A record may be durable before its event is told. Whoever starts to watch then hears of it once, not twice.
#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_nothing_of_which_an_event_will_follow() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    // The end of the run is held back: by then its step is told, but its end is not.
    world.store.on_append(move |record| matches!(record, Record::RunEnded { .. }).then(|| Fault::Hold(held.clone())));
    world.script.answer(Answer::text(["one"]));
    world.script.answer(Answer::text(["two"]));
    let (first, _) = world.send("1").await;
    let (second, _) = world.send("2").await;
    settle().await;
    let (result, mut subscription) = world.subscribe(None).await;
    let snapshot = result.snapshot.unwrap();
    let messages: Vec<_> = snapshot.messages.iter().map(short).collect();
    assert_eq!(messages, ["User: 1", "User: 2", "Assistant: one"]);
    assert_eq!(snapshot.run, Some(RunSnapshot { run_id: first.run_id.clone(), text: String::new() }));
    gate.add_permits(2);
    assert_eq!(names(&events(&mut subscription, &first.run_id).await), ["final"]);
    assert_eq!(names(&events(&mut subscription, &second.run_id).await), ["delta two", "usage", "final"]);
}
