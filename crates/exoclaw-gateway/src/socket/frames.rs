//! WebSocket frames over a byte stream, polled by one task.
//!
//! The library's own stream type fixes its limits when it is made; ours grow once the client is known.

use std::{
    borrow::Cow,
    future::poll_fn,
    io::{self, ErrorKind, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use exoclaw_protocol::limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

use super::outbox::Outbox;

/// Small messages are gathered to writes of this size.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Largest message that is written: what a client of ours takes.
pub(super) const SENT_MESSAGE_BYTES: usize = 2 * limits::MESSAGE_BYTES;

/// Time for a client to take our goodbye.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// An open WebSocket, server side.
#[derive(Debug)]
pub(super) struct Frames<S> {
    bridge: Bridge<S>,
    context: WebSocketContext,
    /// The kernel took less than we had; what is left comes before anything else.
    blocked: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// `early` holds what came with the upgrade request.
    pub(super) fn new(io: S, early: Bytes) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::SOCKET_READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES + SENT_MESSAGE_BYTES + 1_024)
            .max_message_size(Some(limits::UNAUTHENTICATED_MESSAGE_BYTES))
            .max_frame_size(Some(limits::UNAUTHENTICATED_MESSAGE_BYTES))
            .accept_unmasked_frames(false);
        let context = WebSocketContext::from_partially_read(early.into(), Role::Server, Some(config));
        Self { bridge: Bridge { io, waker: Waker::noop().clone(), written: 0 }, context, blocked: false }
    }

    /// The client is known: its messages may be large.
    pub(super) fn trust(&mut self) {
        self.context.set_config(|config| {
            config.max_message_size = Some(limits::MESSAGE_BYTES);
            config.max_frame_size = Some(limits::MESSAGE_BYTES);
        });
    }

    /// Writes from the front of `outbox` as far as the kernel takes it, all of it flushed.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<Result<(), Error>> {
        self.bridge.hold(cx);
        if self.blocked {
            ready!(self.poll_flush(cx))?;
        }
        if outbox.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(message) = outbox.pop() {
            match self.context.write(&mut self.bridge, message) {
                Ok(()) => {}
                // The message was taken; what the kernel did not take waits in the library's buffer.
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.poll_flush(cx)
    }

    /// The next message. Pings are answered on the way.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        self.bridge.hold(cx);
        match self.context.read(&mut self.bridge) {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            other => Poll::Ready(other),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.bridge.hold(cx);
        let flushed = match self.context.flush(&mut self.bridge) {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                return Poll::Pending;
            }
            // The peer's goodbye was answered.
            Err(Error::ConnectionClosed) => Ok(()),
            other => other,
        };
        self.blocked = false;
        Poll::Ready(flushed)
    }

    /// Bytes that the kernel took, since the beginning.
    pub(super) fn written(&self) -> u64 {
        self.bridge.written
    }

    /// The kernel takes no more for the time being.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Writes what waits, says goodbye, if the client can still hear it, and ends the connection.
    ///
    /// What the client still sends is taken and thrown away for a moment: a socket that is closed with bytes unread is
    /// reset, and a reset overtakes the goodbye.
    pub(super) async fn close(mut self, mut outbox: Outbox, code: CloseCode, reason: Cow<'static, str>) {
        let goodbye = async {
            // Fails where the client has said goodbye itself.
            drop(poll_fn(|cx| self.poll_send(cx, &mut outbox)).await);
            let frame = CloseFrame { code, reason: Utf8Bytes::from(reason.into_owned()) };
            // Fails as above; where the kernel is full, the flush below goes on.
            drop(self.context.close(&mut self.bridge, Some(frame)));
            poll_fn(|cx| self.poll_flush(cx)).await?;
            self.bridge.io.shutdown().await?;
            let mut unread = [0; 1_024];
            while self.bridge.io.read(&mut unread).await? > 0 {}
            Ok::<_, Error>(())
        };
        // Whoever does not take it within the time, or is gone, does without.
        drop(tokio::time::timeout(CLOSE_DEADLINE, goodbye).await);
    }
}

/// Gives the library the blocking face that it wants, and remembers whom to wake.
#[derive(Debug)]
struct Bridge<S> {
    io: S,
    waker: Waker,
    written: u64,
}

impl<S> Bridge<S> {
    fn hold(&mut self, cx: &Context<'_>) {
        if !self.waker.will_wake(cx.waker()) {
            self.waker.clone_from(cx.waker());
        }
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl<S: AsyncRead + Unpin> Read for Bridge<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        let mut buffer = ReadBuf::new(into);
        or_would_block(Pin::new(&mut self.io).poll_read(&mut cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Bridge<S> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        let taken = or_would_block(Pin::new(&mut self.io).poll_write(&mut cx, from))?;
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut cx = Context::from_waker(&self.waker);
        or_would_block(Pin::new(&mut self.io).poll_flush(&mut cx))
    }
}
