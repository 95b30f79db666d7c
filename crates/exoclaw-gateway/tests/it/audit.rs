//! What the door records.

use std::{path::Path, sync::Arc};

use exoclaw_gateway::GatewayConfig;
use exoclaw_protocol::{Scope, Secret, TokenCreateParams, limits, openclaw::Version};
use exoclaw_store::audit::{Audit, AuditConfig, records};
use futures::SinkExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    openclaw::Claw,
    support::{TOKEN, World},
};

const CREATE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"token.create","params":{"name":"ci","scope":"chat"}}"#;

/// A trail in `home`.
pub(crate) fn trail(home: &TempDir) -> Audit {
    let config = AuditConfig::new(home.path().join("audit"), home.path().join("credentials"));
    Audit::open(config, Arc::new(|| 1_800_000_000_000)).unwrap()
}

/// A gateway with a trail in `home`.
async fn world(home: &TempDir) -> World {
    let audit = trail(home);
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
    let own_socket = Some(home.path().join("own.sock"));
    World::recording(GatewayConfig { own_socket, ..config }, audit).await
}

/// The records so far, as `what action decision who from object: reason`.
pub(crate) fn told(home: &Path) -> Vec<String> {
    let records = records(&home.join("audit"), 2).unwrap();
    let text = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
    records
        .map(Result::unwrap)
        .filter(|record| record.seq > 1)
        .map(|record| {
            let (who, from, object) = (text(record.who), text(record.from), text(record.object));
            let times = record.more.map(|more| format!(" +{more}")).unwrap_or_default();
            let (what, action, decision) = (record.what, record.action, record.decision);
            format!("{what} {action} {decision} {who} {from} {object}: {}{times}", text(record.reason))
        })
        .collect()
}

#[tokio::test]
async fn who_came_in_and_who_did_not_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let world = world(&home).await;
    drop(world.client().await);
    world.upgrade(&[("authorization", "Bearer nope")]).await.err().unwrap();
    let mut socket = world.upgrade(&[]).await.unwrap();
    socket.ask(r#"{"token":"nope"}"#).await;
    let mut socket = world.upgrade(&[]).await.unwrap();
    socket.ask(&format!("{{\"token\":\"{TOKEN}\"}}")).await;
    world.upgrade(&[("origin", "https://evil.example")]).await.err().unwrap();
    world.post_login(r#"{"code":"nope"}"#).await;
    let cookie = world.log_in().await;
    world.upgrade(&[("cookie", &cookie), ("origin", "http://{host}")]).await.unwrap();
    let gone = format!("{}=gone", cookie.split('=').next().unwrap());
    world.upgrade(&[("cookie", &gone), ("origin", "http://{host}")]).await.unwrap();
    let own = UnixStream::connect(home.path().join("own.sock")).await.unwrap();
    world.upgrade_over(own, &[]).await.unwrap();
    world.runtime.audit().close();

    let wanted = [
        "authentication upgrade allowed owner 127.0.0.1 -: -",
        "authentication upgrade refused - 127.0.0.1 -: wrong token",
        "authentication first message refused - 127.0.0.1 -: the token is not the gateway's",
        "authentication first message allowed owner 127.0.0.1 -: -",
        "authentication login code refused - 127.0.0.1 -: this login link was used or is too old",
        "authentication login code allowed browser 127.0.0.1 -: -",
        "authentication upgrade allowed browser 127.0.0.1 -: -",
        "authentication upgrade refused - 127.0.0.1 -: no login of ours",
        "authentication upgrade allowed owner the daemon's own socket -: -",
    ];
    let told = told(home.path());
    for wanted in wanted {
        assert!(told.iter().any(|told| told.starts_with(wanted)), "{wanted}: {told:#?}");
    }
    assert!(
        told.iter()
            .any(|told| told.starts_with("authentication request refused") && told.contains("pages of other sites")),
        "{told:#?}"
    );
    assert!(!told.iter().any(|told| told.contains(TOKEN) || told.contains("nope")), "{told:#?}");
}

#[tokio::test]
async fn changes_of_tokens_are_recorded_before_they_are_made() {
    let home = tempfile::tempdir().unwrap();
    let world = world(&home).await;
    let mut client = world.client().await;
    assert!(client.ask(CREATE).await["result"]["token"].is_string());
    assert_eq!(client.ask(CREATE).await["error"]["data"]["kind"], "conflict");
    client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"token.rotate","params":{"name":"ci","step":"now"}}"#).await;
    client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"login.link"}"#).await;
    client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"token.revoke","params":{"name":"ci"}}"#).await;
    world.runtime.audit().close();
    let told = told(home.path());
    assert_eq!(
        told,
        [
            "authentication upgrade allowed owner 127.0.0.1 -: -",
            "token create allowed owner 127.0.0.1 ci: scope chat",
            "token create allowed owner 127.0.0.1 ci: scope chat",
            "token create failed owner 127.0.0.1 ci: there is a token ci already: choose another name, or rotate it",
            "token rotate allowed owner 127.0.0.1 ci: now",
            "login link allowed owner 127.0.0.1 -: -",
            "token revoke allowed owner 127.0.0.1 ci: -",
        ]
    );
    // Closed: nothing can be recorded, so nothing is done.
    assert_eq!(client.ask(CREATE).await["error"]["data"]["kind"], "store_read_only");
    assert!(world.tokens.list().tokens.is_empty());
}

