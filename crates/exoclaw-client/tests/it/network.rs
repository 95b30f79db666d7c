//! A network without sockets, on which every attempt to connect is counted and answered by the test.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use exoclaw_client::{
    Client, Endpoint, Options,
    engine::{Gone, Greeting},
    transport::{Socket, Transport},
};
use exoclaw_protocol::Secret;
use futures::{
    SinkExt, Stream, StreamExt,
    channel::{mpsc, oneshot},
    lock::Mutex,
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Texts that wait between the two ends of a socket.
const TEXTS: usize = 512;

/// What comes within a day, which passes at once where nothing else happens.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(86_400), future).await.expect("it comes")
}

/// What the tests see of all connections.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    dials: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    calls: Arc<Mutex<mpsc::Receiver<Dial>>>,
}

/// An attempt to connect.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) endpoint: Endpoint,
    pub(crate) at: Instant,
    answer: oneshot::Sender<Result<Wire, Gone>>,
    open: Arc<AtomicUsize>,
}

/// The daemon's end of a connection; the connection breaks when it is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    to: mpsc::Sender<String>,
    from: mpsc::Receiver<String>,
}

/// The client's side of the network.
#[derive(Debug)]
pub(crate) struct Dialler {
    started: Instant,
    dials: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    calls: mpsc::Sender<Dial>,
}

/// The client's end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    to: mpsc::Sender<String>,
    from: mpsc::Receiver<String>,
    open: Arc<AtomicUsize>,
}

pub(crate) fn endpoint(token: &str) -> Endpoint {
    Endpoint::new("ws://daemon/ws").with_token(Secret::new(token))
}

impl Network {
    /// A network with one client on it.
    pub(crate) fn with_client() -> (Self, Client) {
        let (calls, incoming) = mpsc::channel(TEXTS);
        let (dials, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let dialler = Dialler { started: Instant::now(), dials: Arc::clone(&dials), open: Arc::clone(&open), calls };
        let (client, driver) = Client::with_transport(endpoint("t1"), Options::default(), dialler);
        #[expect(clippy::disallowed_methods, reason = "it ends with its client")]
        tokio::spawn(driver);
        (Self { dials, open, calls: Arc::new(Mutex::new(incoming)) }, client)
    }

    /// Attempts to connect so far.
    pub(crate) fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// Sockets that the client holds.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The next attempt to connect.
    pub(crate) async fn dial(&self) -> Dial {
        soon(self.calls.lock().await.next()).await.expect("an attempt to connect")
    }

    pub(crate) async fn accept(&self) -> Peer {
        self.dial().await.accept()
    }
}

impl Dial {
    pub(crate) fn accept(self) -> Peer {
        let (to, their_from) = mpsc::channel(TEXTS);
        let (their_to, from) = mpsc::channel(TEXTS);
        self.open.fetch_add(1, Ordering::SeqCst);
        let wire = Wire { to: their_to, from: their_from, open: self.open };
        self.answer.send(Ok(wire)).expect("the client waits for its connection");
        Peer { to, from }
    }

    pub(crate) fn refuse(self) {
        self.answer.send(Err(Gone::broken("refused"))).expect("the client waits for its connection");
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.answer.is_canceled()
    }

    pub(crate) fn refuse_token(self) {
        let gone = Gone { unauthorized: true, why: "no".to_owned() };
        self.answer.send(Err(gone)).expect("the client waits for its connection");
    }
}

impl Peer {
    /// The next request; `None` when the client has let go.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        soon(self.from.next()).await.map(|text| serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn send(&mut self, value: Value) {
        self.to.send(value.to_string()).await.expect("the client is there");
    }

    pub(crate) async fn result(&mut self, request: &Value, result: Value) {
        self.send(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
    }

    /// Receives a request of that method and answers it.
    pub(crate) async fn answer(&mut self, method: &str, result: Value) -> Value {
        let request = self.receive().await.expect("a request");
        assert_eq!(request["method"], method, "{request}");
        self.result(&request, result).await;
        request["params"].clone()
    }

    pub(crate) async fn event(&mut self, epoch: u64, seq: u64) {
        let params = json!({
            "session": "agent:main:main", "epoch": epoch, "seq": seq, "runId": "r1", "type": "delta", "text": "x",
        });
        self.send(json!({ "jsonrpc": "2.0", "method": "session.event", "params": params })).await;
    }
}

impl Transport for Dialler {
    type Socket = Wire;

    async fn connect(&self, endpoint: Endpoint) -> Result<(Wire, Greeting), Gone> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        let (answer, outcome) = oneshot::channel();
        let dial = Dial { endpoint, at: Instant::now(), answer, open: Arc::clone(&self.open) };
        let gone = || Gone::broken("the test is over");
        self.calls.clone().send(dial).await.map_err(|_| gone())?;
        Ok((outcome.await.map_err(|_| gone())??, Greeting::Done))
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn seed(&self) -> u64 {
        7
    }
}

impl Socket for Wire {
    fn poll_send(&mut self, cx: &mut Context<'_>, outbox: &mut VecDeque<String>) -> Poll<Result<(), Gone>> {
        while !outbox.is_empty() {
            ready!(self.to.poll_ready(cx)).map_err(|_| Gone::broken("cut"))?;
            let Some(text) = outbox.pop_front() else { break };
            self.to.start_send(text).map_err(|_| Gone::broken("cut"))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, Gone>> {
        let from = std::pin::Pin::new(&mut self.from);
        from.poll_next(cx).map(|text| text.ok_or_else(|| Gone::broken("cut")))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.to.close_channel();
        Poll::Ready(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}
