//! What the driver needs of the world: a socket, a clock, a little chance.

#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod native;

use std::{
    collections::VecDeque,
    future::Future,
    task::{Context, Poll},
    time::Duration,
};

#[cfg(target_arch = "wasm32")]
pub use browser::{Browser, BrowserSocket};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{Native, NativeSocket};

use crate::{
    Endpoint,
    engine::{Gone, Greeting},
};

/// `Send`, except in a browser, which has one thread and whose objects stay on it.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send> MaybeSend for T {}

/// `Send`, except in a browser, which has one thread and whose objects stay on it.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T> MaybeSend for T {}

/// Makes sockets and tells the time.
pub trait Transport: MaybeSend + Sync + 'static {
    /// An open socket.
    type Socket: Socket;

    /// Connects, and says how the daemon learns who we are.
    fn connect(&self, endpoint: Endpoint) -> impl Future<Output = Result<(Self::Socket, Greeting), Gone>> + MaybeSend;

    /// Ends after that time.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + MaybeSend;

    /// Time since some fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// A number that differs from client to client.
    fn seed(&self) -> u64;
}

/// An open socket of texts. Polled by one task only.
pub trait Socket: MaybeSend {
    /// Writes from the front of the outbox as far as the socket takes it. Ready when all is written, or the socket is gone.
    fn poll_send(&mut self, cx: &mut Context<'_>, outbox: &mut VecDeque<String>) -> Poll<Result<(), Gone>>;

    /// The next text.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, Gone>>;

    /// Tells the daemon that we leave. Ready when that is written.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
