//! The door under many: memory of idle sockets, handshakes in a steady stream, small questions, many readers, also beside some
//! that do not read.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use exoclaw_protocol::{ChatSendParams, SessionRef, SessionSubscribeParams, rpc};
use futures::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::{
    AT_ONCE,
    daemon::{Daemon, TOKEN},
    figures::{Row, Sample},
    home,
    model::{Model, Pace},
    ms, row,
};

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    idle: usize,
    handshakes: u32,
    readers: usize,
    stalled: usize,
    deltas: u32,
    rounds: usize,
    /// How long `health` is asked for.
    span: Duration,
}

/// As the targets say.
pub(crate) const WHOLE: Scale = Scale {
    idle: 10_000,
    handshakes: 5_000,
    readers: 1_000,
    stalled: 50,
    deltas: 150,
    rounds: 2,
    span: Duration::from_secs(5),
};

/// To see that it works.
pub(crate) const SMALL: Scale = Scale {
    idle: 200,
    handshakes: 200,
    readers: 20,
    stalled: 4,
    deltas: 100,
    rounds: 1,
    span: Duration::from_millis(500),
};

/// Sockets that ask for `health`, and requests of each that are under way.
const ASKING: usize = 50;
const UNDER_WAY: usize = 16;

/// Requests of each in a second: a connection may ask for 2,000.
const ASKED_PER_SECOND: f64 = 1_800.0;

/// New connections in a second.
const HANDSHAKES_PER_SECOND: u32 = 500;

/// A stalled reader's receive buffer, so that its window closes soon.
const STALLED_BUFFER_BYTES: u32 = 4 * 1024;

/// Sockets that show their credential at the same time: with 64 of one address the oldest is given up.
const AT_THE_DOOR: usize = 32;

/// Files that may be open: a socket is one.
const FILES: u64 = 16 * 1024;

/// Measures all of it.
pub(crate) async fn measure(scale: Scale) -> Vec<Row> {
    raise_files(FILES);
    let origin = Instant::now();
    let quick = Model::start(AT_ONCE, origin).await.expect("a free port");
    // Large enough that a reader who does not read holds everything full within seconds.
    let pace = Pace { deltas: scale.deltas, gap: Duration::from_millis(100), padding: 4 * 1024 };
    let steady = Model::start(pace, origin).await.expect("a free port");
    let light = Model::start(Pace { padding: 0, ..pace }, origin).await.expect("a free port");

    let daemon = Daemon::start(quick.addr, &[], home()).await;
    let before = daemon.resident_mib();
    let sockets = idle(daemon.addr(), scale.idle).await;
    let idle = daemon.resident_mib();
    let each = (idle - before) * 1024.0 / sockets.len() as f64;
    drop((daemon, sockets));

    let daemon = Daemon::start(quick.addr, &[], home()).await;
    let (handshakes, failed) = handshakes(daemon.addr(), scale.handshakes).await;
    drop(daemon);

    let daemon = Daemon::start(quick.addr, &[], home()).await;
    let healths = healths(daemon.addr(), scale.span).await;
    drop(daemon);

    let daemon = Daemon::start(light.addr, &[], home()).await;
    let spread = spread(&read_all(&daemon, scale.readers, 0, origin).await);
    drop(daemon);

    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let daemon = Daemon::start(steady.addr, &[], home()).await;
        alone.extend(read_all(&daemon, scale.readers, 0, origin).await.into_iter().flatten());
        drop(daemon);
        let daemon = Daemon::start(steady.addr, &[], home()).await;
        beside.extend(read_all(&daemon, scale.readers, scale.stalled, origin).await.into_iter().flatten());
    }
    let (alone, beside) = (Sample::new(alone).quantile(0.99), Sample::new(beside).quantile(0.99));
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    let handshake = handshakes.quantile(0.99);
    vec![
        row("resident memory, 10,000 idle authenticated sockets", format!("{idle:.0} MiB"), "≤ 300 MiB", idle <= 300.0),
        row("of this, each socket", format!("{each:.1} KiB"), "", true),
        row("handshake at 500 new connections/s, p50", ms(handshakes.quantile(0.5)), "", true),
        row(
            "handshake at 500 new connections/s, p99",
            ms(handshake),
            "≤ 50 ms",
            handshake <= Duration::from_millis(50),
        ),
        row("handshakes that failed", failed.to_string(), "0", failed == 0),
        row(
            "`health` of OpenClaw's protocol over 50 connections",
            format!("{healths:.0} /s"),
            "≥ 50000 /s",
            healths >= 50_000.0,
        ),
        row("a delta, from the first to the last of 1,000 readers, p50", ms(spread.quantile(0.5)), "", true),
        row(
            "a delta, from the first to the last of 1,000 readers, p99",
            ms(spread.quantile(0.99)),
            "≤ 20 ms",
            spread.quantile(0.99) <= Duration::from_millis(20),
        ),
        row("delta of 4 KiB to one of 1,000 readers, p99", ms(alone), "", true),
        row("the same while 50 of them do not read, p99 of the others", ms(beside), "", true),
        row("these two compared", format!("{ratio:.2}×"), "≤ 1.2×", ratio <= 1.2),
    ]
}

