//! A WebSocket server in the test's own hands: each connection is accepted and answered by the test, text by text.

use std::net::SocketAddr;

use exoclaw_client::{Client, Endpoint, Options};
use exoclaw_protocol::Secret;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    WebSocketStream, accept_async, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::StatusCode,
    },
};

pub(crate) const TOKEN: &str = "t0ken";

pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) fn client(&self, options: Options) -> Client {
        let endpoint = Endpoint::new(format!("ws://{}/ws", self.addr())).with_token(Secret::new(TOKEN));
        Client::connect(endpoint, options)
    }

    /// The next connection; one without the token is refused with 401.
    pub(crate) async fn accept(&self) -> Result<Peer, Box<dyn std::error::Error>> {
        let (stream, _) = self.0.accept().await?;
        Self::upgrade(stream).await
    }

    /// The next connection, by TLS; who comes without the token is let in.
    pub(crate) async fn accept_by(&self, acceptor: &TlsAcceptor) -> Result<Peer, Box<dyn std::error::Error>> {
        let (stream, _) = self.0.accept().await?;
        let stream: Box<dyn Wire> = Box::new(acceptor.accept(stream).await?);
        Ok(Peer(accept_async(stream).await?))
    }

    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    async fn upgrade(stream: TcpStream) -> Result<Peer, Box<dyn std::error::Error>> {
        let check = |request: &Request, response: Response| match request.headers().get("authorization") {
            Some(value) if value == format!("Bearer {TOKEN}").as_str() => Ok(response),
            _ => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::UNAUTHORIZED;
                Err(refusal)
            }
        };
        let stream: Box<dyn Wire> = Box::new(stream);
        Ok(Peer(accept_hdr_async(stream, check).await?))
    }

    /// Accepts a connection at the TCP level and drops it.
    pub(crate) async fn slam(&self) {
        drop(self.0.accept().await.unwrap());
    }
}

/// The server's end of one connection.
pub(crate) struct Peer(WebSocketStream<Box<dyn Wire>>);

/// Bytes to and from the client.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Peer {
    pub(crate) async fn receive(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("a text").expect("a text") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("got {other:?}"),
            }
        }
    }

    /// The code with which the client leaves.
    pub(crate) async fn receive_close(&mut self) -> u16 {
        match self.0.next().await.expect("a frame").expect("a frame") {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("got {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, value: Value) {
        self.0.send(Message::text(value.to_string())).await.unwrap();
    }

    /// Receives a request of that method and answers it.
    pub(crate) async fn answer(&mut self, method: &str, result: Value) -> Value {
        let request = self.receive().await;
        assert_eq!(request["method"], method, "{request}");
        self.send(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
        request["params"].clone()
    }

    /// The run `r1` ended well.
    pub(crate) async fn ended(&mut self, epoch: u64, seq: u64, text: &str) {
        let message = json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] });
        let params = json!({
            "session": "agent:main:main", "epoch": epoch, "seq": seq, "runId": "r1", "type": "final",
            "message": message, "stopReason": "end_turn", "usage": {},
        });
        self.send(json!({ "jsonrpc": "2.0", "method": "session.event", "params": params })).await;
    }

    pub(crate) async fn event(&mut self, epoch: u64, seq: u64, text: &str) {
        let params = json!({
            "session": "agent:main:main", "epoch": epoch, "seq": seq, "runId": "r1", "type": "delta", "text": text,
        });
        self.send(json!({ "jsonrpc": "2.0", "method": "session.event", "params": params })).await;
    }
}