#[tokio::test]
async fn changes_of_sessions_are_recorded_before_they_are_made() {
    let home = tempfile::tempdir().unwrap();
    let world = world(&home).await;
    let mut client = world.client().await;
    let ask = |method: &str, more: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"session.{method}","params":{{"session":"a"{more}}}}}"#)
    };
    for (method, more) in [("patch", r#","label":"Trip""#), ("reset", ""), ("compact", r#","keep":1"#), ("delete", "")]
    {
        let answer = client.ask(&ask(method, more)).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
    }
    assert_eq!(client.ask(&ask("patch", r#","model":"none""#)).await["error"]["data"]["kind"], "invalid_params");
    let mut claw = Claw::connect(&world, Version::V4).await;
    claw.call("sessions.patch", json!({ "key": "b", "label": "Trip" })).await;
    claw.call("sessions.reset", json!({ "key": "b" })).await;
    claw.call("sessions.compact", json!({ "key": "b" })).await;
    claw.call("sessions.delete", json!({ "key": "b" })).await;
    claw.call("sessions.create", json!({ "key": "c", "label": "Plan" })).await;
    world.runtime.audit().close();
    let told: Vec<String> = told(home.path()).into_iter().filter(|told| told.starts_with("session ")).collect();
    let allowed =
        |action: &str, session: &str| format!("session {action} allowed owner 127.0.0.1 agent:main:{session}: -");
    let actions = ["patch", "reset", "compact", "delete"];
    let mut wanted: Vec<String> = actions.iter().map(|action| allowed(action, "a")).collect();
    wanted.push(allowed("patch", "a"));
    wanted.push("session patch failed owner 127.0.0.1 agent:main:a: invalid_params".to_owned());
    wanted.extend(actions.iter().map(|action| allowed(action, "b")));
    wanted.push(allowed("patch", "c"));
    assert_eq!(told, wanted);
    // Closed: nothing can be recorded, so nothing is done.
    assert_eq!(client.ask(&ask("delete", "")).await["error"]["data"]["kind"], "store_read_only");
}

#[tokio::test]
async fn refusals_of_scopes_and_limits_are_recorded_and_summed() {
    let home = tempfile::tempdir().unwrap();
    let world = world(&home).await;
    let params = TokenCreateParams { name: "reader".parse().unwrap(), scope: Scope::Read, expires_in_s: None };
    let token = world.tokens.create(params, 1_800_000_000_000).unwrap().token;
    let mut reader = world.upgrade(&[("authorization", &format!("Bearer {}", token.expose()))]).await.unwrap();
    for _ in 0..50 {
        assert_eq!(reader.ask(CREATE).await["error"]["data"]["kind"], "forbidden");
    }
    for _ in 0..3 {
        let mut stranger = world.upgrade(&[]).await.unwrap();
        stranger.text(&"x".repeat(limits::UNAUTHENTICATED_MESSAGE_BYTES + 1)).await;
        stranger.closed().await;
    }
    drop(reader.0.send(Message::text("x".repeat(limits::MESSAGE_BYTES + 1))).await);
    reader.closed().await;
    world.runtime.audit().close();
    assert_eq!(
        told(home.path()),
        [
            "authentication upgrade allowed token reader 127.0.0.1 -: -",
            "method call refused token reader 127.0.0.1 token.create: outside the credential's scope",
            "limit connection stopped - 127.0.0.1 -: the message is too large",
            "limit connection stopped token reader 127.0.0.1 -: the message is too large",
            "method call refused token reader 127.0.0.1 token.create: outside the credential's scope +49",
            "limit connection stopped - 127.0.0.1 -: the message is too large +2",
        ]
    );
}
