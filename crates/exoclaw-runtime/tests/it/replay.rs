//! Runs that are over, once more.

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{FailureKind, SessionKey};
use exoclaw_runtime::{PluginSlot, Plugins, ReadyPlugin, RecordedCalls, ReplayError, ReplayedCall, replay};
use exoclaw_store::{Entry, Page};
use serde_json::json;

use crate::{
    guest::{ECHO, ONE_TOOL, permit, plugin},
    support::{World, end},
};

fn guest(call: &str) -> Vec<PluginSlot> {
    let plugin = plugin(ONE_TOOL, "", call);
    let permit = permit(&plugin, "{}");
    vec![PluginSlot { name: "guest".parse().unwrap(), state: Ok(ReadyPlugin::new(plugin, permit)) }]
}

fn session() -> SessionKey {
    "agent:main:main".parse().unwrap()
}

/// The records of a run that called a tool that echoes, one that is not there, and answered.
async fn entries() -> Vec<Entry> {
    let world = World::with_tools(guest(ECHO), &["guest"]).await.unwrap();
    let calls = Answer::call("c1", "guest__run", json!({ "n": 1 })).and_call("c2", "nothing", json!({}));
    world
        .script
        .answer(calls)
        .answer(Answer::call("c1", "guest__run", json!({ "n": 2 })))
        .answer(Answer::text(["done"]));
    let (sent, mut subscription) = world.send("hi").await;
    end(&mut subscription, &sent.run_id).await;
    world.store.inner().read(&session(), 0, Page { entries: 100, bytes: u64::MAX }).await.unwrap()
}

async fn replayed(entries: Vec<Entry>, call: &str) -> Vec<ReplayedCall> {
    replayed_as(entries, guest(call), RecordedCalls::new()).await
}

async fn replayed_as(entries: Vec<Entry>, slots: Vec<PluginSlot>, recorded: RecordedCalls) -> Vec<ReplayedCall> {
    let scratch = tempfile::tempdir().unwrap();
    let (tools, plugins) = (["guest".to_owned()], Plugins::new(slots));
    replay(&session(), entries, &tools, &plugins, recorded, scratch.path().to_owned()).await.unwrap()
}

#[tokio::test]
async fn the_same_tools_give_back_the_same() {
    let calls = replayed(entries().await, ECHO).await;
    let names: Vec<_> = calls.iter().map(|call| (call.step, call.call.name.as_str(), call.is_same())).collect();
    assert_eq!(names, [(0, "guest.run", true), (0, "nothing", true), (1, "guest.run", true)]);
    assert!(calls[0].now.as_ref().unwrap().metering.fuel > 0, "it was really run");
}

#[tokio::test]
async fn another_version_is_compared_and_the_model_says_what_it_said() {
    let calls = replayed(entries().await, "(unreachable)").await;
    let now: Vec<_> = calls.iter().map(|call| call.now.as_ref().unwrap().output.failure).collect();
    assert_eq!(now, [Some(FailureKind::Crashed), Some(FailureKind::UnknownTool), Some(FailureKind::Crashed)]);
    assert_eq!(calls.iter().map(ReplayedCall::is_same).collect::<Vec<_>>(), [false, true, false]);
}

#[tokio::test]
async fn a_run_that_was_cut_off_is_replayed_as_far_as_it_came() {
    let entries = entries().await;
    let result = |entry: &Entry| matches!(entry.record, exoclaw_store::Record::ToolResult { .. });
    let first = entries.iter().position(result).unwrap();
    let calls = replayed(entries[..first].to_vec(), ECHO).await;
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.then.is_none() && call.now.is_some() && !call.is_same()));
    let refused =
        replay(&session(), entries[1..].to_vec(), &[], &Plugins::default(), RecordedCalls::new(), std::env::temp_dir())
            .await;
    assert!(matches!(refused, Err(ReplayError::NoMessage(_))), "{refused:?}");
}
