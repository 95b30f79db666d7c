//! What a chat engine owes its doors: words that stop, time limits, waiting for an end, throttled deltas, capped histories.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{
    AbortReason, Block, ChatAbortParams, ChatHistoryParams, ChatSendParams, ErrorCode, Event, Omitted, RunStatus,
    RunWaitParams, SendStatus,
};
use exoclaw_store::Record;
use tokio::{sync::Semaphore, time::Instant};

use crate::support::{Fault, World, asked, end, events, message, name, names, opened, settle};

fn wait_for(run_id: &exoclaw_protocol::RunId, ms: u64) -> RunWaitParams {
    RunWaitParams { run_id: run_id.clone(), timeout_ms: Some(ms) }
}

#[tokio::test(start_paused = true)]
async fn a_word_stops_all_runs_and_is_no_message() {
    let world = World::new().await;
    world.script.answer(Answer::text(["half "]).then_never());
    let (first, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    settle().await;
    let stopped = world.runtime.send(message("main", " /STOP\n")).await.unwrap();
    assert_eq!(stopped.status, SendStatus::Stopped);
    assert_eq!(stopped.stopped, [first.run_id.clone(), second.run_id]);
    let told = Event::Aborted { text: "half ".into(), reason: AbortReason::Stop };
    assert_eq!(end(&mut subscription, &first.run_id).await, told);
    let nothing = world.runtime.send(message("main", "stop")).await.unwrap();
    assert_eq!((nothing.status, nothing.stopped.len()), (SendStatus::Stopped, 0));
    assert_eq!(world.journal().await.iter().filter(|record| **record == "accepted").count(), 2);

    // What only contains such a word is a message.
    for text in ["stop it", "/stop now"] {
        world.script.answer(Answer::text(["well"]));
        assert_eq!(world.runtime.send(message("main", text)).await.unwrap().status, SendStatus::Started);
    }
    let world = World::with(|config| config.stop_words = vec!["Halt".into()]).await;
    assert_eq!(world.runtime.send(message("main", "halt")).await.unwrap().status, SendStatus::Stopped);
    world.script.answer(Answer::text(["well"]));
    assert_eq!(world.runtime.send(message("main", "stop")).await.unwrap().status, SendStatus::Started);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_another_session_is_not_stopped_from_here() {
    let world = World::new().await;
    world.script.answer(Answer::never()).answer(Answer::text(["hello"]));
    let (other, _) = world.send_to("other", "hi").await;
    let (own, mut subscription) = world.send("hi").await;
    end(&mut subscription, &own.run_id).await;
    let abort = async |session: &str, run_id: &str| {
        let run_id = Some(run_id.parse().unwrap());
        world.runtime.abort(ChatAbortParams { session: name(session), run_id }).await.map(|done| done.aborted)
    };
    assert_eq!(abort("main", other.run_id.as_str()).await.unwrap_err().code, ErrorCode::InvalidParams);
    assert_eq!(abort("main", own.run_id.as_str()).await, Ok(false));
    assert_eq!(abort("main", "never-seen").await, Ok(false));
    assert_eq!(abort("other", other.run_id.as_str()).await, Ok(true));
    assert_eq!(abort("other", other.run_id.as_str()).await, Ok(false));
}

/// A store that takes its time delays the answer, not the stop, and nothing is told after the end.
#[tokio::test(start_paused = true)]
async fn a_run_is_stopped_while_the_store_is_slow() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::text(["one "]).and_wait(opened(&gate)).and_text(["two"]));
    let (sent, mut subscription) = world.send("hi").await;
    settle().await;
    world.store.on_append(|record| matches!(record, Record::RunEnded { .. }).then_some(Fault::Dawdle(50, 50)));
    let stopping = world.runtime.abort(ChatAbortParams { session: name("main"), run_id: None });
    gate.add_permits(1);
    assert!(stopping.await.unwrap().aborted);
    let told = events(&mut subscription, &sent.run_id).await;
    assert_eq!(names(&told).last().unwrap(), "aborted");
    settle().await;
    assert!(subscription.try_next().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_its_time_is_over() {
    let world = World::with(|config| config.run_timeout = Some(Duration::from_secs(5))).await;
    let started = Instant::now();
    for (timeout_ms, seconds) in [(None, 5), (Some(2_000), 2)] {
        world.script.answer(Answer::text(["half"]).then_never());
        let params = ChatSendParams { timeout_ms, ..message("main", "hi") };
        let (sent, mut subscription) = world.runtime.send_and_subscribe(params).await.unwrap();
        let begun = started.elapsed();
        let told = Event::Aborted { text: "half".into(), reason: AbortReason::Timeout };
        assert_eq!(end(&mut subscription, &sent.run_id).await, told);
        assert_eq!((started.elapsed() - begun).as_secs(), seconds);
    }
    // Zero means that there is no limit, also for the next process.
    world.script.answer(Answer::never());
    let params = ChatSendParams { timeout_ms: Some(0), ..message("main", "hi") };
    let (sent, _) = world.runtime.send_and_subscribe(params).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.runtime.wait(wait_for(&sent.run_id, 0)).await.unwrap().status, RunStatus::Pending);
    assert_eq!(world.abort(None).await, [sent.run_id]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_can_be_waited_for() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["hello"]).usage(3, 2));
    let (sent, _) = world.send("hi").await;
    let pending = world.runtime.wait(wait_for(&sent.run_id, 100)).await.unwrap();
    assert_eq!((pending.status, pending.ended_ms), (RunStatus::Pending, None));
    gate.add_permits(1);
    let done = world.runtime.wait(wait_for(&sent.run_id, 60_000)).await.unwrap();
    assert_eq!((done.status, done.text.as_str(), done.usage.output_tokens), (RunStatus::Ok, "hello", 2));
    assert!(done.ended_ms > Some(done.accepted_ms));
    let restarted = world.restart().await;
    assert_eq!(restarted.runtime.wait(wait_for(&sent.run_id, 0)).await.unwrap(), done);
    let unknown = restarted.runtime.wait(wait_for(&"never-seen".parse().unwrap(), 0)).await;
    assert_eq!(unknown.unwrap_err().code, ErrorCode::UnknownRun);

    world.script.answer(Answer::text(["half"]).then_never());
    let (sent, _) = world.send("again").await;
    settle().await;
    world.abort(None).await;
    let stopped = world.runtime.wait(wait_for(&sent.run_id, 0)).await.unwrap();
    assert_eq!((stopped.status, stopped.text.as_str()), (RunStatus::Aborted, "half"));
    assert_eq!(stopped.reason, Some(AbortReason::Asked));
}

