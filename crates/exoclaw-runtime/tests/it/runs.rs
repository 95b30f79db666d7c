//! Runs: their order, and that each has one end.

use std::sync::Arc;

use exoclaw_agent::{ModelEvent, ModelRequest, Provider, ProviderError, ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::{ErrorCode, Event, FailureKind};
use exoclaw_store::{Record, RunOutcome};
use futures::stream::BoxStream;
use tokio::sync::{Barrier, Semaphore};

use crate::support::{Fault, World, asked, end, events, message, names, opened, settle, short};

#[tokio::test(start_paused = true)]
async fn messages_of_a_session_are_answered_one_after_the_other() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    world.script.answer(Answer::text(["two"]));
    world.script.answer(Answer::text(["three"]));
    let (first, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    let (third, _) = world.send("3").await;
    settle().await;
    assert_eq!(world.script.requests().len(), 1);
    gate.add_permits(1);

    let mut ends = Vec::new();
    for event in events(&mut subscription, &third.run_id).await {
        if event.event.is_terminal() {
            ends.push(event.run_id);
        }
    }
    assert_eq!(ends, [first.run_id, second.run_id, third.run_id]);
    assert_eq!(asked(&world.script, 0), ["User: 1"]);
    assert_eq!(asked(&world.script, 1), ["User: 1", "Assistant: one", "User: 2"]);
    assert_eq!(asked(&world.script, 2), ["User: 1", "Assistant: one", "User: 2", "Assistant: two", "User: 3"]);
}

#[tokio::test(start_paused = true)]
async fn sessions_run_side_by_side() {
    let world = World::new().await;
    let both = Arc::new(Barrier::new(2));
    for _ in 0..2 {
        let both = both.clone();
        world.script.answer(
            Answer::empty()
                .and_wait(async move {
                    both.wait().await;
                })
                .and_text(["met"]),
        );
    }
    let (a, mut of_a) = world.send_to("a", "hi").await;
    let (b, mut of_b) = world.send_to("b", "hi").await;
    assert!(matches!(end(&mut of_a, &a.run_id).await, Event::Final { .. }));
    assert!(matches!(end(&mut of_b, &b.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn runs_under_way_are_bounded_over_all_sessions() {
    let world = World::with(|config| config.concurrent_runs = 1).await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    world.script.answer(Answer::text(["two"]));
    world.send_to("a", "hi").await;
    let (b, mut of_b) = world.send_to("b", "hi").await;
    settle().await;
    assert_eq!(world.script.requests().len(), 1);
    gate.add_permits(1);
    assert!(matches!(end(&mut of_b, &b.run_id).await, Event::Final { .. }));
}

#[tokio::test(start_paused = true)]
async fn the_end_is_durable_before_it_is_told() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    world.store.on_append(move |record| matches!(record, Record::RunEnded { .. }).then(|| Fault::Hold(held.clone())));
    world.script.answer(Answer::text(["hello"]));
    let (sent, mut subscription) = world.send("hi").await;
    settle().await;
    let mut told = Vec::new();
    while let Some(event) = subscription.try_next().unwrap() {
        told.push(event.event().clone());
    }
    assert_eq!(names(&told), ["accepted", "delta hello", "usage"]);
    gate.add_permits(1);
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
}

/// Each kind of record may be the one that can't be written.
#[tokio::test(start_paused = true)]
async fn a_run_that_can_t_be_recorded_ends_once_and_stays_open() {
    for failing in ["started", "step", "ended"] {
        for fault in [Fault::Fail, Fault::Panic] {
            let world = World::new().await;
            let planned = fault.clone();
            world
                .store
                .on_append(move |record| (crate::support::record_name(record) == failing).then(|| planned.clone()));
            world.script.answer(Answer::text(["hello"]));
            let (sent, mut subscription) = world.send("hi").await;
            let last = end(&mut subscription, &sent.run_id).await;
            let Event::Error { code, .. } = last else { panic!("{failing} {fault:?}: {last:?}") };
            let expected = if matches!(fault, Fault::Fail) { ErrorCode::StoreReadOnly } else { ErrorCode::Internal };
            assert_eq!(code, expected, "{failing}");
            settle().await;
            assert!(subscription.try_next().unwrap().is_none(), "{failing} {fault:?}: a second end");
            let is_open = !world.store.inner().open_runs().await.unwrap().is_empty();
            assert_eq!(is_open, failing == "ended", "{failing} {fault:?}");

            world.store.heal();
            world.script.answer(Answer::text(["hello"])).answer(Answer::text(["hello"]));
            let (next, mut subscription) = world.send("again").await;
            assert!(matches!(end(&mut subscription, &next.run_id).await, Event::Final { .. }), "{failing} {fault:?}");
            assert_eq!(world.runtime.status().await.unwrap().active_runs, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_s_failure_is_told_and_the_session_goes_on() {
    let world = World::new().await;
    world.script.answer(Answer::text(["partly "]).then_error(ProviderError::new(ProviderErrorKind::Auth, "bad key")));
    world.script.answer(Answer::text(["fine"]));
    let (first, mut subscription) = world.send("1").await;
    let (second, _) = world.send("2").await;
    let told = events(&mut subscription, &first.run_id).await;
    assert_eq!(told.last().map(|last| names(std::slice::from_ref(last))), Some(vec!["error provider_auth".to_owned()]));
    assert!(matches!(end(&mut subscription, &second.run_id).await, Event::Final { .. }));
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: 1 (provider_auth)", "User: 2", "Assistant: fine"]);
}

#[derive(Debug)]
struct Panicking;

impl Provider for Panicking {
    fn stream(&self, _: Arc<ModelRequest>) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
        panic!("the provider panics as it was told to")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_run_and_no_other() {
    let world = World::with(|config| config.agents[0].provider = Arc::new(Panicking)).await;
    for _ in 0..2 {
        let (sent, mut subscription) = world.send("hi").await;
        let told = events(&mut subscription, &sent.run_id).await;
        assert_eq!(names(&told[1..]), ["error internal"]);
    }
    assert_eq!(world.journal().await, ["accepted", "started", "ended", "accepted", "started", "ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_tool_that_is_not_there_is_answered_and_recorded() {
    let world = World::new().await;
    world.script.answer(Answer::call("c1", "notes__append", serde_json::json!({})));
    world.script.answer(Answer::text(["no such tool"]));
    let (sent, mut subscription) = world.send("hi").await;
    let told = events(&mut subscription, &sent.run_id).await;
    assert_eq!(
        names(&told),
        ["accepted", "usage", "tool.started", "tool.finished", "delta no such tool", "usage", "final"]
    );
    let Event::ToolFinished { tool, output, .. } = &told[3].event else { panic!("{:?}", told[3]) };
    assert_eq!((tool.as_str(), output.failure), ("notes.append", Some(FailureKind::UnknownTool)));
    assert_eq!(world.journal().await, ["accepted", "started", "step", "result", "step", "ended"]);
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: hi", "Assistant: [c1 notes__append]", "User: [c1 failed]", "Assistant: no such tool"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_writes_much_is_told_in_full() {
    let world = World::new().await;
    let deltas: Vec<String> = (0..2_000).map(|i| format!("{i} ")).collect();
    world.script.answer(Answer::text(deltas.clone()));
    let (sent, mut subscription) = world.send("hi").await;
    let told = events(&mut subscription, &sent.run_id).await;
    let text: String = told
        .iter()
        .filter_map(|event| match &event.event {
            Event::Delta { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, deltas.concat());
    assert!(told.windows(2).all(|pair| pair[1].follows() == pair[0].seq));
    assert_eq!(told.last().unwrap().seq, 2_003);
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_run_is_journaled() {
    let world = World::new().await;
    world.script.answer(Answer::error(ProviderErrorKind::Refused, "will not"));
    let (sent, mut subscription) = world.runtime.send_and_subscribe(message("main", "hi")).await.unwrap();
    end(&mut subscription, &sent.run_id).await;
    let page = exoclaw_store::Page { entries: 100, bytes: u64::MAX };
    let entries = world.store.inner().tail(&sent.session, None, page).await.unwrap();
    let outcome = RunOutcome::Failed { code: ErrorCode::Refused, message: "will not".into(), text: String::new() };
    assert_eq!(entries.last().unwrap().record, Record::RunEnded { run_id: sent.run_id, outcome });
}
