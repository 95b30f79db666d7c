use std::time::Duration;

use exoclaw_agent::test_util::Answer;
use exoclaw_gateway::{GatewayConfig, Rate, Rates};
use exoclaw_protocol::{Scope, Secret, TokenCreateParams, limits};
use futures::SinkExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, TOKEN, World};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A ping of that many bytes.
fn padded(bytes: usize) -> String {
    let pad = " ".repeat(bytes - PING.len());
    format!("{PING}{pad}")
}

#[tokio::test]
async fn a_strangers_message_is_small() {
    let world = World::start().await;
    for (bytes, wanted) in [
        (limits::UNAUTHENTICATED_MESSAGE_BYTES, (1008, "unauthorized")),
        (limits::UNAUTHENTICATED_MESSAGE_BYTES + 1, (1009, "the message is too large")),
    ] {
        let mut socket = world.upgrade(&[]).await.unwrap();
        socket.text(&padded(bytes)).await;
        let (code, reason) = socket.closed().await;
        assert_eq!((code, reason.as_str()), wanted, "{bytes}");
    }
}

#[tokio::test]
async fn a_clients_message_is_bounded() {
    let world = World::start().await;
    let mut socket = world.client().await;
    assert_eq!(socket.ask(&padded(limits::MESSAGE_BYTES)).await["id"], 1);
    // The gateway stops reading at the head of the frame: the write may fail, the goodbye is there all the same.
    drop(socket.0.send(Message::text(padded(limits::MESSAGE_BYTES + 1))).await);
    assert_eq!(socket.closed_at_once().await.0, 1009);
}

#[tokio::test]
async fn fragments_are_counted_together() {
    let world = World::start().await;
    let mut raw = RawSocket::open(&world).await;
    let part = vec![b' '; limits::UNAUTHENTICATED_MESSAGE_BYTES / 2];
    for opcode in [0x01, 0x00, 0x00] {
        raw.frame(opcode, &part).await;
    }
    assert_eq!(raw.closed().await, 1009);
}

#[tokio::test]
async fn frames_that_are_not_allowed() {
    let world = World::start().await;
    for (opcode, payload, wanted) in [
        (0x82, &b"bytes"[..], 1003),
        (0x81, &b"\xff\xfe"[..], 1007),
        (0x83, &b"reserved"[..], 1002),
        (0xC1, &b"reserved bit"[..], 1002),
        (0x80, &b"nothing to go on"[..], 1002),
        (0x89, &[b'p'; 126][..], 1002),
    ] {
        let mut raw = RawSocket::open(&world).await;
        raw.frame(opcode, payload).await;
        assert_eq!(raw.closed().await, wanted, "{opcode:#x} {payload:?}");
    }
    let mut raw = RawSocket::open(&world).await;
    raw.0.write_all(b"\x81\x02{}").await.unwrap();
    assert_eq!(raw.closed().await, 1002, "not masked");
}

#[tokio::test]
async fn a_stranger_who_stays_silent_is_closed() {
    let world = World::start().await;
    let mut socket = world.upgrade(&[]).await.unwrap();
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    assert_eq!(socket.closed().await, (1008, "no credential was shown in time".to_owned()));
    let waited = since.elapsed();
    assert!(waited < limits::HANDSHAKE_DEADLINE * 2, "{waited:?} on a clock that only the deadline moves");
}

