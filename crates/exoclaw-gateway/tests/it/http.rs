use std::time::Duration;

use exoclaw_agent::test_util::Answer;
use exoclaw_store::Store;
use tokio::sync::oneshot;

use crate::support::World;

#[tokio::test]
async fn health() {
    let world = World::start().await;
    for path in ["/livez", "/readyz"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status(), answer.body()), (200, "ok\n"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // A daemon that stops takes no more messages, and lives until its runs have ended.
    let (go_on, wait) = oneshot::channel::<()>();
    world.script.answer(Answer::empty().and_wait(async { drop(wait.await) }).and_text(["x"]));
    let mut socket = world.client().await;
    socket.send("main", "hi").await;
    let ask = async {
        let ready = world.get("/readyz").await;
        assert_eq!(ready.status(), 503);
        assert!(ready.body().starts_with("the daemon is stopping"), "{ready:?}");
        assert_eq!(world.get("/livez").await.status(), 200);
        go_on.send(()).unwrap();
    };
    tokio::join!(world.runtime.shutdown(Duration::from_secs(30)), ask);
    world.served.await.unwrap();
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_told_with_its_reason() {
    let world = World::start().await;
    world.store.close().await;
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.body().contains("at present: the store is closed"), "{ready:?}");
    assert_eq!(world.get("/livez").await.status(), 200, "a restart mends no disk");
}

#[tokio::test]
async fn every_answer_carries_the_policy() {
    let world = World::start().await;
    for path in ["/", "/livez", "/nothing.js", "/ws", "/login"] {
        let answer = world.get(path).await;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && policy.ends_with("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
    }
}

#[tokio::test]
async fn the_page_and_its_files() {
    let world = World::start().await;
    let get = async |path: &str, headers: &str| {
        let answer = world.http(&format!("GET {path} HTTP/1.1\nHost: {{host}}\nConnection: close{headers}\n\n")).await;
        let part = |name| answer.header(name).unwrap_or("-").to_owned();
        let (media_type, encoding) = (part("content-type"), part("content-encoding"));
        format!("{} {media_type} {encoding} {} {}", answer.status(), part("etag"), answer.body())
    };
    let html = "\nAccept: text/html,*/*";
    for (path, headers, wanted) in [
        ("/", "", "200 text/html; charset=utf-8 - \"1\" <page>"),
        ("/", "\nAccept-Encoding: gzip, br", "200 text/html; charset=utf-8 br \"1-br\" <br>"),
        ("/?x=1", "\nIf-None-Match: \"0\", W/\"1\"", "304 - - \"1\" "),
        ("/", "\nIf-None-Match: \"1-br\"", "200 text/html; charset=utf-8 - \"1\" <page>"),
        ("/ui_bg.wasm", "", "200 application/wasm - \"2\" \0asm"),
        ("/s/agent:main:main", html, "200 text/html; charset=utf-8 - \"1\" <page>"),
        ("/s/agent:main:main", "", "404 application/json - - {\"error\":{\"message\":\"there is nothing here\"}}"),
        ("/old.js", html, "404 application/json - - {\"error\":{\"message\":\"there is nothing here\"}}"),
        ("/../index.html", "", "404 application/json - - {\"error\":{\"message\":\"there is nothing here\"}}"),
    ] {
        assert_eq!(get(path, headers).await, wanted, "{path} {headers}");
    }
    let head = world.http("HEAD / HTTP/1.1\nHost: {host}\nConnection: close\n\n").await;
    assert_eq!((head.status(), head.header("content-length"), head.body()), (200, Some("6"), ""));
}

#[tokio::test]
async fn what_is_no_request_for_us_is_refused() {
    let world = World::start().await;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let upgrade = "Connection: Upgrade, close\nUpgrade: websocket";
    for (request, status) in [
        ("GET /livez HTTP/1.1\n".to_owned(), 403),
        ("GET /livez HTTP/1.1\nHost: {host}\nHost: {host}\n".to_owned(), 403),
        ("GET /livez HTTP/1.1\nHost: evil.example\n".to_owned(), 403),
        ("GET http://evil.example/livez HTTP/1.1\nHost: {host}\n".to_owned(), 400),
        ("POST /livez HTTP/1.1\nHost: {host}\nContent-Length: 0\n".to_owned(), 405),
        ("GET /login HTTP/1.1\nHost: {host}\n".to_owned(), 405),
        ("GET /ws HTTP/1.1\nHost: {host}\n".to_owned(), 426),
        (format!("GET /ws HTTP/1.1\nHost: {{host}}\n{upgrade}\n{key}\nSec-WebSocket-Version: 12\n"), 426),
        (format!("GET /ws HTTP/1.1\nHost: {{host}}\n{upgrade}\n{key}\n"), 426),
        (format!("GET /ws HTTP/1.1\nHost: {{host}}\n{upgrade}\nSec-WebSocket-Version: 13\n"), 400),
        (
            format!("GET /ws HTTP/1.1\nHost: {{host}}\n{upgrade}\nSec-WebSocket-Key: x\nSec-WebSocket-Version: 13\n"),
            400,
        ),
        (format!("POST /ws HTTP/1.1\nHost: {{host}}\n{upgrade}\n{key}\nSec-WebSocket-Version: 13\n"), 426),
        (format!("GET / HTTP/1.1\nHost: {{host}}\nX: {}\n", "x".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\nHost: {{host}}\n{}", "X: y\n".repeat(100)), 431),
        ("nonsense\n".to_owned(), 400),
    ] {
        let close = if request.contains("Upgrade") { "" } else { "Connection: close\n" };
        let answer = world.http(&format!("{request}{close}\n")).await;
        assert_eq!(answer.status(), status, "{request} {answer:?}");
    }
}

#[tokio::test]
async fn a_login_body_is_bounded() {
    let world = World::start().await;
    let answer = world.post_login(&"x".repeat(exoclaw_protocol::limits::BODY_BYTES + 1)).await;
    assert_eq!(answer.status(), 413);
    for body in ["", "{", "{}", r#"{"code":5}"#, r#"{"code":"x","more":1}"#] {
        assert_eq!(world.post_login(body).await.status(), 400, "{body}");
    }
}