/// As many files as needed, here and, inherited, in the daemon.
fn raise_files(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        let maximum = maximum.map(|maximum| maximum.max(wanted));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
            .expect("the system lets 16,384 files be open: raise the hard limit otherwise");
    }
}

/// Sockets that were let in and say nothing.
async fn idle(addr: SocketAddr, count: usize) -> Vec<TcpStream> {
    let sockets =
        stream::iter(0..count).map(|_| async { upgrade(connect(addr, None).await, "/ws").await.expect("let in").0 });
    sockets.buffer_unordered(AT_THE_DOOR).collect().await
}

/// New connections at a steady rate, whatever became of those before: from when each was due until it was let in.
async fn handshakes(addr: SocketAddr, count: u32) -> (Sample, usize) {
    let start = Instant::now();
    let mut attempts = JoinSet::new();
    for number in 0..count {
        let due = start + Duration::from_secs(1) * number / HANDSHAKES_PER_SECOND;
        tokio::time::sleep_until(due.into()).await;
        attempts.spawn(async move { upgrade(connect(addr, None).await, "/ws").await.map(|_| due.elapsed()) });
    }
    let all = attempts.join_all().await;
    let good: Vec<Duration> = all.iter().flatten().copied().collect();
    let failed = all.len() - good.len();
    (Sample::new(good), failed)
}

/// Answers to `health` in a second, over sockets that each have some requests under way.
async fn healths(addr: SocketAddr, span: Duration) -> f64 {
    let client = json!({ "id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend" });
    let params = json!({ "minProtocol": 4, "maxProtocol": 4, "client": client, "scopes": ["operator.read"] });
    let hello = masked(&json!({ "type": "req", "id": "0", "method": "connect", "params": params }).to_string());
    let health = masked(&json!({ "type": "req", "id": "1", "method": "health", "params": {} }).to_string());
    let (hello, batch) = (Arc::new(hello), Arc::new(health.repeat(UNDER_WAY)));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for _ in 0..ASKING {
        let (hello, batch) = (Arc::clone(&hello), Arc::clone(&batch));
        tasks.spawn(async move {
            let (mut stream, mut waiting) = upgrade(connect(addr, None).await, "/").await.expect("let in");
            stream.write_all(&hello).await.expect("it says who it is");
            answers(&mut stream, &mut waiting, 1).await;
            let mut answered = 0;
            while start.elapsed() < span {
                stream.write_all(&batch).await.expect("it asks");
                answers(&mut stream, &mut waiting, UNDER_WAY).await;
                answered += UNDER_WAY;
                tokio::time::sleep_until((start + Duration::from_secs_f64(answered as f64 / ASKED_PER_SECOND)).into())
                    .await;
            }
            answered
        });
    }
    let answered: usize = tasks.join_all().await.into_iter().sum();
    answered as f64 / start.elapsed().as_secs_f64()
}

/// Reads so many answers, each a good one; events are passed over.
async fn answers(stream: &mut TcpStream, waiting: &mut Vec<u8>, mut count: usize) {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let mut done = 0;
        while let Some((payload, rest)) = frame(&waiting[done..]) {
            let text = &waiting[done..][payload];
            if find(text, b"\"type\":\"res\"").is_some() {
                assert!(find(text, b"\"ok\":true").is_some(), "refused: {}", String::from_utf8_lossy(text));
                count -= 1;
            }
            done += rest;
        }
        waiting.drain(..done);
        if count == 0 {
            return;
        }
        let read = stream.read(&mut chunk).await.expect("the socket is open");
        assert!(read > 0, "a socket that asks was closed");
        waiting.extend_from_slice(&chunk[..read]);
    }
}