#[tokio::test]
async fn a_client_that_owes_a_pong_is_closed() {
    let world = World::start().await;
    let authorization = format!("Authorization: Bearer {}\r\n", crate::support::TOKEN);
    let mut raw = RawSocket::open_with(&world, &authorization).await;
    tokio::time::pause();
    let mut head = [0; 2];
    raw.0.read_exact(&mut head).await.unwrap();
    assert_eq!(head, [0x89, 0], "a ping");
    assert_eq!(raw.closed().await, 1008);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let world = World::start().await;
    let mut socket = world.client().await;
    tokio::time::pause();
    // Reading answers the pings; nothing else comes in ten times the deadline.
    let silence = tokio::time::timeout(limits::PONG_DEADLINE * 10, socket.next());
    assert!(silence.await.is_err(), "no text, no goodbye");
    assert_eq!(socket.ask(PING).await["id"], 1);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let world = World::start().await;
    for part in ["", "GET /livez HTTP/1.1\r\nHost: x"] {
        let mut stream = TcpStream::connect(world.addr).await.unwrap();
        let whole = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", world.addr);
        stream.write_all(whole.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        tokio::time::pause();
        stream.write_all(part.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(limits::HEADER_DEADLINE * 10, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{part:?} is waited for");
        tokio::time::resume();
    }
}

/// Other readers of the session get everything meanwhile, and the slow one hears why it is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_closed_and_harms_no_one() {
    let world = World::start().await;
    let (mut slow, mut quick) = (world.narrow_client().await, world.client().await);
    slow.ask(r#"{"jsonrpc":"2.0","id":1,"method":"session.subscribe","params":{"session":"main"}}"#).await;
    // Each run fits into what is kept, so that only the one who never reads falls behind.
    for _ in 0..32 {
        world.script.answer(Answer::text(vec!["x".repeat(1_024); 200]));
        quick.send("main", "hi").await;
        quick.events_until("final").await;
    }
    assert_eq!(slow.closed().await, (1008, "slow consumer".to_owned()));
}

#[tokio::test]
async fn a_flood_of_strangers_keeps_no_client_out() {
    let world = World::start().await;
    let mut friend = world.client().await;
    let mut strangers = Vec::new();
    for _ in 0..limits::UNAUTHENTICATED_SOCKETS + 10 {
        strangers.push(world.upgrade(&[]).await.unwrap());
    }
    assert_eq!(strangers[0].closed().await.0, 1013);
    assert_eq!(friend.ask(PING).await["id"], 1);
    assert_eq!(world.client().await.ask(PING).await["id"], 1);
}

/// Guesses on loopback are limited as any, and whoever owns the daemon is served meanwhile.
#[tokio::test]
async fn guessing_is_hopeless_and_keeps_the_owner_out_nowhere_else() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", crate::support::TOKEN);
    let mut statuses = Vec::new();
    for n in 0..20 {
        statuses.push(world.upgrade(&[("authorization", &format!("Bearer guess-{n}"))]).await.err().unwrap());
    }
    assert_eq!(statuses, [[401; 10], [429; 10]].concat());
    let mut socket = world.upgrade(&[]).await.unwrap();
    let refused = socket.ask(r#"{"token":"guess"}"#).await;
    let after = refused["error"]["data"]["retryAfterMs"].as_u64().unwrap();
    assert!(refused["error"]["code"] == -32011 && (1..=6_000).contains(&after), "{refused}");
    assert_eq!(socket.closed().await, (1013, "too many wrong credentials".to_owned()));
    let head = "GET /ws HTTP/1.1\nHost: {host}\nConnection: Upgrade, close\nUpgrade: websocket\n\
                Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nAuthorization: Bearer x\n\n";
    let answer = world.http(head).await;
    assert_eq!(answer.status(), 429);
    assert!(answer.header("retry-after").is_some_and(|after| (1..=6).contains(&after.parse::<u64>().unwrap())));
    assert!(answer.body().contains(r#""kind":"rate_limited""#), "{answer:?}");

    let cookie = world.log_in().await;
    for served in [&[("cookie", cookie.as_str()), ("origin", "http://{host}")]] {
        assert_eq!(world.upgrade(served).await.unwrap().ask(PING).await["id"], 1);
    }
    assert_eq!(world.upgrade_afresh(&[("authorization", &bearer)]).await.unwrap().ask(PING).await["id"], 1);
}

#[tokio::test]
async fn a_connection_that_asks_for_too_much_is_told_when_to_go_on() {
    let world = World::start().await;
    let mut socket = world.client().await;
    tokio::time::pause();
    let batch = format!("[{}]", vec![PING; limits::BATCH_REQUESTS].join(","));
    let mut refused = None;
    for _ in 0..20 {
        let answer = socket.ask(&batch).await;
        refused = answer[0]["error"]["data"]["retryAfterMs"].as_u64();
        if refused.is_some() {
            assert_eq!(answer.as_array().unwrap().len(), limits::BATCH_REQUESTS);
            assert_eq!(answer[63]["error"]["data"]["kind"], "rate_limited");
            break;
        }
    }
    let wait = std::time::Duration::from_millis(refused.expect("a refusal") + 1);
    tokio::time::advance(wait).await;
    assert!(socket.ask(&batch).await[0]["error"].is_null());
    assert_eq!(world.client().await.ask(PING).await["id"], 1);
}

fn rate(burst: u32, per_second: u32) -> Rate {
    Rate::new(burst.try_into().unwrap(), per_second.try_into().unwrap())
}

async fn limited(rates: Rates) -> World {
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
    World::with(GatewayConfig { rates, ..config }).await
}

fn retry_after(answer: &serde_json::Value) -> Duration {
    assert_eq!(answer["error"]["data"]["kind"], "rate_limited", "{answer}");
    Duration::from_millis(answer["error"]["data"]["retryAfterMs"].as_u64().unwrap())
}

#[tokio::test]
async fn a_credential_that_asks_for_too_much_is_told_when_to_go_on_however_it_asks() {
    let world = limited(Rates { credential: rate(40, 1), ..Rates::default() }).await;
    let params = TokenCreateParams { name: "other".parse().unwrap(), scope: Scope::Read, expires_in_s: None };
    let other = world.tokens.create(params, 0).unwrap().token;
    let other = [("authorization", &*format!("Bearer {}", other.expose()))];
    let (mut one, mut two, mut other) =
        (world.client().await, world.client().await, world.upgrade(&other).await.unwrap());
    tokio::time::pause();
    for socket in [&mut one, &mut two] {
        for _ in 0..5 {
            assert!(socket.ask(PING).await["error"].is_null());
        }
    }
    let wait = retry_after(&one.ask(PING).await);
    retry_after(&two.ask(PING).await);
    assert!(other.ask(PING).await["error"].is_null());
    let models =
        format!("GET /v1/models HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {TOKEN}\nConnection: close\n\n");
    let answer = world.http(&models).await;
    assert_eq!((answer.status(), answer.header("retry-after").is_some()), (429, true), "{answer:?}");
    tokio::time::advance(wait).await;
    assert!(two.ask(PING).await["error"].is_null());
}

#[tokio::test]
async fn a_session_that_is_sent_too_much_takes_more_later_and_others_do_now() {
    let world = limited(Rates { session: rate(20, 1), ..Rates::default() }).await;
    let (mut one, mut two) = (world.client().await, world.client().await);
    tokio::time::pause();
    let send = |session: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"chat.inject","params":{{"session":"{session}","text":"x","by":"system"}}}}"#
        )
    };
    for socket in [&mut one, &mut two] {
        assert!(socket.ask(&send("main")).await["error"].is_null());
    }
    let wait = retry_after(&one.ask(&send("agent:main:main")).await);
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"chat.send","params":{"session":"main","text":"x"}}"#;
    retry_after(&two.ask(message).await);
    assert!(one.ask(&send("elsewhere")).await["error"].is_null());
    tokio::time::advance(wait).await;
    assert!(two.ask(&send("main")).await["error"].is_null());
}

/// A WebSocket client of bytes.
struct RawSocket(TcpStream);

impl RawSocket {
    async fn open(world: &World) -> Self {
        Self::open_with(world, "").await
    }

    async fn open_with(world: &World, headers: &str) -> Self {
        let mut stream = TcpStream::connect(world.addr).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
            world.addr
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        // The sample of RFC 6455, section 1.3.
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(stream)
    }

    /// Writes a frame, masked with zeros. The gateway may have closed by then.
    async fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![opcode];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        drop(self.0.write_all(&frame).await);
    }

    /// Code of the goodbye; what comes before it is passed over.
    async fn closed(&mut self) -> u16 {
        let mut bytes = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.unwrap().unwrap();
        let mut rest = &bytes[..];
        while let [head, length, tail @ ..] = rest {
            let length = usize::from(*length);
            assert!(length < 126, "short frames only");
            if *head == 0x88 {
                return u16::from_be_bytes([tail[0], tail[1]]);
            }
            rest = &tail[length..];
        }
        panic!("no goodbye in {bytes:?}");
    }
}
