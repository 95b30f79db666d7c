//! What each connection and request pays at the door.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use exoclaw_agent::DemoProvider;
use exoclaw_gateway::{Gateway, GatewayConfig, NoAssets};
use exoclaw_protocol::{AgentId, Scope, Secret, TokenCreateParams};
use exoclaw_router::Router;
use exoclaw_runtime::{AgentConfig, Clock, Parts, Plugins, Runtime, RuntimeConfig, SystemClock, metrics::Credential};
use exoclaw_store::{
    MemoryStore, Tokens,
    audit::{Audit, AuditConfig},
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

const OWNER: &str = "the owner's token, of the length that a real one has";

/// Named tokens beside the owner's: as many as there may be.
const TOKENS: u64 = 256;

/// A gateway, its runtime, and one of its named tokens.
async fn gateway(audit: Audit) -> (Gateway, Runtime, String) {
    let main: AgentId = "main".parse().unwrap();
    let agent = AgentConfig::new(main.clone(), "demo", Arc::new(DemoProvider::default()), "demo");
    let parts = Parts {
        router: Router::new(vec![main.clone()], main, Vec::new()).unwrap(),
        store: Arc::new(MemoryStore::new()),
        plugins: Plugins::default(),
        clock: Arc::new(SystemClock),
    };
    let runtime = Runtime::start(RuntimeConfig { audit, ..RuntimeConfig::new(vec![agent]) }, parts).await.unwrap();
    let tokens = Tokens::in_memory();
    let create = |n: u64| {
        let name = format!("token-{n}").parse().unwrap();
        tokens
            .create(TokenCreateParams { name, scope: Scope::Chat, expires_in_s: None }, 0)
            .unwrap()
            .token
            .expose()
            .to_owned()
    };
    let token = (0..TOKENS).map(create).last().unwrap();
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(OWNER));
    let config = GatewayConfig { tokens: Arc::new(tokens), ..config };
    (Gateway::bind(config, runtime.clone(), Arc::new(NoAssets)).await.unwrap(), runtime, token)
}

/// From the head of a request to who sent it: what it is compared with, the limiter, and the count. Target: ≤ 20 µs.
fn authenticate(criterion: &mut Criterion) {
    let executor = tokio::runtime::Runtime::new().unwrap();
    let (gateway, _, token) = executor.block_on(gateway(Audit::discard()));
    let mut group = criterion.benchmark_group("authenticate, at most 20 us");
    for (name, shown) in [("owner", OWNER), ("one of 256 tokens", token.as_str())] {
        let bearer = HeaderValue::try_from(format!("Bearer {shown}")).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        let from = SocketAddr::from(([192, 0, 2, 1], 4_321));
        assert!(gateway.authenticates(&headers, from));
        group.bench_function(name, |bencher| bencher.iter(|| gateway.authenticates(&headers, from)));
    }
}

/// What is counted of a connection with one request.
fn count(criterion: &mut Criterion) {
    let executor = tokio::runtime::Runtime::new().unwrap();
    let (_, runtime, _) = executor.block_on(gateway(Audit::discard()));
    criterion.bench_function("count a connection and a request", |bencher| {
        bencher.iter(|| {
            let metrics = runtime.metrics();
            metrics.connection(true);
            metrics.credential(Credential::Allowed);
            metrics.request("chat.send", true, Duration::from_micros(300));
            metrics.connection_ended();
        });
    });
}

/// A connection, its credential and one request, which leave one record in the trail. Target: 3 % between the two.
fn audited(criterion: &mut Criterion) {
    let executor = tokio::runtime::Runtime::new().unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = AuditConfig::new(home.path().join("audit"), home.path().join("head"));
    let trail = Audit::open(config, Arc::new(|| SystemClock.now_ms())).unwrap();
    let mut group = criterion.benchmark_group("connect and ask, at most 3 % apart");
    group.sample_size(50).measurement_time(Duration::from_secs(10));
    for (name, audit) in [("without a trail", Audit::discard()), ("with one", trail)] {
        let (gateway, runtime, _) = executor.block_on(gateway(audit.clone()));
        let addr = gateway.local_addr();
        executor.block_on(async {
            runtime.tasks().spawn("gateway", gateway.serve()).unwrap();
        });
        group.bench_function(name, |bencher| bencher.iter(|| ask(addr)));
        executor.block_on(runtime.shutdown(Duration::from_secs(10)));
        audit.close();
    }
}

/// Connects, shows the token, asks for a `ping` and waits for its answer.
fn ask(addr: SocketAddr) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {OWNER}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = [0; 1_024];
    let read = stream.read(&mut chunk).unwrap();
    assert!(chunk[..read].starts_with(b"HTTP/1.1 101 "));
    let text = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text);
    stream.write_all(&frame).unwrap();
    assert!(stream.read(&mut chunk).unwrap() > 0);
}

criterion_group!(benches, authenticate, count, audited);
criterion_main!(benches);
