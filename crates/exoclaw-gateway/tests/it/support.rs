//! A gateway on a free port, and clients made of bytes.

#[path = "../../../exoclaw-runtime/tests/it/support/store.rs"]
#[expect(dead_code, reason = "the runtime's tests use what these do not")]
pub(crate) mod store;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use exoclaw_agent::test_util::{Script, ScriptedProvider};
use exoclaw_gateway::{Asset, Assets, Gateway, GatewayConfig};
use exoclaw_protocol::Secret;
use exoclaw_router::Router;
use exoclaw_runtime::{AgentConfig, Clock, Parts, Plugins, Runtime, RuntimeConfig};
use exoclaw_store::{MemoryStore, Store, Tokens, audit::Audit};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use store::TestStore;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderName},
};

pub(crate) const TOKEN: &str = "the gateway's own token";

/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A clock that can be made to panic, as a faulty part would, and to go on.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    pub(crate) broken: AtomicBool,
    pub(crate) passed_ms: AtomicU64,
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        assert!(!self.broken.load(Ordering::Relaxed), "the clock is broken");
        1_800_000_000_000 + self.passed_ms.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct TestAssets;

impl Assets for TestAssets {
    fn get(&self, path: &str, accept_encoding: &str) -> Option<Asset> {
        let html = "text/html; charset=utf-8";
        match path {
            "index.html" if accept_encoding.contains("br") => Some(Asset {
                body: b"<br>",
                media_type: html,
                encoding: Some("br"),
                lasting: false,
                etag: "\"1-br\"".to_owned(),
            }),
            "index.html" => Some(Asset {
                body: b"<page>",
                media_type: html,
                encoding: None,
                lasting: false,
                etag: "\"1\"".to_owned(),
            }),
            "ui_bg.wasm" => {
                let body = b"\0asm";
                Some(Asset {
                    body,
                    media_type: "application/wasm",
                    encoding: None,
                    lasting: true,
                    etag: "\"2\"".to_owned(),
                })
            }
            _ => None,
        }
    }
}

/// A gateway with one agent, `main`, whose model follows a script.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) script: Script,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) addr: SocketAddr,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) link: String,
    pub(crate) served: JoinHandle<()>,
}

pub(crate) async fn runtime(store: Arc<dyn Store>) -> (Runtime, Script, Arc<TestClock>) {
    audited(store, Audit::discard()).await
}

async fn audited(store: Arc<dyn Store>, audit: Audit) -> (Runtime, Script, Arc<TestClock>) {
    let (provider, script) = ScriptedProvider::new();
    let main = "main".parse().unwrap();
    let agent = AgentConfig::new("main".parse().unwrap(), "scripted", provider, "model-1");
    let clock = Arc::new(TestClock::default());
    let parts = Parts {
        router: Router::new(vec![main], "main".parse().unwrap(), vec![]).unwrap(),
        store,
        plugins: Plugins::default(),
        clock: clock.clone(),
    };
    let config = RuntimeConfig { version: "1.2.3".to_owned(), audit, ..RuntimeConfig::new(vec![agent]) };
    (Runtime::start(config, parts).await.unwrap(), script, clock)
}

impl World {
    pub(crate) async fn start() -> Self {
        let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
        Self::with(GatewayConfig { hosts: vec!["claw.example".to_owned()], ..config }).await
    }

    pub(crate) async fn with(config: GatewayConfig) -> Self {
        Self::recording(config, Audit::discard()).await
    }