#[tokio::test(start_paused = true)]
async fn deltas_that_come_quickly_are_put_together_and_none_is_lost() {
    let world = World::with(|config| config.delta_interval = Duration::from_millis(100)).await;
    let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
    world.script.answer(
        Answer::text(["a"])
            .and_text(["b", "c"])
            .and_wait(wait(250))
            .and_text(["d"])
            .and_wait(wait(10))
            .and_text(["e", "f"]),
    );
    let (sent, mut subscription) = world.send("hi").await;
    let told = names(&events(&mut subscription, &sent.run_id).await);
    assert_eq!(told, ["accepted", "delta a", "delta bc", "delta d", "delta ef", "usage", "final"]);

    // Nothing that was said is missing from what a stopped run leaves behind.
    world.script.answer(Answer::text(["x", "y", "z"]).then_never());
    let (sent, mut subscription) = world.send("more").await;
    settle().await;
    world.abort(None).await;
    let told = events(&mut subscription, &sent.run_id).await;
    assert_eq!(names(&told), ["accepted", "delta x", "delta yz", "aborted"]);
    assert_eq!(told.last().unwrap().event, Event::Aborted { text: "xyz".into(), reason: AbortReason::Asked });
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_a_history_is_named() {
    let world = World::new().await;
    let content = vec![
        Block::text("look"),
        Block::Image { media_type: "image/png".into(), data: "AAAA".into() },
        Block::File { name: "a.txt".into(), media_type: "text/plain".into(), text: "x".repeat(100) },
    ];
    let params = ChatSendParams { content: Some(content.clone()), session: Some(name("main")), ..Default::default() };
    world.script.answer(Answer::text(["y".repeat(5_000)]));
    let (sent, mut subscription) = world.runtime.send_and_subscribe(params).await.unwrap();
    let told = events(&mut subscription, &sent.run_id).await;
    let stubs = [
        Block::text("look"),
        Block::Omitted { what: Omitted::Image, name: None, bytes: 3 },
        Block::Omitted { what: Omitted::File, name: Some("a.txt".into()), bytes: 100 },
    ];
    let Event::Accepted { message } = &told[0].event else { panic!("{:?}", told[0]) };
    assert_eq!(message.content, stubs);
    assert_eq!(world.script.requests()[0].messages[0].content, content);

    let history = async |attachments, max_message_bytes| {
        let params = ChatHistoryParams { attachments, max_message_bytes, ..ChatHistoryParams::new(name("main")) };
        world.runtime.history(params).await.unwrap().messages
    };
    assert_eq!(history(false, None).await[0].content, stubs);
    assert_eq!(history(true, None).await[0].content, content);
    let shortened = history(false, Some(2_000)).await;
    let [Block::Omitted { what: Omitted::Message, bytes, .. }] = shortened[1].content[..] else {
        panic!("{shortened:?}")
    };
    assert!(bytes > 5_000);
    assert_eq!(shortened[0].content, stubs);
    world.script.answer(Answer::text(["well"]));
    let (sent, mut subscription) = world.send("again").await;
    end(&mut subscription, &sent.run_id).await;
    assert!(asked(&world.script, 1)[0].starts_with("User: look"));
}
