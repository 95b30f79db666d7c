//! Channels: what they make of requests and answers, and how they find out who wrote without seeing a secret.

use exoclaw_protocol::{PeerKind, Secret};
use exoclaw_sandbox::{
    CallError, ChannelError, Grants, Host, Inbound, Kind, Limits, LoadError, Manifest, Outbound, Permit, Plugin,
    Reaction, Webhook, pack,
};
use ring::hmac;
use serde_json::json;

use crate::guest::{component::channel, request, sandbox};

const HOOK: &str = "hook-secret-1";
const SIGNING: &str = "signing-secret-1";

const MANIFEST: &str = r#"
    name = "guest"
    version = "1.0.0"
    kind = "channel"
    description = "A channel of the tests"
    [requests]
    secrets = [{ name = "hook", check = true }, { name = "signing", check = true }]
"#;

const IMPORTS: &str = r#"
    (import "exoclaw:plugin/verify@0.1.0" "header-is-secret" (func $header_is (param i32 i32 i32 i32 i32)))
    (import "exoclaw:plugin/verify@0.1.0" "hmac-sha256" (func $hmac (param i32 i32 i32 i32 i32 i32 i32)))"#;

/// `$react` answers with a status, a body and a list of messages; `$message` writes one of them, with a text.
const FUNCTIONS: &str = r#"
    (data (i32.const 1024) "text/plain" "m1" "U1" "C1" "ann" "x-hook" "hook" "signing" "other" "later")
    (func $react (param $status i32) (param $body i32) (param $body_len i32) (param $messages i32) (param $count i32) (result i32)
      (i32.store8 (i32.const 256) (i32.const 0))
      (i32.store16 (i32.const 260) (local.get $status))
      (i32.store (i32.const 264) (i32.const 1024)) (i32.store (i32.const 268) (i32.const 10))
      (i32.store (i32.const 272) (local.get $body)) (i32.store (i32.const 276) (local.get $body_len))
      (i32.store (i32.const 280) (local.get $messages)) (i32.store (i32.const 284) (local.get $count))
      (i32.const 256))
    (func $message (param $at i32) (param $text i32) (param $text_len i32)
      (i32.store (local.get $at) (i32.const 1034)) (i32.store offset=4 (local.get $at) (i32.const 2))
      (i32.store8 offset=8 (local.get $at) (i32.const 2))
      (i32.store offset=12 (local.get $at) (i32.const 1036)) (i32.store offset=16 (local.get $at) (i32.const 2))
      (i32.store offset=44 (local.get $at) (i32.const 1038)) (i32.store offset=48 (local.get $at) (i32.const 2))
      (i32.store8 offset=52 (local.get $at) (i32.const 1))
      (i32.store offset=56 (local.get $at) (i32.const 1040)) (i32.store offset=60 (local.get $at) (i32.const 3))
      (i32.store offset=64 (local.get $at) (local.get $text)) (i32.store offset=68 (local.get $at) (local.get $text_len)))
    ;; A status of 200 and what stands at 512: whether there was an answer, and which.
    (func $verified (result i32) (call $react (i32.const 200) (i32.const 512) (i32.const 2) (i32.const 0) (i32.const 0)))"#;

const SENT: &str = "(i32.store8 (i32.const 256) (i32.const 0)) (i32.store8 (i32.const 264) (i32.const 1))
    (i32.store (i32.const 268) (local.get $key)) (i32.store (i32.const 272) (local.get $key_len)) (i32.const 256)";

fn guest(receive: &str, send: &str) -> Plugin {
    let component = channel(IMPORTS, FUNCTIONS, receive, send).unwrap_or_else(|error| panic!("{error}"));
    let packed = pack(&component, &Manifest::from_toml(MANIFEST).unwrap()).unwrap();
    sandbox().load_bytes(&packed, None).unwrap()
}

fn permit(plugin: &Plugin, secrets: &[&str]) -> Permit {
    let grants = Grants { secrets: secrets.iter().map(ToString::to_string).collect(), ..Grants::default() };
    let permit = Permit::new(plugin.manifest(), &grants, &Limits::default()).unwrap();
    let value = |name: &str| Ok(Some(Secret::new(if name == "hook" { HOOK } else { SIGNING })));
    permit.with_secrets(value).unwrap()
}

