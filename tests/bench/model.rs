//! A model that costs nothing: answers every request at once, or at a steady pace, in the OpenAI dialect.
//!
//! Each delta carries the time at which it was put on the wire, so that a reader in the same process knows how long it took.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How a model answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Deltas of one answer.
    pub(crate) deltas: u32,
    /// Time between two of them.
    pub(crate) gap: Duration,
    /// Bytes of a delta beside its time.
    pub(crate) padding: usize,
}

/// The model's server; its tasks end with it.
#[derive(Debug)]
pub(crate) struct Model {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Model {
    /// Starts on a free port of the loopback interface. `origin` is the zero of the times that deltas carry.
    pub(crate) async fn start(pace: Pace, origin: Instant) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    // The daemon hanging up is the ordinary end.
                    let _ended = serve(stream, pace, origin).await;
                });
            }
        });
        Ok(Self { addr, _tasks: tasks })
    }
}

async fn serve(stream: TcpStream, pace: Pace, origin: Instant) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;

        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let padding = "x".repeat(pace.padding);
        for _ in 0..pace.deltas {
            if !pace.gap.is_zero() {
                tokio::time::sleep(pace.gap).await;
            }
            let delta = format!(r#"{{"content":"{} {padding}"}}"#, origin.elapsed().as_nanos());
            stream.write_all(chunk(&event(&delta, "null")).as_bytes()).await?;
            stream.flush().await?;
        }
        let usage = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        let end = format!("{}data: {usage}\n\ndata: [DONE]\n\n", event("{}", "\"stop\""));
        stream.write_all(format!("{}0\r\n\r\n", chunk(&end)).as_bytes()).await?;
        stream.flush().await?;
    }
}

fn event(delta: &str, finish: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
