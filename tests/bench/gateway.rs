//! The door under many: memory of idle sockets, handshakes in a steady stream, readers beside some that do not read.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use exoclaw_protocol::{ChatSendParams, SessionRef, SessionSubscribeParams, rpc};
use futures::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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
}

/// As the targets say.
pub(crate) const WHOLE: Scale =
    Scale { idle: 10_000, handshakes: 5_000, readers: 1_000, stalled: 50, deltas: 150, rounds: 2 };

/// To see that it works.
pub(crate) const SMALL: Scale = Scale { idle: 200, handshakes: 200, readers: 20, stalled: 4, deltas: 100, rounds: 1 };

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

    let daemon = Daemon::start(quick.addr, &[], home()).await;
    let before = daemon.resident_mib();
    let sockets = idle(daemon.addr(), scale.idle).await;
    let idle = daemon.resident_mib();
    let each = (idle - before) * 1024.0 / sockets.len() as f64;
    drop((daemon, sockets));

    let daemon = Daemon::start(quick.addr, &[], home()).await;
    let (handshakes, failed) = handshakes(daemon.addr(), scale.handshakes).await;
    drop(daemon);

    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let daemon = Daemon::start(steady.addr, &[], home()).await;
        alone.extend(read_all(&daemon, scale.readers, 0, origin).await);
        drop(daemon);
        let daemon = Daemon::start(steady.addr, &[], home()).await;
        beside.extend(read_all(&daemon, scale.readers, scale.stalled, origin).await);
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
        row("delta to one of 1,000 readers, p99", ms(alone), "", true),
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
    let sockets = stream::iter(0..count).map(|_| async { upgrade(connect(addr, None).await).await.expect("let in") });
    sockets.buffer_unordered(AT_THE_DOOR).collect().await
}

/// New connections at a steady rate, whatever became of those before: from when each was due until it was let in.
async fn handshakes(addr: SocketAddr, count: u32) -> (Sample, usize) {
    let start = Instant::now();
    let mut attempts = JoinSet::new();
    for number in 0..count {
        let due = start + Duration::from_secs(1) * number / HANDSHAKES_PER_SECOND;
        tokio::time::sleep_until(due.into()).await;
        attempts.spawn(async move { upgrade(connect(addr, None).await).await.map(|_| due.elapsed()) });
    }
    let all = attempts.join_all().await;
    let good: Vec<Duration> = all.iter().flatten().copied().collect();
    let failed = all.len() - good.len();
    (Sample::new(good), failed)
}

/// One answer to many readers, some of whom do not read; how long each delta took to each of the others.
async fn read_all(daemon: &Daemon, readers: usize, stalled: usize, origin: Instant) -> Vec<Duration> {
    let session: SessionRef = "crowd".parse().expect("a session name");
    let mut tasks = JoinSet::new();
    let mut held = Vec::new();
    let params = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
    let subscribe = masked(&rpc::request(1, &params).expect("parameters are JSON"));
    let open = |buffer| {
        let subscribe = &subscribe;
        async move {
            let mut stream = upgrade(connect(daemon.addr(), buffer).await).await.expect("let in");
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
    tasks.join_all().await.into_iter().flatten().collect()
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
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(length.to_be_bytes());
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

/// Shows the token and waits to be let in; `None` where it is not.
async fn upgrade(mut stream: TcpStream) -> Option<TcpStream> {
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        stream.peer_addr().ok()?
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    // Nothing follows the head before the client has asked for something.
    let (mut head, mut chunk) = (Vec::new(), [0; 1_024]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&chunk[..read]);
    }
    head.starts_with(b"HTTP/1.1 101 ").then_some(stream)
}
