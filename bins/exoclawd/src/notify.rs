//! Tells a service manager how the daemon is: `sd_notify(3)` of systemd, a datagram to the socket that `NOTIFY_SOCKET` names.

use std::{
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
    pin::pin,
    time::Duration,
};

use crate::Env;

/// The service manager, if there is one that wants to know.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    socket: Option<UnixDatagram>,
    /// Time between two signs of life, if it wants any.
    interval: Option<Duration>,
}

impl Notify {
    /// As the environment says. A manager that can't be reached is logged and left alone.
    pub(crate) fn new(env: &Env) -> Self {
        let Some(name) = env.get("NOTIFY_SOCKET") else { return Self::default() };
        let socket = connect(name);
        if let Err(error) = &socket {
            tracing::warn!(%error, "the service manager can't be told anything");
        }
        // Meant for another process, where it names one.
        let ours = env.get("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let watchdog = env.get("WATCHDOG_USEC").filter(|_| ours).and_then(|micros| micros.parse().ok());
        let interval = watchdog.map(|micros: u64| Duration::from_micros(micros / 2)).filter(|half| !half.is_zero());
        Self { socket: socket.ok(), interval }
    }

    /// It serves.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// It was told to end.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Waits for `work`, with signs of life meanwhile: an event loop that hangs gives none.
    pub(crate) async fn alive_while<T>(&self, work: impl Future<Output = T>) -> T {
        let Some(interval) = self.interval else { return work.await };
        let (mut work, mut ticks) = (pin!(work), tokio::time::interval(interval));
        loop {
            tokio::select! {
                // Both only wait: the work stays where it is.
                done = &mut work => return done,
                _ = ticks.tick() => self.send("WATCHDOG=1"),
            }
        }
    }

    fn send(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}

/// Never blocks: what a manager does not take at once is not told.
fn connect(name: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address(name)?)?;
    Ok(socket)
}

fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        #[cfg(not(target_os = "linux"))]
        Some(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "no abstract sockets here")),
        None => SocketAddr::from_pathname(name),
    }
}