/// Of each delta, how long after the first reader the last one had it.
fn spread(readers: &[Vec<Duration>]) -> Sample {
    let deltas = readers.iter().map(Vec::len).min().expect("there are readers");
    let of = |delta: usize| {
        let times = || readers.iter().map(|times| times[delta]);
        times().max().unwrap_or_default() - times().min().unwrap_or_default()
    };
    Sample::new((0..deltas).map(of).collect())
}

/// One answer to many readers, some of whom do not read; how long each delta took to each of the others.
async fn read_all(daemon: &Daemon, readers: usize, stalled: usize, origin: Instant) -> Vec<Vec<Duration>> {
    let session: SessionRef = "crowd".parse().expect("a session name");
    let mut tasks = JoinSet::new();
    let mut held = Vec::new();
    let params = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
    let subscribe = masked(&rpc::request(1, &params).expect("parameters are JSON"));
    let open = |buffer| {
        let subscribe = &subscribe;
        async move {
            let (mut stream, _) = upgrade(connect(daemon.addr(), buffer).await, "/ws").await.expect("let in");
            stream.write_all(subscribe).await.expect("it asks");
            stream
        }
    };
    for _ in 0..stalled {
        held.push(open(Some(STALLED_BUFFER_BYTES)).await);
    }
    let streams = stream::iter(stalled..readers).map(|_| open(None)).buffer_unordered(AT_THE_DOOR);
    for mut stream in streams.collect::<Vec<_>>().await {
        // The answer to the subscription says that it is watched.
        stream.readable().await.expect("an answer");
        tasks.spawn(async move { deltas(&mut stream, origin).await });
    }
    let mut sender = daemon.socket().await;
    sender.call(&ChatSendParams::text(session, "go")).await;
    sender.watch(|_| {}).await;
    drop(held);
    tasks.join_all().await
}

/// Reads until the end of the answer, and looks for no more than the times in it.
async fn deltas(stream: &mut TcpStream, origin: Instant) -> Vec<Duration> {
    const DELTA: &[u8] = b"\"text\":\"";
    // What is looked for stands at the front.
    const HEAD: usize = 512;
    let mut latencies = Vec::new();
    let (mut waiting, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some((payload, rest)) = frame(&waiting) {
            let now = origin.elapsed();
            let head = &waiting[payload.start..payload.end.min(payload.start + HEAD)];
            if find(head, b"\"final\"").is_some() {
                return latencies;
            }
            if find(head, b"\"delta\"").is_some() {
                let at = find(head, DELTA).expect("a delta has a text") + DELTA.len();
                let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
                let sent = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
                latencies.push(now.saturating_sub(Duration::from_nanos(sent)));
            }
            waiting.drain(..rest);
        }
        let read = stream.read(&mut chunk).await.expect("the socket is open");
        assert!(read > 0, "a reader who reads was closed");
        waiting.extend_from_slice(&chunk[..read]);
    }
}

/// Where the payload of the first whole frame lies, and where the next frame begins.
fn frame(bytes: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
    let (start, length) = match bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..10)?.first_chunk()?)).ok()?),
        length => (2, usize::from(*length)),
    };
    (bytes.len() >= start + length).then_some((start..start + length, start + length))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// A text frame of a client, under a mask of zeros.
fn masked(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(length @ ..126) => frame.push(0x80 | length),
        _ => frame.extend([&[0x80 | 126][..], &length.to_be_bytes()].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

async fn connect(addr: SocketAddr, receive_buffer: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).expect("a socket option");
    }
    let stream = socket.connect(addr).await.expect("the daemon listens");
    stream.set_nodelay(true).expect("a TCP option");
    stream
}

/// Shows the token and waits to be let in, with what came behind that; `None` where it is not.
async fn upgrade(mut stream: TcpStream, path: &str) -> Option<(TcpStream, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        stream.peer_addr().ok()?
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut head, mut chunk) = (Vec::new(), [0; 1_024]);
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&chunk[..read]);
        if let Some(end) = find(&head, END) {
            let behind = head.split_off(end + END.len());
            return head.starts_with(b"HTTP/1.1 101 ").then_some((stream, behind));
        }
    }
}
