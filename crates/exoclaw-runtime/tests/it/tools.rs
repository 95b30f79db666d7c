//! Tools in real components, called by a model through a run.

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ErrorCode, Event, FailureKind, SessionEvent, ToolContent, ToolOutput};
use exoclaw_runtime::{Invoked, PluginSlot, ReadyPlugin, StartError};
use exoclaw_sandbox::Plugin;
use exoclaw_store::{KvScope, Page, Record};
use serde_json::json;

use crate::{
    guest::{ECHO, ONE_TOOL, permit, plugin},
    support::{World, asked, end, events, names, short},
};

/// Its first tool has its own name.
const TWO_TOOLS: &str = r#"
    name = "guest"
    version = "1.0.0"
    description = "Two tools"
    tools = [
        { name = "guest", description = "One", effect = "pure", input_schema = { type = "object" } },
        { name = "other", description = "Two", effect = "once", input_schema = { type = "object" } },
    ]
"#;

fn two_tools() -> Vec<PluginSlot> {
    vec![slot(plugin(TWO_TOOLS, "", ECHO), "{}")]
}

fn slot(plugin: Plugin, grants: &str) -> PluginSlot {
    let permit = permit(&plugin, grants);
    PluginSlot { name: "guest".parse().unwrap(), state: Ok(ReadyPlugin::new(plugin, permit)) }
}

/// An agent with one tool, `guest.run`.
async fn world(functions: &str, call: &str, grants: &str) -> World {
    World::with_tools(vec![slot(plugin(ONE_TOOL, functions, call), grants)], &["guest"]).await.unwrap()
}

#[tokio::test]
async fn an_agent_gets_the_tools_that_its_config_names() {
    for (tools, offered) in [
        (vec![], vec![]),
        (vec!["guest"], vec!["guest", "guest__other"]),
        (vec!["guest.other"], vec!["guest__other"]),
        (vec!["guest.guest"], vec!["guest"]),
        (vec!["guest.other", "guest"], vec!["guest__other", "guest"]),
    ] {
        let world = World::with_tools(two_tools(), &tools).await.unwrap();
        world.script.answer(Answer::text(["done"]));
        let (sent, mut subscription) = world.send("hi").await;
        end(&mut subscription, &sent.run_id).await;
        let requests = world.script.requests();
        assert_eq!(requests[0].tools.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), offered, "{tools:?}");
    }
    for tool in ["guest.nothing", "nothing", "guest.", "guest__other"] {
        let error = World::with_tools(two_tools(), &[tool]).await.err().unwrap();
        let StartError::UnknownTool { known, .. } = error else { panic!("{error}") };
        assert_eq!(known, "guest.guest, guest.other", "{tool}");
    }
}

#[tokio::test]
async fn a_tool_named_as_its_plugin_goes_by_that_name() {
    let world = World::with_tools(two_tools(), &["guest"]).await.unwrap();
    world.script.answer(Answer::call("c1", "guest", json!({}))).answer(Answer::text(["done"]));
    let (sent, mut subscription) = world.send("hi").await;
    let heard = events(&mut subscription, &sent.run_id).await;
    let Event::ToolFinished { tool, output, .. } = &heard[3].event else { panic!("{:?}", heard[3]) };
    assert_eq!((tool.as_str(), text(output)), ("guest", "{}"));
}

/// What the tool gave back when the model called it with this text.
async fn called(world: &World, session: &str, text: &str) -> (ToolOutput, Vec<SessionEvent>) {
    world.script.answer(Answer::call("c1", "guest__run", json!({ "text": text }))).answer(Answer::text(["done"]));
    let (sent, mut subscription) = world.send_to(session, "hi").await;
    let heard = events(&mut subscription, &sent.run_id).await;
    let output = heard.iter().find_map(|event| match &event.event {
        Event::ToolFinished { output, .. } => Some(output.clone()),
        _ => None,
    });
    (output.unwrap(), heard)
}

fn text(output: &ToolOutput) -> &str {
    let [ToolContent::Text { text }] = output.content.as_slice() else { panic!("{output:?}") };
    text
}

