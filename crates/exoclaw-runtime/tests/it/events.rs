//! Readers of events: those who keep up, those who do not, those who come back.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{Event, SessionEvent, limits};
use futures::FutureExt;
use tokio::sync::Semaphore;

use crate::support::{World, end, events, names, next, opened, settle};

#[tokio::test(start_paused = true)]
async fn all_readers_share_one_text_of_an_event() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"]));
    let (sent, mut one) = world.send("hi").await;
    let (_, mut other) = world.subscribe(Some((sent.epoch, sent.seq))).await;
    let (a, b) = (one.next().await.unwrap(), other.next().await.unwrap());
    assert!(Arc::ptr_eq(&a, &b));
    let read: SessionEvent = serde_json::from_str(a.json()).unwrap();
    assert_eq!(read, *a.event());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_told_and_harms_no_one() {
    let world = World::new().await;
    world.script.answer(Answer::text(vec!["x"; limits::EVENT_RING]));
    let (sent, mut stalled) = world.send("hi").await;
    let (_, mut reader) = world.subscribe(Some((sent.epoch, sent.seq))).await;
    let last = events(&mut reader, &sent.run_id).await.pop().unwrap();
    assert_eq!(last.seq, limits::EVENT_RING as u64 + 3);
    let lagged = stalled.next().await.unwrap_err();
    assert_eq!(lagged.oldest, 4);
    assert_eq!(stalled.next().await.unwrap_err(), lagged);
    // Just outside, and just inside of what is kept.
    assert!(!world.subscribe(Some((sent.epoch, 2))).await.0.recovered);
    let (result, mut returned) = world.subscribe(Some((sent.epoch, 3))).await;
    assert!(result.recovered);
    assert_eq!(next(&mut returned).await.follows(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded_in_bytes_too() {
    let world = World::new().await;
    let large = "x".repeat(limits::EVENT_RING_BYTES / 4);
    world.script.answer(Answer::text(vec![large; 8]).then_never());
    let (sent, _) = world.send("hi").await;
    settle().await;
    // The largest does not count.
    assert!(!world.subscribe(Some((sent.epoch, 4))).await.0.recovered);
    assert!(world.subscribe(Some((sent.epoch, 5))).await.0.recovered);
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_the_bound_drives_none_of_the_others_out() {
    let world = World::new().await;
    let large = "x".repeat(2 * limits::EVENT_RING_BYTES);
    world.script.answer(Answer::text(["before".to_owned(), large, "after".to_owned()]).then_never());
    let (sent, mut reader) = world.send("hi").await;
    settle().await;
    assert!(world.subscribe(Some((sent.epoch, 0))).await.0.recovered);
    for seq in 1..=4 {
        assert_eq!(next(&mut reader).await.seq, seq);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_behind_gets_deltas_together_and_everything_else_as_it_is() {
    let world = World::new().await;
    let mut answer = Answer::empty().and_thinking("hm ").and_thinking("hm");
    for _ in 0..500 {
        answer = answer.and_text(["ab"]);
    }
    world.script.answer(answer);
    let (sent, mut reader) = world.send("hi").await;
    settle().await;
    let heard = events(&mut reader, &sent.run_id).await;
    let text = "ab".repeat(500);
    assert_eq!(names(&heard), ["accepted", "thinking", &format!("delta {text}"), "usage", "final"]);
    assert_eq!(heard[1].event, Event::Thinking { text: "hm hm".into() });
    assert!(heard.windows(2).all(|pair| pair[1].follows() == pair[0].seq));
    // A position in the midst of them is as good as any.
    let (result, mut reader) = world.subscribe(Some((sent.epoch, 100))).await;
    assert!(result.recovered);
    let rest = next(&mut reader).await;
    assert_eq!((rest.follows(), rest.event), (100, Event::Delta { text: "ab".repeat(403) }));
    let whole = serde_json::to_value(&heard[2]).unwrap();
    assert_eq!((&whole["firstSeq"], &whole["seq"]), (&4.into(), &503.into()));
    assert!(serde_json::to_value(&heard[0]).unwrap().get("firstSeq").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_the_bound_reaches_who_keeps_up() {
    let world = World::new().await;
    let large = "x".repeat(2 * limits::EVENT_RING_BYTES);
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text([large.clone()]).then_never());
    let (_, mut reader) = world.send("hi").await;
    next(&mut reader).await;
    gate.add_permits(1);
    assert_eq!(next(&mut reader).await.event, Event::Delta { text: large });
}

#[tokio::test(start_paused = true)]
async fn dropping_a_wait_loses_no_event() {
    let world = World::new().await;
    let (_, mut reader) = world.subscribe(None).await;
    assert!(reader.next().now_or_never().is_none());
    world.script.answer(Answer::text(["hello"]));
    let (sent, _) = world.send("hi").await;
    assert_eq!(names(&events(&mut reader, &sent.run_id).await), ["accepted", "delta hello", "usage", "final"]);
}

#[tokio::test(start_paused = true)]
async fn idle_sessions_are_kept_for_those_who_come_back_up_to_a_bound() {
    let world = World::new().await;
    let (mut positions, mut watching) = (Vec::new(), None);
    for i in 0..1_100 {
        world.script.answer(Answer::text(["hello"]));
        let (sent, mut subscription) = world.send_to(&format!("s{i}"), "hi").await;
        end(&mut subscription, &sent.run_id).await;
        positions.push((sent.epoch, sent.seq));
        drop(subscription);
        settle().await;
        // The first one is left, and then watched again.
        if i == 0 {
            watching = Some(world.subscribe_to("s0", Some((sent.epoch, sent.seq))).await.1);
        }
    }
    let recovered = async |i: usize| world.subscribe_to(&format!("s{i}"), Some(positions[i])).await.0.recovered;
    assert!(recovered(1_099).await);
    assert!(recovered(0).await, "a watched session was dropped");
    assert!(!recovered(1).await, "nothing was dropped");
    assert_eq!(next(watching.as_mut().unwrap()).await.seq, 1);
    let mut epochs: Vec<_> = positions.iter().map(|(epoch, _)| *epoch).collect();
    epochs.dedup();
    assert_eq!(epochs.len(), 1_100);
}
