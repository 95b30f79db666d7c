//! What a runtime is made of must fit together.

use std::sync::Arc;

use exoclaw_agent::test_util::ScriptedProvider;
use exoclaw_protocol::PluginInfo;
use exoclaw_router::Router;
use exoclaw_runtime::{Parts, PluginSlot, Plugins, Runtime, RuntimeConfig, StartError, SystemClock};
use exoclaw_store::MemoryStore;

use crate::support::{World, config, router};

fn parts(plugins: Plugins) -> Parts {
    Parts { router: router(), store: Arc::new(MemoryStore::new()), plugins, clock: Arc::new(SystemClock) }
}

fn with_tools(tools: &[&str]) -> RuntimeConfig {
    let mut config = config(ScriptedProvider::new().0);
    config.agents[0].tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
    config
}

fn broken() -> Plugins {
    let slot = PluginSlot { name: "notes".parse().unwrap(), state: Err("the file is missing".to_owned()) };
    Plugins::new(vec![slot])
}

#[tokio::test]
async fn an_agent_s_tools_must_be_there() {
    let error = Runtime::start(with_tools(&["notes.append"]), parts(Plugins::default())).await.unwrap_err();
    let StartError::UnknownTool { agent, tool, .. } = error else { panic!("{error}") };
    assert_eq!((agent.as_str(), tool.as_str()), ("main", "notes.append"));
}

#[tokio::test]
async fn a_plugin_that_could_not_be_loaded_stops_nothing() {
    let runtime = Runtime::start(with_tools(&["notes.append", "notes"]), parts(broken())).await.unwrap();
    let status = runtime.status().await.unwrap();
    assert_eq!((status.plugins_ready, status.plugins_failed), (0, 1));
    let list = runtime.plugins().plugins;
    let [PluginInfo { name, error, tools, .. }] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!((name.as_str(), error.as_deref()), ("notes", Some("the file is missing")));
    assert!(tools.is_empty());
}

#[tokio::test]
async fn every_agent_of_the_router_needs_settings() {
    let agents = vec!["main".parse().unwrap(), "ghost".parse().unwrap()];
    let router = Router::new(agents, "main".parse().unwrap(), vec![]).unwrap();
    let parts = Parts { router, ..parts(Plugins::default()) };
    let error = Runtime::start(with_tools(&[]), parts).await.unwrap_err();
    assert!(matches!(&error, StartError::MissingAgent { agent } if agent.as_str() == "ghost"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn status_says_how_it_is() {
    let world = World::with(|config| (config.demo, config.version) = (true, "1.2.3".into())).await;
    let status = world.runtime.status().await.unwrap();
    assert_eq!((status.version.as_str(), status.demo, status.sessions, status.active_runs), ("1.2.3", true, 0, 0));
    let [agent] = status.agents.as_slice() else { panic!("{status:?}") };
    assert_eq!((agent.id.as_str(), agent.provider.as_str(), agent.model.as_str()), ("main", "scripted", "model-1"));
    assert!(agent.default && status.store_read_only.is_none());
    assert!(world.runtime.ready().is_ok());
    assert!(world.runtime.ping().now_ms >= 1_800_000_000_000);
}