async fn receive(plugin: &Plugin, secrets: &[&str], webhook: Webhook) -> Result<Reaction, ChannelError> {
    let id = "webhook-1".parse().unwrap();
    plugin.receive(&permit(plugin, secrets), id, webhook, Host::default()).await.0
}

async fn received(receive_body: &str, body: &[u8]) -> Result<Reaction, ChannelError> {
    receive(&guest(receive_body, "unreachable"), &[], Webhook { body: body.to_vec(), ..Webhook::default() }).await
}

fn outbound() -> Outbound {
    Outbound { to: "C1".into(), text: "hello".into(), idempotency_key: "key-1".into() }
}

async fn sent(send: &str) -> Result<Option<String>, ChannelError> {
    let plugin = guest("unreachable", send);
    plugin.send(&permit(&plugin, &[]), "send-1".parse().unwrap(), outbound(), Host::default()).await.0
}

const ONE: &str = "(call $message (i32.const 4096) (local.get $body) (local.get $body_len))
    (call $react (i32.const 200) (i32.const 1024) (i32.const 4) (i32.const 4096) (i32.const 1))";

#[tokio::test]
async fn a_request_becomes_messages_and_a_response() {
    let Reaction { response, messages } = received(ONE, "žluťoučký kůň".as_bytes()).await.unwrap();
    assert_eq!((response.status, &*response.media_type, &*response.body), (200, "text/plain", b"text".as_slice()));
    let message = Inbound {
        id: "m1".into(),
        peer: (PeerKind::Channel, "U1".into()),
        guild: None,
        team: None,
        to: "C1".into(),
        sender: Some("ann".into()),
        text: "žluťoučký kůň".into(),
    };
    assert_eq!(messages, [message]);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let refusal = |tag| {
        format!(
            "(i32.store8 (i32.const 256) (i32.const 1)) (i32.store8 (i32.const 260) (i32.const {tag}))
             (i32.store (i32.const 264) (local.get $body)) (i32.store (i32.const 268) (local.get $body_len)) (i32.const 256)"
        )
    };
    assert!(matches!(received(&refusal(0), b"").await, Err(ChannelError::Unauthenticated)));
    // What a plugin says of it can't draw on the operator's terminal.
    let Err(ChannelError::Invalid(why)) = received(&refusal(1), b"no\x1b[2J").await else { panic!("invalid") };
    assert_eq!(why, "no [2J");
    assert!(matches!(received(&refusal(2), b"down").await, Err(ChannelError::Later { after: None, .. })));
}

/// Why a reaction is none.
async fn malformed(receive_body: &str, body: &[u8]) -> String {
    match received(receive_body, body).await {
        Err(ChannelError::Call(CallError::Malformed { reason })) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn absurd_reactions_are_refused() {
    let many = |count| {
        format!(
            "(loop $on
               (call $message (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 72))) (local.get $body) (local.get $body_len))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $on (i32.lt_u (local.get $i) (i32.const {count}))))
             (call $react (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const {count}))"
        )
    };
    assert_eq!(received(&many(32), b"hi").await.unwrap().messages.len(), 32);
    assert_eq!(malformed(&many(33), b"hi").await, "33 messages, the limit is 32");
    assert_eq!(malformed(ONE, b" \n").await, "the text of a message is empty");
    assert_eq!(malformed(ONE, b"\xff\xfe").await, "its text is not UTF-8");
    let long = vec![b'x'; 64 * 1024 + 1];
    assert_eq!(malformed(ONE, &long).await, "its text has 65537 bytes, the limit is 65536");
    assert_eq!(received(ONE, &long[1..]).await.unwrap().messages.len(), 1);
    for status in [199, 500, 65_535] {
        let react = ONE.replace("i32.const 200", &format!("i32.const {status}"));
        assert_eq!(malformed(&react, b"hi").await, format!("the status {status}: want 200 to 499"));
    }
    let teapot = ONE.replace("i32.const 200", "i32.const 418");
    assert_eq!(malformed(&teapot, b"hi").await, "messages with the status 418");
    let body = "(call $react (i32.const 200) (i32.const 0) (i32.const 65537) (i32.const 0) (i32.const 0))";
    assert_eq!(malformed(body, b"").await, "its response has 65537 bytes, the limit is 65536");
    let media = "(i32.store8 (i32.const 1025) (i32.const 10))";
    assert_eq!(malformed(&format!("{media} {ONE}"), b"hi").await, "the media type of its response is none");
    let id = "(i32.store8 (i32.const 1034) (i32.const 10))";
    assert_eq!(malformed(&format!("{id} {ONE}"), b"hi").await, "the id of a message: want one line of text");
    // A list that would not even fit into the guest's memory.
    let endless = "(call $react (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 59652323))";
    let ended = received(endless, b"").await;
    assert!(matches!(ended, Err(ChannelError::Call(CallError::Crashed(_) | CallError::Transfer { .. }))), "{ended:?}");
}

