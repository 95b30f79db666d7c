//! Who is let in, and what is said to who is not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exoclaw_protocol::{
    Scope, TokenCreateParams,
    openclaw::{Method, Version},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{BOTH, Claw, Device, connect_params, request};
use crate::support::{TOKEN, World};

/// A frame that was sent to a server of theirs, and what came of it.
#[derive(Deserialize)]
struct Recorded {
    flow: String,
    sent: Value,
    answer: Option<Value>,
    close: Option<Value>,
}

const RECORDED: [(Version, &str); 2] = [
    (Version::V3, include_str!("../../../../exoclaw-protocol/tests/it/openclaw/v3.jsonl")),
    (Version::V4, include_str!("../../../../exoclaw-protocol/tests/it/openclaw/v4.jsonl")),
];

fn recorded() -> impl Iterator<Item = (Version, Recorded)> {
    let lines = |(version, text): (Version, &'static str)| text.lines().map(move |line| (version, line));
    RECORDED.into_iter().flat_map(lines).map(|(version, line)| (version, serde_json::from_str(line).unwrap()))
}

fn text(sent: &Value) -> String {
    sent.as_str().map_or_else(|| sent.to_string(), str::to_owned).replace("<TOKEN>", TOKEN)
}

#[tokio::test]
async fn handshakes_are_refused_as_they_were() {
    let world = World::start().await;
    let mut seen = 0;
    // What a device signed holds for one connection alone.
    let is_plain = |recorded: &Recorded| recorded.flow.starts_with("connect-") && !recorded.flow.contains("device");
    for (version, recorded) in recorded().filter(|(_, recorded)| is_plain(recorded)) {
        // Whoever speaks both says so in the words of the newer.
        if version == Version::V3 && recorded.flow == "connect-protocol-mismatch" {
            continue;
        }
        let mut socket = world.upgrade_at("/").await;
        let challenge = socket.next().await;
        assert_eq!(challenge["event"], "connect.challenge");
        assert!(challenge["payload"]["ts"].is_u64() && challenge["payload"]["nonce"].is_string(), "{challenge}");
        socket.text(&text(&recorded.sent)).await;
        if let Some(expected) = recorded.answer {
            let mut answer = socket.next().await;
            // Details of version 3 are ours alone.
            if version == Version::V3 && expected["error"].get("details").is_none() {
                answer["error"].as_object_mut().unwrap().remove("details");
            }
            assert_eq!(answer, expected, "{version:?} {}", recorded.flow);
        }
        let closed = recorded.close.unwrap();
        let expected = (closed["code"].as_u64().unwrap() as u16, closed["reason"].as_str().unwrap().to_owned());
        assert_eq!(socket.closed_at_once().await, expected, "{version:?} {}", recorded.flow);
        seen += 1;
    }
    assert_eq!(seen, 13);
}

#[tokio::test]
async fn frames_are_refused_as_they_were() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        let of_version =
            |(of, recorded): &(Version, Recorded)| *of == version && !recorded.flow.starts_with("connect-");
        for (_, recorded) in recorded().filter(of_version) {
            claw.socket.text(&text(&recorded.sent)).await;
            // What is no JSON is not answered: the next thing that comes answers the next frame.
            let Some(expected) = recorded.answer else { continue };
            let answer = claw.socket.next().await;
            assert_eq!((&answer["id"], &answer["ok"]), (&expected["id"], &expected["ok"]), "{}", recorded.sent);
            assert_eq!(answer["error"], expected["error"], "{}", recorded.sent);
        }
    }
}

#[tokio::test]
async fn a_client_is_welcomed_with_what_is_true() {
    let world = World::start().await;
    for version in BOTH {
        let mut claw = Claw::connect(&world, version).await;
        let hello = claw.hello.clone();
        assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello-ok"), &json!(version.number())));
        assert_eq!(hello["server"]["version"], "1.2.3");
        assert_eq!(hello["snapshot"]["sessionDefaults"]["mainSessionKey"], "agent:main:main");
        assert_eq!(hello["snapshot"]["presence"][0]["host"], "gateway-client");
        let methods: Vec<&str> =
            hello["features"]["methods"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        let known = Method::ALL.iter().filter(|method| method.since() <= version).count();
        assert_eq!(methods.len(), known);
        // What is advertised is there.
        for method in methods {
            let response = claw.ask(method, json!({ "no such": "parameter" })).await;
            let message = response["error"]["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("invalid {method} params: ")), "{message}");
        }
        match version {
            Version::V3 => assert!(hello["auth"].is_null()),
            Version::V4 => assert_eq!(hello["auth"]["scopes"].as_array().unwrap().len(), 5),
        }
    }
}

#[tokio::test]
async fn scopes_stay_inside_the_credentials() {
    let world = World::start().await;
    let token = |scope| {
        let name = format!("{scope:?}").to_lowercase().parse().unwrap();
        let params = TokenCreateParams { name, scope, expires_in_s: None };
        world.tokens.create(params, 0).unwrap().token
    };
    for (scope, granted) in [
        (Scope::Read, &["operator.read"][..]),
        (Scope::Chat, &["operator.read", "operator.write"]),
        (Scope::Approve, &["operator.read", "operator.approvals"]),
    ] {
        let token = token(scope);
        let shown = |params: &mut Value| params["auth"]["token"] = json!(token.expose());
        let mut claw = Claw::connect_with(&world, Version::V4, shown).await;
        assert_eq!(claw.hello["auth"]["scopes"], json!(granted), "{scope:?}");
        let send = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "k" });
        if scope != Scope::Chat {
            let (code, message) = claw.refused("chat.send", send).await;
            assert_eq!((code.as_str(), message.as_str()), ("FORBIDDEN", "missing scope: operator.write"));
        }
        let (_, message) = claw.refused("sessions.delete", json!({ "key": "x" })).await;
        assert_eq!(message, "missing scope: operator.admin");
    }
    // Less may be asked for than the credential allows.
    let less = |params: &mut Value| params["scopes"] = json!(["operator.read"]);
    let mut claw = Claw::connect_with(&world, Version::V3, less).await;
    let send = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "k" });
    let (code, message) = claw.refused("chat.send", send).await;
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", "missing scope: operator.write"));
    let (_, message) = claw.refused("node.event", json!({ "event": "x" })).await;
    assert_eq!(message, "unauthorized role: operator");
}