#[tokio::test]
async fn a_call_is_offered_run_recorded_and_told() {
    let world = world("", ECHO, "{}").await;
    let (output, heard) = called(&world, "main", "hello").await;
    assert_eq!((text(&output), output.is_error), (r#"{"text":"hello"}"#, false));
    assert_eq!(names(&heard), ["accepted", "usage", "tool.started", "tool.finished", "delta done", "usage", "final"]);
    let Event::ToolStarted { tool, input, .. } = &heard[2].event else { panic!("{:?}", heard[2]) };
    assert_eq!((tool.as_str(), input), ("guest.run", &json!({ "text": "hello" })));
    let Event::ToolFinished { tool, metering, .. } = &heard[3].event else { panic!("{:?}", heard[3]) };
    assert_eq!(tool, "guest.run");
    assert!(metering.fuel > 0 && metering.wall_us > 0);

    let offered = &world.script.requests()[0].tools;
    assert_eq!(offered.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["guest__run"]);
    assert_eq!(asked(&world.script, 1), ["User: hi", "Assistant: [c1 guest__run]", "User: [c1 done]"]);
    assert_eq!(world.journal().await, ["accepted", "started", "step", "intent", "result", "step", "ended"]);
    let history: Vec<_> = world.history().await.iter().map(short).collect();
    assert_eq!(history, ["User: hi", "Assistant: [c1 guest__run]", "User: [c1 done]", "Assistant: done"]);
}

#[tokio::test]
async fn a_tool_that_crashes_is_a_result_like_any_other() {
    let world = world("", "(unreachable)", "{}").await;
    let (output, heard) = called(&world, "main", "hello").await;
    assert_eq!((output.is_error, output.failure), (true, Some(FailureKind::Crashed)));
    assert!(matches!(heard.last().unwrap().event, Event::Final { .. }));
}

#[tokio::test]
async fn the_intent_s_key_is_the_one_that_the_tool_gets() {
    let world = world("", "(call $text (local.get $key) (local.get $key_len))", "{}").await;
    let (first, _) = called(&world, "main", "a").await;
    let (second, _) = called(&world, "main", "a").await;
    assert_ne!(text(&first), text(&second), "another run is another effect");
    let page = Page { entries: 100, bytes: u64::MAX };
    let entries = world.store.inner().read(&"agent:main:main".parse().unwrap(), 0, page).await.unwrap();
    let keys = entries.into_iter().filter_map(|entry| match entry.record {
        Record::Intent { key, .. } => Some(key),
        _ => None,
    });
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys, [text(&first), text(&second)]);
}

#[tokio::test]
async fn a_tool_can_tell_sessions_apart_and_no_more() {
    let call = "(call $text (local.get $session) (local.get $session_len))";
    let world = world("", call, "{}").await;
    let (first, _) = called(&world, "main", "a").await;
    let (again, _) = called(&world, "main", "a").await;
    let (other, _) = called(&world, "other", "a").await;
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(text(&first).len(), 32);
    assert!(text(&first).bytes().all(|byte| byte.is_ascii_hexdigit()));
}

/// Keeps its arguments under `k`, and says them again as they were kept, or `F` where they were not.
const STORE: &str = r#"
    (import "exoclaw:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
    (import "exoclaw:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
    (data (i32.const 256) "kF")
"#;
const KEEP: &str = "
    (call $set (i32.const 256) (i32.const 1) (local.get $arguments) (local.get $arguments_len) (i32.const 512))
    (if (i32.load8_u (i32.const 512)) (then (return (call $text (i32.const 257) (i32.const 1)))))
    (call $get (i32.const 256) (i32.const 1) (i32.const 512))
    (call $text (i32.load (i32.const 520)) (i32.load (i32.const 524)))
";

#[tokio::test]
async fn what_a_plugin_keeps_is_in_the_store_within_its_quota() {
    let world = world(STORE, KEEP, r#"{ "kv": 40 }"#).await;
    assert_eq!(text(&called(&world, "main", "short").await.0), r#"{"text":"short"}"#);
    assert_eq!(text(&called(&world, "main", &"long".repeat(20)).await.0), "F");
    let scope = KvScope { plugin: "guest".parse().unwrap(), agent: "main".parse().unwrap() };
    let kept = world.store.inner().kv_get(&scope, "k").await.unwrap();
    assert_eq!(kept.as_deref(), Some(br#"{"text":"short"}"#.as_slice()));
}

#[tokio::test]
async fn a_plugin_without_the_grant_keeps_nothing() {
    let world = world(STORE, KEEP, "{}").await;
    assert_eq!(text(&called(&world, "main", "short").await.0), "F");
}

#[tokio::test]
async fn progress_is_told_while_the_call_runs() {
    let functions = r#"
        (import "exoclaw:plugin/progress@0.1.0" "report" (func $report (param i32 f32 i32 i32)))
        (data (i32.const 256) "halfway")
    "#;
    let call = "
        (call $report (i32.const 1) (f32.const 0.5) (i32.const 256) (i32.const 7))
        (call $text (i32.const 256) (i32.const 4))
    ";
    let world = world(functions, call, "{}").await;
    let (_, heard) = called(&world, "main", "a").await;
    let progress = heard.iter().find_map(|event| match &event.event {
        Event::ToolProgress { fraction, message, .. } => Some((*fraction, message.as_str())),
        _ => None,
    });
    assert_eq!(progress, Some((Some(0.5), "halfway")));
}

#[tokio::test]
async fn plugins_are_listed_with_what_they_asked_for_and_got() {
    let world = world(STORE, KEEP, r#"{ "kv": 40 }"#).await;
    let list = world.runtime.plugins().plugins;
    let [plugin] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!((plugin.name.as_str(), plugin.version.as_deref(), &plugin.error), ("guest", Some("1.0.0"), &None));
    assert_eq!(plugin.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["guest.run"]);
    assert_eq!(plugin.tools[0].input_schema["type"], "object");
    assert_eq!(
        (plugin.requested.as_slice(), plugin.granted.as_slice()),
        (["kv 1 MiB".to_owned()].as_slice(), ["kv 40 B".to_owned()].as_slice())
    );
    assert_eq!(plugin.sha256.as_ref().map(String::len), Some(64));
    assert_eq!(world.runtime.status().await.unwrap().plugins_ready, 1);
}

#[tokio::test]
async fn a_tool_is_called_outside_of_a_run_under_the_same_grants() {
    let world = world("", ECHO, "{}").await;
    let main = crate::support::name("main");
    assert_eq!(world.runtime.tools_of(&main).unwrap()[0].name, "guest__run");
    let said = world.runtime.invoke_tool(&main, "guest.run", json!({ "text": "x" })).await.unwrap();
    let Invoked::Done(said) = said else { panic!("{said:?}") };
    assert_eq!((said.content, said.is_error), (vec![ToolContent::Text { text: r#"{"text":"x"}"#.to_owned() }], false));
    for tool in ["guest.other", "guest__run", "other.run"] {
        assert_eq!(world.runtime.invoke_tool(&main, tool, json!({})).await, Ok(Invoked::Unknown), "{tool}");
    }
    let unknown = world.runtime.invoke_tool(&crate::support::name("agent:nobody:x"), "guest.run", json!({})).await;
    assert_eq!(unknown.unwrap_err().code, ErrorCode::UnknownAgent);
    assert!(world.journal().await.is_empty());
}