/// Asks whether the header `x-hook` is a secret, and says what it was told.
fn header(secret: (u32, u32)) -> String {
    let (at, size) = secret;
    format!(
        "(call $header_is (i32.const 1043) (i32.const 6) (i32.const {at}) (i32.const {size}) (i32.const 512)) (call $verified)"
    )
}

const HOOK_NAME: (u32, u32) = (1049, 4);
const OTHER_NAME: (u32, u32) = (1060, 5);
const TRUE: &[u8] = &[0, 1];
const FALSE: &[u8] = &[0, 0];
const DENIED: &[u8] = &[1, 0];

fn headers(values: &[&[u8]]) -> Webhook {
    let headers = values.iter().map(|value| ("x-hook".to_owned(), value.to_vec())).collect();
    Webhook { headers, ..Webhook::default() }
}

#[tokio::test]
async fn a_header_is_compared_with_a_secret() {
    let plugin = guest(&header(HOOK_NAME), "unreachable");
    let hook = HOOK.as_bytes();
    for (values, answer) in [
        (&[hook] as &[&[u8]], TRUE),
        (&[], FALSE),
        (&[b"hook-secret-2"], FALSE),
        (&[&hook[1..]], FALSE),
        (&[b""], FALSE),
        (&[b"[secret hook]"], FALSE),
        (&[SIGNING.as_bytes()], FALSE),
        (&[hook, hook], FALSE),
    ] {
        let told = receive(&plugin, &["hook", "signing"], headers(values)).await.unwrap();
        assert_eq!(told.response.body, answer, "{values:?}");
    }
    let ungranted = receive(&plugin, &["signing"], headers(&[hook])).await.unwrap();
    assert_eq!(ungranted.response.body[..1], DENIED[..1]);
    let unasked = guest(&header(OTHER_NAME), "unreachable");
    assert_eq!(receive(&unasked, &["hook"], headers(&[hook])).await.unwrap().response.body[..1], DENIED[..1]);
}

#[tokio::test]
async fn the_guest_does_not_see_the_secret_that_a_request_carries() {
    // The value of the first header, and the query.
    let show = "(call $message (i32.const 4096) (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers)))
        (call $react (i32.const 200) (local.get $query) (local.get $query_len) (i32.const 4096) (i32.const 1))";
    let plugin = guest(show, "unreachable");
    let webhook = Webhook { query: format!("a={HOOK}"), ..headers(&[HOOK.as_bytes()]) };
    let told = receive(&plugin, &["hook"], webhook).await.unwrap();
    assert_eq!(told.messages[0].text, "[secret hook]");
    assert_eq!(told.response.body, b"a=[secret hook]");
}

#[tokio::test]
async fn a_signature_is_checked_with_a_secret() {
    let check = "(call $hmac (i32.const 1053) (i32.const 7)
          (i32.add (local.get $body) (i32.const 32)) (i32.sub (local.get $body_len) (i32.const 32))
          (local.get $body) (i32.const 32) (i32.const 512))
        (call $verified)";
    let plugin = guest(check, "unreachable");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING.as_bytes());
    let mut body = hmac::sign(&key, b"v0:1:hello").as_ref().to_vec();
    body.extend_from_slice(b"v0:1:hello");
    let ask = async |secrets: &[&str], body: &[u8]| {
        let webhook = Webhook { body: body.to_vec(), ..Webhook::default() };
        receive(&plugin, secrets, webhook).await.unwrap().response.body
    };
    assert_eq!(ask(&["signing"], &body).await, TRUE);
    for changed in [0, 31, 32, 41] {
        let mut other = body.clone();
        other[changed] ^= 1;
        assert_eq!(ask(&["signing"], &other).await, FALSE, "{changed}");
    }
    assert_eq!(ask(&["hook"], &body).await[..1], DENIED[..1]);
}

