//! Starting to watch: where one was, or from a snapshot.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{RunSnapshot, SessionSnapshot};
use tokio::sync::Semaphore;

use crate::support::{Fault, World, events, name, names, next, opened, record_name, settle, short};

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
    assert_eq!(
        snapshot.run,
        Some(RunSnapshot { run_id: sent.run_id.clone(), text: "half ".into(), approvals: vec![] })
    );
    assert_eq!(snapshot.messages.iter().map(short).collect::<Vec<_>>(), ["User: hi"]);
    gate.add_permits(1);
    assert_eq!(names(&events(&mut subscription, &sent.run_id).await), ["delta whole", "usage", "final"]);
}

/// A record may be durable before its event is told. Whoever starts to watch then hears of it once, not twice.
#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_nothing_of_which_an_event_will_follow() {
    for (durable, told, follows) in [
        ("accepted", vec![], vec!["accepted", "delta one", "usage", "final"]),
        ("step", vec!["User: 1"], vec!["usage", "final"]),
        ("ended", vec!["User: 1", "Assistant: one"], vec!["final"]),
    ] {
        let world = World::new().await;
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        world.store.on_append(move |record| (record_name(record) == durable).then(|| Fault::HoldAfter(held.clone())));
        world.script.answer(Answer::text(["one"]));
        let send = world.send("1");
        let watch = async {
            settle().await;
            assert_eq!(world.journal().await.last(), Some(&durable));
            let (result, mut subscription) = world.subscribe(None).await;
            let messages: Vec<_> = result.snapshot.unwrap().messages.iter().map(short).collect();
            assert_eq!(messages, told, "{durable}");
            gate.add_permits(1);
            let first = next(&mut subscription).await;
            let run_id = first.run_id.clone();
            let mut heard = vec![first];
            if !heard[0].event.is_terminal() {
                heard.extend(events(&mut subscription, &run_id).await);
            }
            assert_eq!(names(&heard), follows, "{durable}");
        };
        futures::join!(send, watch);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_in_the_snapshot_and_is_heard_of_when_it_runs() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    world.script.answer(Answer::text(["two"]));
    let (first, _) = world.send("1").await;
    let (second, _) = world.send("2").await;
    settle().await;
    let (result, mut subscription) = world.subscribe(None).await;
    let snapshot = result.snapshot.unwrap();
    assert_eq!(snapshot.messages.iter().map(short).collect::<Vec<_>>(), ["User: 1", "User: 2"]);
    assert_eq!(
        snapshot.run,
        Some(RunSnapshot { run_id: first.run_id.clone(), text: String::new(), approvals: vec![] })
    );
    gate.add_permits(1);
    assert_eq!(names(&events(&mut subscription, &first.run_id).await), ["delta one", "usage", "final"]);
    assert_eq!(names(&events(&mut subscription, &second.run_id).await), ["delta two", "usage", "final"]);
}
