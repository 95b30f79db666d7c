//! New files of plugins, while the runtime runs.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{Event, PluginInfo, ToolContent};
use exoclaw_runtime::{PluginSlot, ReadyPlugin, Replaced};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    guest::{ONE_TOOL, permit, plugin},
    support::{World, end, events},
};

/// Looks into its store, and answers with its own name.
fn version(name: &str, manifest: &str) -> PluginSlot {
    let functions = format!(
        r#"(import "exoclaw:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32))) (data (i32.const 256) "{name}")"#
    );
    let call = format!(
        "(call $get (i32.const 256) (i32.const 1) (i32.const 512)) (call $text (i32.const 256) (i32.const {}))",
        name.len()
    );
    let plugin = plugin(manifest, &functions, &call);
    let permit = permit(&plugin, r#"{ "kv": 40 }"#);
    PluginSlot { name: "guest".parse().unwrap(), state: Ok(ReadyPlugin { plugin, permit, record: false }) }
}

fn broken(why: &str) -> PluginSlot {
    PluginSlot { name: "guest".parse().unwrap(), state: Err(why.to_owned()) }
}

async fn world(slot: PluginSlot) -> World {
    World::with_tools(vec![slot], &["guest"]).await.unwrap()
}

/// What the tool says when the model calls it.
async fn answer(world: &World) -> String {
    world.script.answer(Answer::call("c1", "guest__run", json!({}))).answer(Answer::text(["done"]));
    let (sent, mut subscription) = world.send("hi").await;
    let heard = events(&mut subscription, &sent.run_id).await;
    let output = heard.into_iter().find_map(|event| match event.event {
        Event::ToolFinished { output, .. } => Some(output),
        _ => None,
    });
    match output.unwrap().content.as_slice() {
        [ToolContent::Text { text }] => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn listed(world: &World) -> PluginInfo {
    world.runtime.plugins().plugins.remove(0)
}

const TAKEN: Replaced = Replaced::Taken { asks_for_more: Vec::new() };

#[tokio::test]
async fn the_next_call_goes_to_the_new_file_and_the_one_under_way_ends_on_the_old() {
    let world = world(version("old", ONE_TOOL)).await;
    let [reached, gate] = [0, 0].map(|permits| Arc::new(Semaphore::new(permits)));
    world.store.on_kv_get([reached.clone(), gate.clone()]);
    let under_way = answer(&world);
    let swap = async {
        reached.acquire().await.unwrap().forget();
        assert_eq!(world.runtime.replace_plugin(version("new", ONE_TOOL)), TAKEN);
        gate.add_permits(10);
    };
    let (under_way, ()) = tokio::join!(under_way, swap);
    assert_eq!(under_way, "old");
    assert_eq!(answer(&world).await, "new");
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_one_where_it_is() {
    let world = world(version("old", ONE_TOOL)).await;
    let before = listed(&world);
    assert_eq!(world.runtime.replace_plugin(broken("the file is no component")), Replaced::Refused);
    assert_eq!(answer(&world).await, "old");
    let refused = Some("the file is no component".to_owned());
    assert_eq!(listed(&world), PluginInfo { refused_update: refused, ..before.clone() });
    // The old file again: all is as it was.
    assert_eq!(world.runtime.replace_plugin(version("old", ONE_TOOL)), Replaced::Same);
    assert_eq!(listed(&world), before);
    assert_eq!(world.runtime.replace_plugin(version("new", ONE_TOOL)), TAKEN);
    assert_eq!(answer(&world).await, "new");
}

#[tokio::test]
async fn an_update_that_asks_for_more_keeps_its_grants_and_says_so() {
    let world = world(version("old", ONE_TOOL)).await;
    let more = ONE_TOOL.replace(r#"requests = { kv"#, r#"requests = { http = ["GET https://example.com/*"], kv"#);
    let Replaced::Taken { asks_for_more } = world.runtime.replace_plugin(version("new", &more)) else { panic!() };
    assert_eq!(asks_for_more, ["http GET https://example.com/*"], "the store was asked for before");
    let info = listed(&world);
    assert_eq!(info.granted, ["kv 40 B"]);
    assert_eq!(info.missing, ["http GET https://example.com/*", "kv 1 MiB"]);
}

#[tokio::test]
async fn tools_come_and_go_with_the_file() {
    // What could not be loaded at the start can be later.
    let world = world(broken("the file is not there")).await;
    assert_eq!(listed(&world).error.as_deref(), Some("the file is not there"));
    assert_eq!(world.runtime.replace_plugin(broken("it is half a file")), Replaced::Refused);
    assert_eq!(listed(&world).error.as_deref(), Some("it is half a file"));
    assert_eq!(world.runtime.replace_plugin(version("new", ONE_TOOL)), TAKEN);
    assert_eq!(answer(&world).await, "new");
    let other = ONE_TOOL.replace(r#"name = "run""#, r#"name = "walk""#);
    assert_eq!(world.runtime.replace_plugin(version("newer", &other)), TAKEN);
    let last = world.script.requests().len();
    world.script.answer(Answer::text(["done"]));
    let (sent, mut subscription) = world.send("hi").await;
    end(&mut subscription, &sent.run_id).await;
    let offered = &world.script.requests()[last].tools;
    assert_eq!(offered.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["guest__walk"]);
    let stranger = PluginSlot { name: "stranger".parse().unwrap(), ..version("new", ONE_TOOL) };
    assert_eq!(world.runtime.replace_plugin(stranger), Replaced::Unknown);
}