#[tokio::test]
async fn a_secret_is_asked_about_so_often_and_no_oftener() {
    let often = |count| {
        format!(
            "(loop $on (drop {}) (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $i) (i32.const {count})))) (call $verified)",
            header(HOOK_NAME)
        )
    };
    for (count, answer) in [(64, TRUE), (65, &[1, 1])] {
        let plugin = guest(&often(count), "unreachable");
        assert_eq!(receive(&plugin, &["hook"], headers(&[HOOK.as_bytes()])).await.unwrap().response.body, answer);
    }
}

#[tokio::test]
async fn an_answer_is_sent_with_its_key() {
    assert_eq!(sent(SENT).await.unwrap().as_deref(), Some("key-1"));
    let error = |tag| {
        format!(
            "(i32.store8 (i32.const 256) (i32.const 1)) (i32.store8 (i32.const 264) (i32.const {tag}))
             (i32.store8 (i32.const 272) (i32.const 1)) (i64.store (i32.const 280) (i64.const 1500))
             (i32.store (i32.const 288) (i32.const 1065)) (i32.store (i32.const 292) (i32.const 5)) (i32.const 256)"
        )
    };
    let Err(ChannelError::Later { after, reason }) = sent(&error(0)).await else { panic!("later") };
    assert_eq!((after.unwrap().as_millis(), &*reason), (1500, "later"));
    let permanent = "(i32.store8 (i32.const 256) (i32.const 1)) (i32.store8 (i32.const 264) (i32.const 1))
        (i32.store (i32.const 272) (local.get $to)) (i32.store (i32.const 276) (local.get $to_len)) (i32.const 256)";
    let Err(ChannelError::Permanent(why)) = sent(permanent).await else { panic!("permanent") };
    assert_eq!(why, "C1");
    assert!(matches!(sent("unreachable").await, Err(ChannelError::Call(CallError::Crashed(_)))));
}

#[tokio::test]
async fn calls_of_channels_are_under_limits() {
    let plugin = guest("(loop $on (br $on)) unreachable", "(loop $on (br $on)) unreachable");
    let limits = Limits { time: std::time::Duration::from_millis(30), ..Limits::default() };
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &limits).unwrap();
    let id = || "webhook-1".parse().unwrap();
    let (received, _) = plugin.receive(&permit, id(), Webhook::default(), Host::default()).await;
    assert!(matches!(received, Err(ChannelError::Call(CallError::TimedOut { .. }))), "{received:?}");
    let (sent, _) = plugin.send(&permit, id(), outbound(), Host::default()).await;
    assert!(matches!(sent, Err(ChannelError::Call(CallError::TimedOut { .. }))), "{sent:?}");
}

#[tokio::test]
async fn a_channel_is_no_tool_and_a_tool_no_channel() {
    let plugin = guest(ONE, SENT);
    assert!(plugin.is_channel());
    assert_eq!(plugin.manifest().kind, Kind::Channel);
    let called = plugin.call(&permit(&plugin, &[]), request(json!({})), Host::default()).await;
    assert!(matches!(called.detail, Some(CallError::UnknownTool { .. })), "{called:?}");

    let tool = crate::guest::Guest { call: crate::guest::ECHO, ..crate::guest::Guest::NONE };
    let plugin = tool.load();
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).unwrap();
    let (received, _) = plugin.receive(&permit, "a".parse().unwrap(), Webhook::default(), Host::default()).await;
    assert!(matches!(received, Err(ChannelError::NoChannel)), "{received:?}");
    let packed = pack(&tool.component(), &Manifest::from_toml(MANIFEST).unwrap()).unwrap();
    let refused = sandbox().load_bytes(&packed, None);
    assert!(matches!(refused, Err(LoadError::NoChannel)), "{refused:?}");
}
