use std::sync::Arc;

use exoclaw_gateway::{BindError, Gateway, GatewayConfig, NoAssets};
use exoclaw_protocol::Secret;
use exoclaw_store::MemoryStore;
use serde_json::json;

use crate::support::{TOKEN, World, runtime};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Headers, texts, and what becomes of the client.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

/// What becomes of a client that upgrades with these headers and sends these texts, the last one a ping.
async fn outcome(world: &World, headers: &[(&str, &str)], texts: &[&str]) -> String {
    let mut socket = match world.upgrade_afresh(headers).await {
        Ok(socket) => socket,
        Err(status) => return status.to_string(),
    };
    let mut last = json!(null);
    for text in texts {
        last = socket.ask(text).await;
        if last["error"]["code"] == -32001 {
            let (code, reason) = socket.closed().await;
            return format!("{code} {reason}");
        }
    }
    assert_eq!(last["result"]["nowMs"], 1_800_000_000_000_u64, "{last}");
    "in".to_owned()
}

#[tokio::test]
async fn who_comes_in_and_who_does_not() {
    let world = World::start().await;
    let cookie = world.log_in().await;
    let cookie = cookie.as_str();
    let bearer = format!("Bearer {TOKEN}");
    let bearer = bearer.as_str();
    let first = json!({ "token": TOKEN }).to_string();
    let own = "http://{host}";
    let evil = "http://evil.example";
    let refused = "1008 unauthorized";

    let table: &[Row<'_>] = &[
        // Nothing at all, from programs and from pages.
        (&[], &[PING], refused),
        (&[("origin", own)], &[PING], refused),
        (&[], &["no json"], refused),
        (&[], &[r#"{"token":"wrong"}"#], refused),
        (&[], &[r#"{"token":""}"#], refused),
        (&[], &[r#"{"token":5}"#], refused),
        // The first message.
        (&[], &[&first, PING], "in"),
        (&[("origin", own)], &[&first, PING], "in"),
        (&[("origin", evil)], &[&first, PING], "403"),
        // The header.
        (&[("authorization", bearer)], &[PING], "in"),
        (&[("authorization", bearer)], &[&first, PING], "in"),
        (&[("authorization", bearer)], &[r#"{"token":"wrong"}"#], refused),
        (&[("authorization", bearer), ("origin", own)], &[PING], "in"),
        (&[("authorization", bearer), ("origin", evil)], &[PING], "403"),
        (&[("authorization", bearer), ("origin", "null")], &[PING], "403"),
        (&[("authorization", "Bearer wrong")], &[&first, PING], "401"),
        (&[("authorization", "Bearer ")], &[&first, PING], "401"),
        (&[("authorization", "Basic dDp0")], &[&first, PING], "401"),
        (&[("authorization", "Bearer wrong"), ("cookie", cookie), ("origin", own)], &[PING], "401"),
        // The cookie: only from a page of our own.
        (&[("cookie", cookie), ("origin", own)], &[PING], "in"),
        (&[("cookie", cookie)], &[PING], refused),
        (&[("cookie", cookie), ("origin", evil)], &[PING], "403"),
        (&[("cookie", cookie), ("origin", "null")], &[PING], "403"),
        (&[("cookie", cookie), ("origin", "https://127.0.0.1")], &[PING], "403"),
        (&[("cookie", "exoclaw_1=0"), ("origin", own)], &[PING], refused),
        // A name that was pointed at us.
        (&[("authorization", bearer), ("host", "evil.example")], &[PING], "403"),
        (&[("cookie", cookie), ("host", "evil.example"), ("origin", evil)], &[PING], "403"),
        (&[("authorization", bearer), ("host", "claw.example")], &[PING], "in"),
        (&[("authorization", bearer), ("host", "localhost:7200")], &[PING], "in"),
    ];
    for (headers, texts, wanted) in table {
        assert_eq!(outcome(&world, headers, texts).await, *wanted, "{headers:?} {texts:?}");
    }
}

#[tokio::test]
async fn what_came_with_the_token_is_read_after_it() {
    let world = World::start().await;
    let mut socket = world.upgrade(&[]).await.unwrap();
    socket.text(&json!({ "token": TOKEN }).to_string()).await;
    socket.text(PING).await;
    assert_eq!(socket.next().await, json!({ "ok": true }));
    assert_eq!(socket.next().await["id"], 1);
}

#[tokio::test]
async fn a_login_link_works_once() {
    let world = World::start().await;
    world.log_in().await;
    let code = world.link.split_once("#code=").unwrap().1;
    let again = world.post_login(&format!(r#"{{"code":"{code}"}}"#)).await;
    assert_eq!((again.status(), again.header("set-cookie")), (401, None));
    assert!(again.body().contains("was used or is too old"), "{again:?}");
}

#[tokio::test]
async fn a_login_is_taken_from_pages_of_our_own_and_as_json_only() {
    let world = World::start().await;
    let code = world.link.split_once("#code=").unwrap().1;
    let body = format!(r#"{{"code":"{code}"}}"#);
    let length = body.len();
    for (headers, status) in [
        ("Host: {host}\nOrigin: http://evil.example\nContent-Type: application/json", 403),
        ("Host: {host}\nOrigin: null\nContent-Type: application/json", 403),
        ("Host: evil.example\nContent-Type: application/json", 403),
        ("Host: {host}\nContent-Type: text/plain", 415),
        ("Host: {host}", 415),
        ("Host: {host}\nContent-Type: application/json; charset=utf-8", 204),
    ] {
        let head = format!("POST /login HTTP/1.1\n{headers}\nContent-Length: {length}\nConnection: close");
        assert_eq!(world.http(&format!("{head}\n\n{body}")).await.status(), status, "{headers}");
    }
}

#[tokio::test]
async fn an_open_port_needs_a_token_that_is_one() {
    let (runtime, _, _) = runtime(Arc::new(MemoryStore::new())).await;
    let anywhere = GatewayConfig::new(([0, 0, 0, 0], 0).into());
    let here = GatewayConfig::new(([127, 0, 0, 1], 0).into());
    let bind = |config| Gateway::bind(config, runtime.clone(), Arc::new(NoAssets));
    let token = |text: &str| Secret::new(text);
    let error = bind(anywhere.clone()).await.unwrap_err();
    assert!(matches!(error, BindError::NoToken { .. }), "{error}");
    assert!(error.to_string().ends_with("set a token, or bind to 127.0.0.1"), "{error}");
    assert!(matches!(bind(anywhere.clone().with_token(token(" "))).await, Err(BindError::EmptyToken)));
    assert!(matches!(bind(here.clone().with_token(token(""))).await, Err(BindError::EmptyToken)));
    assert!(matches!(bind(anywhere.clone().with_token(token("short"))).await, Err(BindError::ShortToken { .. })));
    let readable = anywhere.with_token(token(TOKEN));
    let error = bind(readable.clone()).await.unwrap_err();
    assert!(matches!(error, BindError::NoTls { .. }), "{error}");
    let behind_a_proxy = GatewayConfig { proxies: vec![[192, 0, 2, 1].into()], ..readable };
    assert!(bind(behind_a_proxy).await.is_ok());
    let taken = bind(here).await.unwrap();
    let again = bind(GatewayConfig::new(taken.local_addr())).await.unwrap_err();
    assert!(matches!(again, BindError::Listen { .. }), "{again}");
}

#[tokio::test]
async fn without_a_token_programs_and_own_pages_come_in_and_foreign_ones_do_not() {
    let world = World::with(GatewayConfig::new(([127, 0, 0, 1], 0).into())).await;
    for (headers, wanted) in [
        (vec![], "in"),
        (vec![("origin", "http://{host}")], "in"),
        (vec![("origin", "http://evil.example")], "403"),
        (vec![("origin", "null")], "403"),
        (vec![("host", "evil.example")], "403"),
    ] {
        assert_eq!(outcome(&world, &headers, &[PING]).await, wanted, "{headers:?}");
    }
}
