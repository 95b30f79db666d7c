//! Secrets: they reach the one host, in the one header, and never the guest.

use exoclaw_protocol::Secret;
use exoclaw_sandbox::{Called, GrantError, Host, Limits, Permit, Plugin};
use serde_json::json;

use crate::{
    guest::{Guest, request, text},
    server::{Server, respond},
};

const SECRET: &str = "s3cret/value+42";

fn plugin(port: u16) -> Plugin {
    let requests = format!(
        r#"http = ["* http://127.0.0.1:{port}/*", "* http://127.0.0.2:{port}/*"]
           secrets = [{{ name = "api", header = "authorization", format = "Bearer {{}}", to = "127.0.0.1:{port}" }}]"#
    );
    Guest { requests: &requests, ..Guest::FETCH }.load()
}

async fn call(plugin: &Plugin, port: u16, secrets: &str, line: &str) -> Called {
    let grants = format!(
        r#"http = ["* http://127.0.0.1:{port}/*", "* http://127.0.0.2:{port}/*"]
           http-private = ["127.0.0.0/8:{port}"]
           {secrets}"#
    );
    let permit = Permit::new(plugin.manifest(), &toml::from_str(&grants).unwrap(), &Limits::default()).unwrap();
    let permit = permit.with_secrets(|_| Ok(Some(Secret::new(SECRET)))).unwrap();
    plugin.call(&permit, request(json!({ "text": line })), Host::default()).await
}

const GRANTED: &str = "secrets = [\"api\"]";

/// Says the request's head again, in a body of chunks of this size.
fn echo(chunk: usize) -> Server {
    Server::start(move |request, out| {
        let echoed = format!("HTTP/1.1 200 OK\r\nx-seen: {}\r\ntransfer-encoding: chunked\r\n\r\n", header(request));
        out.write_all(echoed.as_bytes()).ok();
        for piece in request.as_bytes().chunks(chunk) {
            write!(out, "{:x}\r\n", piece.len()).ok();
            out.write_all(piece).and_then(|()| out.write_all(b"\r\n")).and_then(|()| out.flush()).ok();
        }
        out.write_all(b"0\r\n\r\n").ok();
    })
}

fn header(request: &str) -> &str {
    request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none")
}

#[tokio::test]
async fn a_secret_is_sent_and_not_shown() {
    for chunk in [1, 2, 3, 7, 4096] {
        let server = echo(chunk);
        let port = server.address.port();
        let plugin = plugin(port);
        let line = format!("GET http://127.0.0.1:{port}/");
        let called = call(&plugin, port, GRANTED, &line).await;
        let answer = text(&called);
        assert!(
            answer.contains("authorization: Bearer [secret api]") && !answer.contains("s3cret"),
            "{chunk}: {answer}"
        );
        let called = call(&plugin, port, GRANTED, &format!("{line} show:x-seen")).await;
        assert_eq!(text(&called), "200 Bearer [secret api]");
        assert!(server.seen().iter().all(|seen| header(seen) == format!("Bearer {SECRET}")), "{:?}", server.seen());
    }
}

#[tokio::test]
async fn a_secret_needs_its_grant_and_its_host() {
    let server = Server::on("0.0.0.0:0", |_, out| respond(out, "200 OK", "", "hello"));
    let port = server.address.port();
    let plugin = plugin(port);
    for (secrets, host, sent) in [(GRANTED, "127.0.0.1", true), ("", "127.0.0.1", false), (GRANTED, "127.0.0.2", false)]
    {
        let called = call(&plugin, port, secrets, &format!("GET http://{host}:{port}/")).await;
        assert_eq!(text(&called), "200 hello", "{host} {secrets}");
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.contains(SECRET), sent, "{host} {secrets}: {seen}");
    }
}

