//! What a guest says on the side: log lines, stdout and stderr, all capped together and told to `tracing`.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use exoclaw_protocol::{CallId, PluginName};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use crate::limits::{LOG_BYTES, LOG_LINE_BYTES, LOG_LINES};

/// The lines of one call.
#[derive(Debug)]
pub(crate) struct Lines {
    plugin: PluginName,
    /// Set once, when the call begins.
    call: OnceLock<String>,
    left: Mutex<Left>,
    /// Bytes that the guest sent, those over the cap included.
    sent: AtomicU64,
}

#[derive(Debug)]
struct Left {
    lines: usize,
    bytes: usize,
    dropped: u64,
}

impl Lines {
    /// For a call that has not begun: nothing can be said before.
    pub(crate) fn new(plugin: PluginName) -> Self {
        let left = Mutex::new(Left { lines: 0, bytes: 0, dropped: 0 });
        Self { plugin, call: OnceLock::new(), left, sent: AtomicU64::new(0) }
    }

    /// The call begins.
    pub(crate) fn begin(&self, call: &CallId) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if self.call.set(call.to_string()).is_ok() {
            *left = Left { lines: LOG_LINES, bytes: LOG_BYTES, dropped: 0 };
        }
    }

    pub(crate) fn plugin(&self) -> &str {
        self.plugin.as_str()
    }

    pub(crate) fn call(&self) -> &str {
        self.call.get().map_or("", String::as_str)
    }

    /// Bytes that the guest sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Tells one line to the operator, without what could draw on a terminal, if the call has lines left.
    pub(crate) fn line(&self, level: Level, text: &str) {
        self.sent.fetch_add(text.len() as u64, Relaxed);
        let text = cut(text, LOG_LINE_BYTES);
        {
            let Ok(mut left) = self.left.lock() else { return };
            if left.lines == 0 || left.bytes < text.len() {
                left.dropped += 1;
                return;
            }
            left.lines -= 1;
            left.bytes -= text.len();
        }
        let (plugin, call) = (self.plugin.as_str(), self.call());
        macro_rules! tell {
            ($level:ident) => {
                tracing::event!(target: "exoclaw::plugin", Level::$level, plugin, call, line = %Plain(text), "plugin says")
            };
        }
        match level {
            Level::ERROR => tell!(ERROR),
            Level::WARN => tell!(WARN),
            Level::INFO => tell!(INFO),
            Level::DEBUG => tell!(DEBUG),
            _ => tell!(TRACE),
        }
    }

    /// Says how much was left out.
    pub(crate) fn close(&self) {
        let dropped = self.left.lock().map_or(0, |left| left.dropped);
        if dropped > 0 {
            tracing::warn!(target: "exoclaw::plugin", plugin = self.plugin.as_str(), call = self.call(), dropped, "plugin said too much");
        }
    }
}

/// Text without its control characters.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

/// The start of a text, at most so many bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A guest's stdout or stderr.
#[derive(Clone)]
pub(crate) struct Stdio(pub(crate) Arc<Lines>);

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineWriter::new(&self.0))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineWriter::new(&self.0))
    }
}

/// Cuts what is written into lines. Holds at most one unfinished line.
struct LineWriter {
    lines: Arc<Lines>,
    unfinished: Vec<u8>,
}

impl LineWriter {
    fn new(lines: &Arc<Lines>) -> Self {
        Self { lines: Arc::clone(lines), unfinished: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LOG_LINE_BYTES.saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.finish();
            }
        }
    }

    fn finish(&mut self) {
        if !self.unfinished.is_empty() {
            self.lines.line(Level::DEBUG, &String::from_utf8_lossy(&self.unfinished));
            self.unfinished.clear();
        }
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

impl OutputStream for LineWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(LOG_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineWriter {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LineWriter {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