#[tokio::test]
async fn a_device_is_let_in_that_signed_this_connections_nonce_just_now() {
    let world = World::start().await;
    let now_ms = world.runtime.clock().now_ms();
    let device = Device::new(7);
    let bad_key = |proof: &mut Value| proof["publicKey"] = json!("AAAA");
    let other_id = |proof: &mut Value| proof["id"] = json!("00");
    let other_signature = |proof: &mut Value| proof["signature"] = json!(URL_SAFE_NO_PAD.encode([0; 64]));
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(&str, u64, &str, Change<'_>, Option<&str>); 8] = [
        ("v2", now_ms, "this", &|_| {}, None),
        ("v3", now_ms, "this", &|_| {}, None),
        ("v1", now_ms, "this", &|_| {}, Some("device signature invalid")),
        ("v3", now_ms, "another", &|_| {}, Some("device nonce mismatch")),
        ("v3", now_ms - 121_000, "this", &|_| {}, Some("device signature expired")),
        ("v3", now_ms, "this", &bad_key, Some("device public key invalid")),
        ("v3", now_ms, "this", &other_id, Some("device identity mismatch")),
        ("v3", now_ms, "this", &other_signature, Some("device signature invalid")),
    ];
    for (form, at_ms, nonce, change, refused) in cases {
        let mut socket = world.upgrade_at("/").await;
        let challenge = socket.next().await;
        let own = challenge["payload"]["nonce"].as_str().unwrap();
        let mut params = connect_params(Version::V4);
        let mut proof = device.proof(&params, if nonce == "this" { own } else { nonce }, at_ms, form);
        change(&mut proof);
        params["device"] = proof;
        let answer = socket.ask(&request("1", "connect", &params)).await;
        match refused {
            None => assert_eq!(answer["ok"], true, "{form} {answer}"),
            Some(message) => {
                assert_eq!(answer["error"]["message"], message, "{form} {answer}");
                assert_eq!(socket.closed_at_once().await, (1008, message.to_owned()));
            }
        }
    }
}

#[tokio::test]
async fn guesses_are_counted_as_everywhere() {
    let world = World::start().await;
    let mut params = connect_params(Version::V4);
    params["auth"]["token"] = json!("wrong");
    let limited = loop {
        let mut socket = world.upgrade_at("/").await;
        socket.next().await;
        let answer = socket.ask(&request("1", "connect", &params)).await;
        if answer["error"]["details"]["code"] == "AUTH_RATE_LIMITED" {
            break answer;
        }
        assert_eq!(answer["error"]["details"]["code"], "AUTH_TOKEN_MISMATCH", "{answer}");
    };
    assert!(limited["error"]["retryAfterMs"].as_u64().unwrap() > 0, "{limited}");
}

#[tokio::test]
async fn a_page_of_another_site_does_not_even_upgrade() {
    let world = World::start().await;
    let upgrade = "GET / HTTP/1.1\nHost: {host}\nOrigin: https://evil.example\nConnection: upgrade\nUpgrade: websocket\n\
                   Sec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n";
    assert_eq!(world.http(upgrade).await.status(), 403);
}

#[tokio::test]
async fn a_daemon_that_stops_says_so() {
    let world = World::start().await;
    let mut claw = Claw::connect(&world, Version::V4).await;
    let runtime = world.runtime.clone();
    let (stopped, event) = tokio::join!(runtime.shutdown(std::time::Duration::from_secs(10)), claw.event());
    assert!(stopped);
    assert_eq!((&event["event"], &event["payload"]["reason"]), (&json!("shutdown"), &json!("gateway stopping")));
    assert_eq!(claw.socket.closed_at_once().await, (1012, "service restart".to_owned()));
}