#[tokio::test]
async fn the_guest_does_not_choose_how_the_answer_is_spelled() {
    let server = echo(4096);
    let port = server.address.port();
    let plugin = plugin(port);
    for (own, kept) in [
        ("accept-encoding:gzip", "accept-encoding: identity"),
        ("range:bytes=0-3", "accept-encoding: identity"),
        ("authorization:mine", "authorization: Bearer"),
    ] {
        let called = call(&plugin, port, GRANTED, &format!("GET http://127.0.0.1:{port}/ {own}")).await;
        let answer = text(&called);
        assert!(answer.contains(kept), "{own}: {answer}");
        assert!(!["gzip", "bytes=0-3", "mine"].iter().any(|word| answer.contains(word)), "{own}: {answer}");
    }
    let server = Server::start(|_, out| respond(out, "200 OK", "content-encoding: gzip\r\n", "packed"));
    let port = server.address.port();
    let called = call(&self::plugin(port), port, GRANTED, &format!("GET http://127.0.0.1:{port}/")).await;
    assert_eq!(text(&called), "E32", "not passed on: it can't be looked through");
}

/// A plugin whose secret stands before the path.
async fn call_by_path(port: u16, private: &str, secret: &str, line: &str) -> Result<Called, GrantError> {
    let requests = format!(
        r#"http = ["* http://127.0.0.1:{port}/*", "* http://127.0.0.2:{port}/*"]
           secrets = [{{ name = "bot", path = "/bot{{}}", to = "127.0.0.1:{port}" }}]"#
    );
    let plugin = Guest { requests: &requests, ..Guest::FETCH }.load();
    let grants = format!(
        r#"http = ["* http://127.0.0.1:{port}/send", "* http://127.0.0.2:{port}/send"]
           secrets = ["bot"]
           http-private = ["{private}:{port}"]"#
    );
    let permit = Permit::new(plugin.manifest(), &toml::from_str(&grants).unwrap(), &Limits::default()).unwrap();
    let permit = permit.with_secrets(|_| Ok(Some(Secret::new(secret))))?;
    Ok(plugin.call(&permit, request(json!({ "text": line })), Host::default()).await)
}

#[tokio::test]
async fn a_secret_in_the_path_is_sent_and_not_shown() {
    const BOT: &str = "123456:ABC-DEF_ghi";
    let server = Server::on("0.0.0.0:0", |request, out| {
        let line = request.lines().next().unwrap_or_default();
        let location = format!("location: {}\r\n", line.split(' ').nth(1).unwrap_or_default());
        respond(out, "302 Found", &location, line);
    });
    let port = server.address.port();
    let called =
        call_by_path(port, "127.0.0.0/8", BOT, &format!("POST http://127.0.0.1:{port}/send?a=b")).await.unwrap();
    assert_eq!(text(&called), "302 POST /bot[secret bot]/send?a=b HTTP/1.1");
    assert!(server.seen()[0].starts_with(&format!("POST /bot{BOT}/send?a=b HTTP/1.1\r\n")), "{:?}", server.seen());
    let line = format!("GET http://127.0.0.1:{port}/send show:location");
    let called = call_by_path(port, "127.0.0.0/8", BOT, &line).await.unwrap();
    assert_eq!(text(&called), "302 /bot[secret bot]/send");

    // Another host does not get it, and neither does a path that was not granted.
    let called = call_by_path(port, "127.0.0.0/8", BOT, &format!("GET http://127.0.0.2:{port}/send")).await.unwrap();
    assert_eq!(text(&called), "302 GET /send HTTP/1.1");
    let asked = server.seen().len();
    let called = call_by_path(port, "127.0.0.0/8", BOT, &format!("GET http://127.0.0.1:{port}/other")).await.unwrap();
    assert!(text(&called).starts_with('E'), "{}", text(&called));
    assert_eq!(server.seen().len(), asked);
}

#[tokio::test]
async fn a_secret_that_a_path_reads_in_two_ways_is_refused() {
    for secret in ["../../etc", "a/b/c/d/e", "12345678?x", "1234567#8", "1234567%2e", "has space", "dots.in.it"] {
        let refused = call_by_path(1, "127.0.0.1", secret, "").await;
        assert!(matches!(refused, Err(GrantError::UnusableSecret { .. })), "{secret}: {refused:?}");
    }
}
