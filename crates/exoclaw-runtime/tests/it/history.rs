//! What a session remembers.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ChatHistoryParams, ErrorCode, Role};
use exoclaw_store::{Page, Record};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{Fault, World, asked, end, name, settle, short};

async fn talk(world: &World, from: usize, to: usize) {
    for i in from..to {
        world.script.answer(Answer::text([format!("answer {i}")]));
        let (sent, mut subscription) = world.send(&format!("question {i}")).await;
        end(&mut subscription, &sent.run_id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_messages_come_within_their_bounds() {
    let world = World::new().await;
    talk(&world, 0, 200).await;
    let all = world.history().await;
    assert_eq!(all.len(), 400);
    assert!(all.is_sorted_by_key(|message| message.seq));
    assert_eq!((short(&all[0]), short(&all[399])), ("User: question 0".into(), "Assistant: answer 199".into()));

    assert_eq!(world.history_of(Some(3), None).await, all[397..]);
    assert_eq!(world.history_of(Some(300), None).await, all[100..]);
    assert_eq!(world.history_of(Some(0), None).await, all[399..]);
    assert_eq!(world.history_of(None, Some(1)).await, all[399..]);
    let bytes = serde_json::to_vec(&all[390..]).unwrap().len();
    let within = world.history_of(None, Some(u32::try_from(bytes).unwrap())).await;
    assert_eq!(within, all[390..]);
}

#[tokio::test(start_paused = true)]
async fn pages_put_together_are_the_whole_history() {
    let world = World::new().await;
    talk(&world, 0, 3).await;
    // Another message is accepted between two results of one step, and that the step's run was stopped is said later still.
    let gate = Arc::new(Semaphore::new(0));
    let (held, second) = (gate.clone(), "c2".parse().unwrap());
    let is_held = move |record: &Record| matches!(record, Record::ToolResult { call_id, .. } if *call_id == second);
    world.store.on_append(move |record| is_held(record).then(|| Fault::Hold(held.clone())));
    world.script.answer(Answer::call("c1", "a", json!({})).and_call("c2", "b", json!({}))).answer(Answer::never());
    let (stopped, mut subscription) = world.send("use tools").await;
    settle().await;
    world.script.answer(Answer::text(["later"]));
    let (later, _) = world.send("and then").await;
    gate.add_permits(1);
    settle().await;
    world.abort(Some(&stopped.run_id)).await;
    end(&mut subscription, &later.run_id).await;
    let all = world.history().await;
    let last: Vec<_> = all[6..].iter().map(short).collect();
    assert_eq!(
        last,
        [
            "User: use tools",
            "Assistant: [c1 a][c2 b]",
            "User: [c1 failed][c2 failed] (interrupted)",
            "User: and then",
            "Assistant: later"
        ]
    );
    for limit in 1..=all.len() + 1 {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let limit = u32::try_from(limit).ok();
            let params = ChatHistoryParams { limit, before, ..ChatHistoryParams::new(name("main")) };
            let page = world.runtime.history(params).await.unwrap().messages;
            let Some(first) = page.first() else { break };
            assert!(page.len() <= limit.unwrap() as usize && before.is_none_or(|before| first.seq < before));
            before = Some(first.seq);
            pages.splice(0..0, page);
        }
        assert_eq!(pages, all, "pages of {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_is_the_same_after_a_restart() {
    let world = World::new().await;
    world.script.answer(Answer::call("c1", "a", json!({})).and_call("c2", "b", json!({})));
    talk(&world, 0, 2).await;
    let before = world.history().await;
    let short: Vec<_> = before.iter().map(short).collect();
    assert_eq!(
        short,
        [
            "User: question 0",
            "Assistant: [c1 a][c2 b]",
            "User: [c1 failed][c2 failed]",
            "Assistant: answer 0",
            "User: question 1",
            "Assistant: answer 1"
        ]
    );
    assert_eq!(world.restart().await.history().await, before);
}

#[tokio::test(start_paused = true)]
async fn the_model_is_told_the_newest_part_from_a_person_s_message_on() {
    for entries in 1..40 {
        let world = World::with(|config| config.context = Page { entries, bytes: u64::MAX }).await;
        world.script.answer(Answer::call("c1", "a", json!({})));
        talk(&world, 0, 3).await;
        let requests = world.script.requests();
        let told = &requests.last().unwrap().messages;
        assert_eq!(told[0].role, Role::User);
        assert!(told[0].text().starts_with("question"), "{entries}: {told:?}");
        let told = asked(&world.script, requests.len() - 1);
        assert_eq!(told.last().unwrap(), "User: question 2");
        assert!(told.len() <= entries as usize + 1, "{entries}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sessions_are_listed_with_what_they_do() {
    let world = World::new().await;
    talk(&world, 0, 1).await;
    world.script.answer(Answer::never());
    world.send_to("busy", "hi").await;
    let list = world.runtime.sessions(exoclaw_protocol::SessionListParams::default()).await.unwrap().sessions;
    let seen: Vec<_> =
        list.iter().map(|info| (info.session.as_str(), info.agent.as_str(), info.messages, info.active)).collect();
    assert_eq!(seen, [("agent:main:busy", "main", 1, true), ("agent:main:main", "main", 1, false)]);
    let one = world
        .runtime
        .sessions(exoclaw_protocol::SessionListParams { limit: Some(1), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(one.sessions, list[..1]);
}

#[tokio::test(start_paused = true)]
async fn a_session_nobody_used_has_no_messages() {
    let world = World::new().await;
    assert_eq!(world.history().await, []);
    let params = ChatHistoryParams::new(name("agent:nobody:x"));
    assert_eq!(world.runtime.history(params).await.unwrap_err().code, ErrorCode::UnknownAgent);
}
