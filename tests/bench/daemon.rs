//! The real daemon in a temporary home, and a socket to it.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use exoclaw_protocol::{
    ChatSendParams, ChatSendResult, Event, Method, PingParams, SessionEvent,
    rpc::{self, FromServer},
};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

pub(crate) const TOKEN: &str = "benchmark-token-of-no-value-0123456789abcdef";

/// A started daemon. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    addr: SocketAddr,
    _home: tempfile::TempDir,
    /// From the start of the process to the first answer.
    pub(crate) first_answer: Duration,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Where the release build lies, or what `EXOCLAWD_BIN` names.
pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("EXOCLAWD_BIN").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/exoclawd"))
}

impl Daemon {
    /// Starts one whose agent asks the model at `model`, with these plugins, and waits for its first answer.
    pub(crate) async fn start(model: SocketAddr, plugins: &[PathBuf], home: tempfile::TempDir) -> Self {
        let port = free_port();
        let mut config = format!(
            "[providers.bench]\nkind = \"openai\"\nbase_url = \"http://{model}/v1\"\n\
             [[agents]]\nid = \"main\"\nprovider = \"bench\"\nmodel = \"none\"\n"
        );
        for path in plugins {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("plugins have names");
            config.push_str(&format!("[[plugins]]\nname = \"{name}\"\npath = \"{}\"\n", path.display()));
        }
        std::fs::write(home.path().join("config.toml"), config).expect("the config is written");

        let started = Instant::now();
        let child = Command::new(binary())
            .args(["--home".as_ref(), home.path().as_os_str()])
            .args(["gateway", "--port", &port.to_string()])
            .env("EXOCLAW_TOKEN", TOKEN)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("target/release/exoclawd is built");
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut daemon = Self { child, addr, _home: home, first_answer: Duration::ZERO };
        while TcpStream::connect(addr).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "the daemon does not come up");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        daemon.socket().await.call(&PingParams {}).await;
        daemon.first_answer = started.elapsed();
        daemon
    }

    /// Stops it and gives its home back, for a start with a warm cache.
    pub(crate) fn stop(mut self) -> tempfile::TempDir {
        let _killed = self.child.kill();
        let _status = self.child.wait();
        std::mem::replace(&mut self._home, tempfile::tempdir().expect("a temporary folder"))
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }

    /// A new authenticated socket.
    pub(crate) async fn socket(&self) -> Socket {
        let stream = TcpStream::connect(self.addr).await.expect("the daemon listens");
        stream.set_nodelay(true).expect("a TCP option");
        let request = http::Request::builder()
            .uri(format!("ws://{}/ws", self.addr))
            .header("host", self.addr.to_string())
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .expect("a request");
        let (stream, _) = client_async(request, stream).await.expect("the daemon upgrades");
        Socket { stream, id: 0 }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// One socket, one request at a time.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    id: u64,
}

impl Socket {
    /// Asks and waits for the answer; events on the way are passed over.
    pub(crate) async fn call<M: Method>(&mut self, params: &M) -> M::Output {
        self.id += 1;
        let text = rpc::request(self.id, params).expect("parameters are JSON");
        self.stream.send(Message::text(text)).await.expect("the socket is open");
        loop {
            if let FromServer::Response(response) = self.next().await {
                let raw = response.outcome().expect("the daemon agrees");
                return serde_json::from_str(raw.get()).expect("the result is of its type");
            }
        }
    }

    /// Sends a text.
    pub(crate) async fn send(&mut self, session: &str) -> ChatSendResult {
        let session = session.parse().expect("a session name");
        self.call(&ChatSendParams::text(session, "go")).await
    }

    /// Hands every event to `seen` until the run ends.
    pub(crate) async fn watch(&mut self, mut seen: impl FnMut(&SessionEvent)) {
        loop {
            let FromServer::Event(event) = self.next().await else { continue };
            seen(&event);
            if event.event.is_terminal() {
                assert!(matches!(event.event, Event::Final { .. }), "the run ended with {:?}", event.event);
                return;
            }
        }
    }

    async fn next(&mut self) -> FromServer {
        loop {
            match self.stream.next().await.expect("the socket is open").expect("a whole frame") {
                Message::Text(text) => return rpc::parse_from_server(&text).expect("the daemon speaks JSON-RPC"),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }
}
