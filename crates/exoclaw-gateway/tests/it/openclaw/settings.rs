//! Config, log, spending and tools, as clients ask for them.

use std::sync::Arc;

use exoclaw_agent::test_util::Answer;
use exoclaw_gateway::{GatewayConfig, LogTail, ShownConfig};
use exoclaw_protocol::{Secret, openclaw::Version};
use serde_json::{Value, json};

use super::{BOTH, Claw};
use crate::support::{TOKEN, World};

fn reads(params: &mut Value) {
    params["scopes"] = json!(["operator.read"]);
}

#[tokio::test]
async fn config_and_log_are_shown_to_those_who_may_see_them() {
    let log = Arc::new(LogTail::default());
    let shown = ShownConfig {
        path: "/home/someone/config.toml".to_owned(),
        exists: true,
        values: json!({ "gateway": { "port": 7200 } }),
        schema: r#"{ "type": "object" }"#,
    };
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
    let world = World::with(GatewayConfig { shown, log: log.clone(), ..config }).await;
    for version in BOTH {
        let mut claw = Claw::connect_with(&world, version, reads).await;
        let config = claw.call("config.get", json!({})).await;
        assert_eq!((&config["config"]["gateway"]["port"], &config["valid"]), (&json!(7200), &json!(true)), "{config}");
        assert_eq!(config["hash"].as_str().map(str::len), Some(64));
        assert_eq!(claw.call("config.schema", json!({})).await["schema"], json!({ "type": "object" }));
        assert_eq!(claw.refused("logs.tail", json!({})).await.1, "missing scope: operator.admin");
        assert_eq!(claw.refused("config.patch", json!({})).await.1, "missing scope: operator.admin");
    }
    let mut claw = Claw::connect(&world, Version::V4).await;
    assert_eq!(claw.refused("config.patch", json!({})).await.1, "unknown method: config.patch");
    ["one", "two"].into_iter().for_each(|line| log.push(line));
    let tail = claw.call("logs.tail", json!({ "limit": 1 })).await;
    assert_eq!((&tail["lines"], &tail["truncated"]), (&json!(["two"]), &json!(true)));
    log.push("three");
    let more = claw.call("logs.tail", json!({ "cursor": tail["cursor"] })).await;
    assert_eq!((&more["lines"], &more["reset"]), (&json!(["three"]), &json!(false)));
    let anew = claw.call("logs.tail", json!({ "cursor": 1_000_000 })).await;
    assert_eq!((&anew["lines"], &anew["reset"]), (&json!(["one", "two", "three"]), &json!(true)));
}

#[tokio::test]
async fn what_was_used_is_told_by_day() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    world.script.answer(Answer::text(["hello"]).usage(7, 2));
    claw.call("chat.send", json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "k" })).await;
    claw.chats_until("final").await;
    let cost = claw.call("usage.cost", json!({ "days": 3 })).await;
    let days = cost["daily"].as_array().unwrap();
    assert_eq!((days.len(), &days[0]["totalTokens"], &days[2]["totalTokens"]), (3, &json!(0), &json!(9)), "{cost}");
    assert_eq!((&days[2]["date"], &cost["totals"]["input"]), (&json!("2027-01-15"), &json!(7)));
    assert_eq!(claw.call("usage.status", json!({})).await["providers"], json!([]));
    assert_eq!(claw.call("skills.status", json!({})).await["skills"], json!([]));
}

#[tokio::test]
async fn a_tool_is_called_by_whoever_may_do_everything() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    assert_eq!(claw.call("tools.effective", json!({ "sessionKey": "main" })).await["groups"], json!([]));
    let (code, message) = claw.refused("tools.invoke", json!({ "name": "echo", "args": {} })).await;
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", "Tool not available: echo"));
    let keyed = json!({ "name": "echo", "idempotencyKey": "k" });
    assert!(claw.refused("tools.invoke", keyed).await.1.contains("idempotencyKey"));
    let mut writer =
        Claw::connect_with(&world, Version::V4, |params| params["scopes"] = json!(["operator.write"])).await;
    assert_eq!(writer.refused("tools.invoke", json!({ "name": "echo" })).await.1, "missing scope: operator.admin");
}