    /// A gateway that records what it sees.
    pub(crate) async fn recording(config: GatewayConfig, audit: Audit) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self::over(config, audit, store.clone(), store).await
    }

    /// A gateway whose store has faults on demand.
    pub(crate) async fn with_faults() -> (Self, Arc<TestStore>) {
        let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
        let inner = Arc::new(MemoryStore::new());
        let store = Arc::new(TestStore::new(inner.clone()));
        (Self::over(config, Audit::discard(), store.clone(), inner).await, store)
    }

    async fn over(config: GatewayConfig, audit: Audit, used: Arc<dyn Store>, store: Arc<MemoryStore>) -> Self {
        let (runtime, script, clock) = audited(used, audit).await;
        let tokens = config.tokens.clone();
        let gateway = Gateway::bind(config, runtime.clone(), Arc::new(TestAssets)).await.unwrap();
        let (addr, metrics, link) = (gateway.local_addr(), gateway.metrics_addr(), gateway.login_link());
        #[expect(clippy::disallowed_methods, reason = "the test owns it")]
        let served = tokio::spawn(gateway.serve());
        Self { runtime, store, tokens, script, clock, addr, metrics, link, served }
    }

    /// One request as written, with `{host}` filled in; its answer until the connection ends.
    pub(crate) async fn http(&self, request: &str) -> Answer {
        self.http_at(self.addr, request).await
    }

    /// The same, at another listener.
    pub(crate) async fn http_at(&self, addr: SocketAddr, request: &str) -> Answer {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = request.replace("{host}", &addr.to_string()).replace('\n', "\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses early may reset the connection after its answer.
        drop(stream.read_to_end(&mut answer).await);
        Answer(String::from_utf8_lossy(&answer).into_owned())
    }

    /// A path, asked for in the plainest way.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.http(&format!("GET {path} HTTP/1.1\nHost: {{host}}\nConnection: close\n\n")).await
    }

    /// Logs in as the page does; gives the `cookie` header.
    pub(crate) async fn log_in(&self) -> String {
        let code = self.link.split_once("#code=").unwrap().1;
        let answer = self.post_login(&format!(r#"{{"code":"{code}"}}"#)).await;
        assert_eq!(answer.status(), 204, "{answer:?}");
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    pub(crate) async fn post_login(&self, body: &str) -> Answer {
        let head = "POST /login HTTP/1.1\nHost: {host}\nOrigin: http://{host}\nContent-Type: application/json";
        let length = body.len();
        self.http(&format!("{head}\nContent-Length: {length}\nConnection: close\n\n{body}")).await
    }

    /// Upgrades with these headers; `{host}` is filled in. The status where it is refused.
    pub(crate) async fn upgrade(&self, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        self.upgrade_over(stream, headers).await
    }

    /// Upgrades at another path than `/ws`, without a credential.
    pub(crate) async fn upgrade_at(&self, path: &str) -> Socket {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("ws://{}{path}", self.addr).into_client_request().unwrap();
        Socket(client_async(request, stream).await.unwrap().0)
    }

    /// The same from another address of this machine, one that was not used before.
    pub(crate) async fn upgrade_afresh(&self, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let [.., high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 1, high, low], 0).into()).unwrap();
        let stream = socket.connect(self.addr).await.unwrap();
        self.upgrade_over(stream, headers).await
    }

    pub(crate) async fn upgrade_over<S>(&self, stream: S, headers: &[(&str, &str)]) -> Result<Socket<S>, u16>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = format!("ws://{}/ws", self.addr).into_client_request().unwrap();
        for (name, value) in headers {
            let value = value.replace("{host}", &self.addr.to_string());
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(Socket(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A client that showed the token.
    pub(crate) async fn client(&self) -> Socket {
        self.upgrade(&[("authorization", &format!("Bearer {TOKEN}"))]).await.unwrap()
    }

    /// A client that showed the token and takes little without reading.
    pub(crate) async fn narrow_client(&self) -> Socket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let stream = socket.connect(self.addr).await.unwrap();
        self.upgrade_over(stream, &[("authorization", &format!("Bearer {TOKEN}"))]).await.unwrap()
    }
}

/// An answer over HTTP, as it came.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// A WebSocket, client side.
pub(crate) struct Socket<S = TcpStream>(pub(crate) WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text; panics where there is none. Pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).unwrap(),
                Ok(Message::Ping(_)) => {}
                other => panic!("got {other:?}"),
            }
        }
    }

    pub(crate) async fn ask(&mut self, text: &str) -> Value {
        self.text(text).await;
        self.next().await
    }

    /// Sends a message to the session `main`; its result.
    pub(crate) async fn send(&mut self, session: &str, text: &str) -> Value {
        let params = serde_json::json!({ "session": session, "text": text });
        let request = serde_json::json!({ "jsonrpc": "2.0", "id": "send", "method": "chat.send", "params": params });
        self.text(&request.to_string()).await;
        loop {
            let answer = self.next().await;
            if answer["id"] == "send" {
                return answer["result"].clone();
            }
        }
    }

    /// Types of the events that follow, until one of the type.
    pub(crate) async fn events_until(&mut self, last: &str) -> Vec<String> {
        let mut types = Vec::new();
        while types.last().is_none_or(|found| found != last) {
            let event = self.next().await;
            assert_eq!(event["method"], "session.event", "{event}");
            types.push(event["params"]["type"].as_str().unwrap().to_owned());
        }
        types
    }

    /// The gateway closes and says nothing else before.
    pub(crate) async fn closed_at_once(&mut self) -> (u16, String) {
        match self.frame().await {
            Ok(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.as_str().to_owned()),
            other => panic!("no goodbye: {other:?}"),
        }
    }

    async fn frame(&mut self) -> Result<Message, Error> {
        let next = tokio::time::timeout(PATIENCE, self.0.next());
        next.await.expect("a frame").unwrap_or(Err(Error::ConnectionClosed))
    }

    /// Reads on until the gateway closes; code and reason. Pings that keep coming do not count as patience.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let goodbye = async {
            loop {
                match self.frame().await {
                    Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.as_str().to_owned()),
                    Ok(_) => {}
                    Err(error) => panic!("no goodbye: {error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, goodbye).await.expect("a goodbye")
    }
}
