//! The listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use exoclaw_runtime::Runtime;
use tokio::net::TcpListener;

use crate::{
    Assets, BindError, GatewayConfig,
    admission::Admission,
    auth::Auth,
    http::{self, Door},
    site::Site,
};

/// Connections that the system keeps ready for us to accept.
const BACKLOG: u32 = 1_024;

/// What the kernel keeps for a client that does not read: without a bound it would be megabytes for each.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// Pause after the system refused to accept, as it does when it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound port. Nothing is answered before [`Gateway::serve`].
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    addr: SocketAddr,
    door: Arc<Door>,
    admission: Arc<Admission>,
}

impl Gateway {
    /// Takes the port.
    ///
    /// # Errors
    /// When the settings would let strangers in, or the port can't be had.
    pub async fn bind(config: GatewayConfig, runtime: Runtime, assets: Arc<dyn Assets>) -> Result<Self, BindError> {
        config.check()?;
        let failed = |source| BindError::Listen { addr: config.addr, source };
        let listener = listen(config.addr).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let auth = Auth::new(config.token.as_ref(), addr.port());
        let door = Door { auth: Arc::new(auth), site: Site::new(&config.hosts), runtime, assets };
        Ok(Self { listener, addr, door: Arc::new(door), admission: Admission::new() })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// An address for the browser of whoever started the daemon. Its code is good once, for
    /// [`LOGIN_CODE_LIFETIME`](crate::LOGIN_CODE_LIFETIME), and stands in the fragment, which browsers send to nobody.
    pub fn login_link(&self) -> String {
        self.login_links().make()
    }

    /// A handle for more of them while the gateway serves.
    pub fn login_links(&self) -> LoginLinks {
        LoginLinks { addr: self.addr, auth: Arc::clone(&self.door.auth) }
    }

    /// Serves until the runtime's tasks are told to stop. Connections are tasks of the runtime: they say goodbye by
    /// themselves, and [`Runtime::shutdown`] waits for them.
    pub async fn serve(self) {
        let tasks = self.door.runtime.tasks().clone();
        let stop = tasks.token();
        loop {
            // Both branches only wait: nothing is lost when the other one wins.
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = self.admission.admit() else {
                        tracing::warn!(target: "exoclaw::audit", %peer, "turned away: all sockets are taken");
                        continue;
                    };
                    let connection = http::serve(Arc::clone(&self.door), stream, peer, Arc::new(place));
                    if tasks.spawn("connection", connection).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Makes login links, also while the gateway serves.
#[derive(Debug, Clone)]
pub struct LoginLinks {
    addr: SocketAddr,
    auth: Arc<Auth>,
}

impl LoginLinks {
    /// A link as [`Gateway::login_link`] makes it.
    pub fn make(&self) -> String {
        let host = match self.addr.ip() {
            ip if !ip.is_unspecified() => ip,
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let addr = SocketAddr::new(host, self.addr.port());
        format!("http://{addr}/#code={}", self.auth.new_code())
    }
}

/// A listener that takes a port over from a daemon which ended just now.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
