//! Summaries in the place of what leaves a conversation.

use std::sync::Arc;

use exoclaw_agent::{ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::{
    ChatAbortParams, ErrorCode, Event, HistoryMessage, Message, SessionCompactParams, SessionGetParams,
    SessionResetParams, Spent, StopReason, TokenName, UsageParams,
};
use exoclaw_runtime::{Allowance, Budget};
use exoclaw_store::{Page, Record};
use tokio::sync::Semaphore;

use crate::support::{Fault, World, asked, end, name, opened, settle, short};

async fn talk(world: &World, from: u32, to: u32) {
    for number in from..=to {
        world.script.answer(Answer::text([format!("a{number}")]).usage(1, 1));
        let (sent, mut events) = world.send(&format!("q{number}")).await;
        assert!(matches!(end(&mut events, &sent.run_id).await, Event::Final { .. }));
    }
}

async fn summarize(world: &World, keep: u32) -> Result<bool, ErrorCode> {
    let params = SessionCompactParams { session: name("main"), keep, summarize: true };
    let by: TokenName = "phone".parse().unwrap();
    let done = world.runtime.compact_session_by(Some(by), params).await;
    done.map(|done| done.compacted).map_err(|error| error.code)
}

async fn shown(world: &World) -> Vec<String> {
    let name = |message: &HistoryMessage| if message.summary { "Summary".to_owned() } else { short(message) };
    world.history().await.iter().map(name).collect()
}

async fn spent(world: &World) -> Spent {
    world.runtime.session(SessionGetParams { session: name("main") }).await.unwrap().spent
}

async fn records(world: &World) -> Vec<Record> {
    let page = Page { entries: 1_000, bytes: u64::MAX };
    let entries = world.store.inner().read(&"agent:main:main".parse().unwrap(), 0, page).await.unwrap();
    entries.into_iter().map(|entry| entry.record).collect()
}

#[tokio::test(start_paused = true)]
async fn a_summary_stands_for_what_it_is_of() {
    let world = World::new().await;
    talk(&world, 1, 4).await;
    world.script.answer(Answer::text(["they counted ", "to two"]).usage(20, 5));
    assert_eq!(summarize(&world, 2).await, Ok(true));
    let request = world.script.requests().last().unwrap().clone();
    assert!(request.system.as_ref().unwrap().contains("summary") && request.tools.is_empty());
    assert_eq!(request.messages, [Message::user("User: q1\n\nAssistant: a1\n\nUser: q2\n\nAssistant: a2\n\n")]);
    let all = ["Summary", "User: q3", "Assistant: a3", "User: q4", "Assistant: a4"];
    assert_eq!(shown(&world).await, all);
    let history = world.history().await;
    assert!(history.is_sorted_by_key(|message| message.seq) && history[0].content.len() == 1);
    // Who wrote it, when, of what, and what it cost.
    let Record::Summarized { first, before, text, model, usage, by, .. } = &records(&world).await[16] else { panic!() };
    assert_eq!((*first, *before, text.as_str(), model.as_str()), (1, 9, "they counted to two", "model-1"));
    assert_eq!((usage.input_tokens, by.as_ref().unwrap().as_str()), (20, "phone"));
    assert_eq!((spent(&world).await.steps, spent(&world).await.usage.tokens()), (5, 8 + 25));

    let again = world.restart().await;
    for world in [&world, &again] {
        assert_eq!(shown(world).await[..5], all);
        let (snapshot, _) = world.subscribe(None).await;
        assert!(snapshot.snapshot.unwrap().messages[0].summary);
        talk(world, 5, 5).await;
        let told = asked(&world.script, world.script.requests().len() - 1);
        let words = "User: (A summary of what was said before, which the user did not write:)they counted to two";
        assert!(told[0].starts_with(words) && told[0].ends_with("q3"), "{told:?}");
    }

    // Of a summary and what came after it, there is one summary again; without one, none is left.
    again.script.answer(Answer::text(["all in all"]));
    assert_eq!(summarize(&again, 1).await, Ok(true));
    let request = again.script.requests().last().unwrap().messages[0].text();
    assert!(request.starts_with("Summary of what was said before: they counted to two\n\nUser: q3"), "{request}");
    assert_eq!(shown(&again).await, ["Summary", "User: q5", "Assistant: a5"]);
    talk(&again, 6, 6).await;
    let params = SessionCompactParams { session: name("main"), keep: 1, summarize: false };
    assert!(again.runtime.compact_session(params).await.unwrap().compacted);
    assert_eq!(shown(&again).await, ["User: q6", "Assistant: a6"]);
    assert_eq!(summarize(&again, 1).await, Ok(false));
}

/// Whatever goes wrong, the conversation is as it was, and what was used is counted.
#[tokio::test(start_paused = true)]
async fn a_failing_summary_changes_nothing() {
    let world = World::new().await;
    talk(&world, 1, 3).await;
    let before = shown(&world).await;
    world.script.answer(Answer::error(ProviderErrorKind::Refused, "no"));
    assert!(summarize(&world, 1).await.is_err());
    assert_eq!(records(&world).await.len(), 12);
    world.script.answer(Answer::text(["  "]).usage(7, 1));
    assert_eq!(summarize(&world, 1).await, Err(ErrorCode::Internal));
    world.script.answer(Answer::call("c", "t", serde_json::json!({})).usage(7, 1));
    world.script.answer(Answer::text(["half"]).stop_reason(StopReason::MaxTokens).usage(7, 1));
    assert_eq!(summarize(&world, 1).await, Err(ErrorCode::Internal));
    let failing = |record: &Record| matches!(record, Record::Summarized { .. }).then_some(Fault::Fail);
    world.script.answer(Answer::text(["never written"]));
    world.store.on_append(failing);
    assert_eq!(summarize(&world, 1).await, Err(ErrorCode::StoreReadOnly));
    for world in [&world, &world.restart().await] {
        assert_eq!(shown(world).await, before);
        assert_eq!(spent(world).await.usage.tokens(), 6 + 3 * 8);
    }
}

#[tokio::test(start_paused = true)]
async fn a_summary_is_stopped_and_never_in_the_way() {
    let world = World::new().await;
    talk(&world, 1, 3).await;
    let before = shown(&world).await;
    // Stopped, as runs are.
    world.script.answer(Answer::never());
    let stop = async {
        settle().await;
        assert_eq!(summarize(&world, 1).await, Err(ErrorCode::Busy), "one at a time");
        let params = ChatAbortParams { session: name("main"), run_id: None };
        assert!(!world.runtime.abort(params).await.unwrap().aborted);
    };
    assert_eq!(tokio::join!(summarize(&world, 1), stop).0, Err(ErrorCode::Interrupted));
    // Given up by whoever asked.
    world.script.answer(Answer::never());
    tokio::select! {
        _ = summarize(&world, 1) => panic!("it can't end"),
        () = settle() => {}
    }
    // Begun anew meanwhile.
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::text(["late"]).and_wait(opened(&gate)));
    let run = async {
        settle().await;
        world.script.answer(Answer::never());
        let (sent, _) = world.send("meanwhile").await;
        settle().await;
        gate.add_permits(1);
        sent
    };
    let (late, sent) = tokio::join!(summarize(&world, 1), run);
    assert_eq!(late, Err(ErrorCode::Busy));
    assert!(records(&world).await.iter().any(|record| matches!(record, Record::Summarized { .. })), "it was paid");
    world.abort(Some(&sent.run_id)).await;
    assert_eq!(shown(&world).await[..6], before);
    world.script.answer(Answer::never());
    let reset = async {
        settle().await;
        world.runtime.reset_session(SessionResetParams { session: name("main") }).await.unwrap();
    };
    assert_eq!(tokio::join!(summarize(&world, 1), reset).0, Err(ErrorCode::Interrupted));
    assert_eq!(shown(&world).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_summary_has_to_fit_into_the_budgets() {
    let world = World::with(|config| {
        config.agents[0].max_tokens = Some(10);
        let day = Some(Allowance { tokens: Some(2_000), money: None });
        config.budgets.credentials.insert("phone".parse().unwrap(), Budget { day, ..Budget::default() });
    })
    .await;
    talk(&world, 1, 2).await;
    world.script.answer(Answer::text(["in short"]).usage(1_500, 10));
    assert_eq!(summarize(&world, 1).await, Ok(true));
    let usage = world.runtime.usage(UsageParams::default()).await.unwrap();
    let of_phone = usage.credentials.iter().find(|by| by.name == "phone").unwrap();
    assert_eq!(of_phone.spent.day.usage.tokens(), 1_510);
    talk(&world, 3, 3).await;
    assert_eq!(summarize(&world, 1).await, Err(ErrorCode::BudgetExceeded));
    assert_eq!(world.script.requests().len(), 4);
}
