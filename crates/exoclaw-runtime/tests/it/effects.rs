//! A process that dies in the midst of a tool call, for each effect that a tool may have.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{Event, FailureKind, SessionEvent};
use exoclaw_runtime::{PluginSlot, Plugins, ReadyPlugin};
use exoclaw_store::{Entry, Page, Record};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    guest::{ECHO, permit, plugin},
    support::{Fault, World, asked, events, names, record_name},
};

fn guest(effect: &str) -> Vec<PluginSlot> {
    let manifest = format!(
        r#"
        name = "guest"
        version = "1.0.0"
        description = "A guest of the tests"
        tools = [{{ name = "run", description = "Runs", effect = "{effect}", input_schema = {{ type = "object" }} }}]
    "#
    );
    let plugin = plugin(&manifest, "", ECHO);
    let permit = permit(&plugin, "{}");
    vec![PluginSlot { name: "guest".parse().unwrap(), state: Ok(ReadyPlugin::new(plugin, permit)) }]
}

/// A world whose process died when its tool had run and its result was not yet written.
async fn died(effect: &str) -> World {
    let world = World::with_tools(guest(effect), &["guest"]).await.unwrap();
    let reached = Arc::new(Semaphore::new(0));
    let dies = reached.clone();
    world.store.on_append(move |record| (record_name(record) == "result").then(|| Fault::Die(dies.clone())));
    world.script.answer(Answer::text(["Let me see."]).and_call("c1", "guest__run", json!({ "text": "x" })));
    world.send("hi").await;
    reached.acquire().await.unwrap().forget();
    world
}

async fn entries(world: &World) -> Vec<Entry> {
    let page = Page { entries: 100, bytes: u64::MAX };
    world.store.inner().read(&"agent:main:main".parse().unwrap(), 0, page).await.unwrap()
}

/// The rest of the run after the restart: its events from the beginning of the new process, and its records.
async fn resumed(world: &World, effect: &str) -> (World, Vec<SessionEvent>) {
    let gate = Arc::new(Semaphore::new(0));
    let answer = Answer::empty().and_wait(crate::support::opened(&gate)).and_text(["done"]);
    let world = world.restart_with(Plugins::new(guest(effect)), &["guest"], [answer]).await;
    let run_id = entries(&world).await[0].record.run_id().unwrap().clone();
    let (result, mut subscription) = world.subscribe(None).await;
    let shown: Vec<_> = result.snapshot.unwrap().messages.iter().map(crate::support::short).collect();
    assert_eq!(shown[..2], ["User: hi", "Assistant: Let me see.[c1 guest__run]"]);
    gate.add_permits(1);
    let heard = events(&mut subscription, &run_id).await;
    assert_eq!(asked(&world.script, 0).len(), 3, "the step was bought again");
    (world, heard)
}

fn unknown(events: &[SessionEvent]) -> usize {
    let is_unknown = |event: &&SessionEvent| matches!(&event.event, Event::ToolFinished { output, .. } if output.failure == Some(FailureKind::OutcomeUnknown));
    events.iter().filter(is_unknown).count()
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_run_again_or_said_to_be_unknown() {
    for (effect, records, result) in [
        ("pure", vec!["accepted", "started", "step", "resumed", "result", "step", "ended"], "User: [c1 done]"),
        ("read", vec!["accepted", "started", "step", "resumed", "result", "step", "ended"], "User: [c1 done]"),
        (
            "idempotent",
            vec!["accepted", "started", "step", "intent", "resumed", "result", "step", "ended"],
            "User: [c1 done]",
        ),
        (
            "once",
            vec!["accepted", "started", "step", "intent", "resumed", "result", "step", "ended"],
            "User: [c1 failed]",
        ),
    ] {
        let (world, heard) = resumed(&died(effect).await, effect).await;
        assert_eq!(world.journal().await, records, "{effect}");
        assert_eq!(asked(&world.script, 0)[2], result, "{effect}");
        assert_eq!(names(&heard).last().unwrap(), "final", "{effect}");
        let flagged = entries(&world).await.into_iter().filter(|entry| {
            matches!(&entry.record, Record::ToolResult { output, .. } if output.failure == Some(FailureKind::OutcomeUnknown))
        });
        assert_eq!(flagged.count(), usize::from(effect == "once"), "{effect}");
        assert!(unknown(&heard) <= usize::from(effect == "once"), "{effect}");
    }
}

/// Whoever stops a run in the midst of a call learns that nobody knows what became of it, once, before the end.
#[tokio::test]
async fn a_call_that_is_stopped_leaves_its_outcome_unknown() {
    let world = World::with_tools(guest("once"), &["guest"]).await.unwrap();
    let reached = Arc::new(Semaphore::new(0));
    let dies = reached.clone();
    world.store.on_append(move |record| (record_name(record) == "intent").then(|| Fault::Die(dies.clone())));
    world.script.answer(Answer::call("c1", "guest__run", json!({})));
    let (sent, mut subscription) = world.send("hi").await;
    reached.acquire().await.unwrap().forget();
    world.store.heal();
    world.abort(None).await;
    let heard = events(&mut subscription, &sent.run_id).await;
    assert_eq!(names(&heard), ["accepted", "usage", "tool.finished", "aborted"]);
    assert_eq!(unknown(&heard), 1);
    assert_eq!(world.journal().await, ["accepted", "started", "step", "result", "ended"]);
}

/// The same where the process died in the call, and its run is stopped before its turn comes again.
#[tokio::test]
async fn a_run_that_is_stopped_while_it_waits_to_be_taken_up_says_so_too() {
    let world = died("once").await;
    let restarted = world.restart_with(Plugins::new(guest("once")), &["guest"], [Answer::never()]).await;
    restarted.abort(None).await;
    let flagged = entries(&restarted).await.into_iter().filter(|entry| {
        matches!(&entry.record, Record::ToolResult { output, .. } if output.failure == Some(FailureKind::OutcomeUnknown))
    });
    assert_eq!(flagged.count(), 1);
}
