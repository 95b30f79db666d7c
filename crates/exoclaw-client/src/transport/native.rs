//! Tokio and tungstenite. The token goes along as `Authorization: Bearer`.

mod tls;

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use exoclaw_protocol::limits;
use futures::{Sink, Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode, Uri, header::AUTHORIZATION},
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{Socket, Transport};
use crate::{
    Endpoint,
    engine::{Gone, Greeting},
};

/// Read buffer of the socket, in bytes.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Written texts are handed to the kernel from so many bytes on; each flush hands over the rest.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// The largest text that the daemon may send: a full history, written as JSON, with room to spare.
const RECEIVE_BYTES: usize = 2 * limits::MESSAGE_BYTES;

/// Connects through tokio.
#[derive(Debug)]
pub struct Native {
    started: Instant,
}

impl Native {
    /// A transport whose time begins now, in a tokio runtime.
    #[expect(clippy::new_without_default, reason = "it starts a clock, which a default should not")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Transport for Native {
    type Socket = NativeSocket;

    async fn connect(&self, endpoint: Endpoint) -> Result<(NativeSocket, Greeting), Gone> {
        let bad = |why: &dyn std::fmt::Display| Gone::broken(format!("connect to {}: {why}", endpoint.url));
        let mut request = endpoint.url.as_str().into_client_request().map_err(|error| bad(&error))?;
        if let Some(token) = &endpoint.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| bad(&"the token has characters that no header takes"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES + 2 * limits::MESSAGE_BYTES)
            .max_message_size(Some(RECEIVE_BYTES))
            .max_frame_size(Some(RECEIVE_BYTES));
        let stream = open(&endpoint, request.uri()).await.map_err(|error| bad(&error))?;
        match client_async_with_config(request, stream, Some(config)).await {
            // Without a token the daemon may take us as we are, or not: the first request finds out.
            Ok((stream, _)) => {
                let greeting = if endpoint.token.is_some() { Greeting::Done } else { Greeting::Probe };
                Ok((NativeSocket { stream, closing: false }, greeting))
            }
            Err(Error::Http(response)) if response.status() == StatusCode::UNAUTHORIZED => {
                Err(Gone { unauthorized: true, why: "the daemon does not take the token".to_owned() })
            }
            Err(error) => Err(bad(&error)),
        }
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn seed(&self) -> u64 {
        // The standard library seeds its hash maps from the system's random numbers.
        RandomState::new().hash_one(0)
    }
}

/// Bytes to and from the daemon.
trait Wire: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Wire for T {}

async fn open(endpoint: &Endpoint, uri: &Uri) -> io::Result<Box<dyn Wire>> {
    #[cfg(unix)]
    if let Some(path) = &endpoint.socket {
        return Ok(Box::new(tokio::net::UnixStream::connect(path).await?));
    }
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let (port, is_tls) = match uri.scheme_str() {
        Some("ws") => (80, false),
        Some("wss") => (443, true),
        _ => return Err(wrong("the address begins with ws:// or wss://")),
    };
    let host = uri.host().ok_or_else(|| wrong("the address has no host"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(port))).await?;
    stream.set_nodelay(true)?;
    if is_tls {
        return Ok(Box::new(tls::connect(stream, host, endpoint.authorities.as_deref()).await?));
    }
    Ok(Box::new(stream))
}

/// A socket of tungstenite.
#[derive(Debug)]
pub struct NativeSocket {
    stream: WebSocketStream<Box<dyn Wire>>,
    closing: bool,
}

impl Socket for NativeSocket {
    fn poll_send(&mut self, cx: &mut Context<'_>, outbox: &mut VecDeque<String>) -> Poll<Result<(), Gone>> {
        let mut stream = Pin::new(&mut self.stream);
        while !outbox.is_empty() {
            ready!(stream.as_mut().poll_ready(cx)).map_err(|error| broken(&error))?;
            let Some(text) = outbox.pop_front() else { break };
            stream.as_mut().start_send(Message::text(text)).map_err(|error| broken(&error))?;
        }
        stream.poll_flush(cx).map_err(|error| broken(&error))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, Gone>> {
        loop {
            let received = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Ok(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(Some(frame)))) => Err(Gone::broken(closed(&frame))),
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => Err(Gone::broken("the daemon sent no text")),
                Some(Ok(Message::Close(None))) | None => Err(Gone::broken("the daemon closed the connection")),
                Some(Err(error)) => Err(broken(&error)),
            };
            return Poll::Ready(received);
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = Pin::new(&mut self.stream);
        if !self.closing {
            if ready!(stream.as_mut().poll_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            self.closing = true;
            let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            if stream.as_mut().start_send(Message::Close(Some(frame))).is_err() {
                return Poll::Ready(());
            }
        }
        stream.poll_flush(cx).map(drop)
    }
}

fn broken(error: &Error) -> Gone {
    Gone::broken(format!("the connection broke: {error}"))
}

fn closed(frame: &CloseFrame) -> String {
    let code = u16::from(frame.code);
    match frame.reason.as_str() {
        "" => format!("the daemon closed the connection ({code})"),
        reason => format!("the daemon closed the connection ({code} {reason})"),
    }
}
