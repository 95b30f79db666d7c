//! The listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use exoclaw_protocol::limits;
use exoclaw_runtime::Runtime;
use exoclaw_store::audit::{Audit, Decision, Entry, What};
use tokio::{net::TcpListener, sync::broadcast};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    Assets, BindError, GatewayConfig,
    admission::{Admission, Place},
    auth::Auth,
    http::{self, Door, Entrance},
    openclaw::{self, Health},
    own_socket::OwnSocket,
    rates::Asking,
    site::Site,
    tls::{self, Tls},
    wire::{Peer, Wire},
};

/// Connections that the system keeps ready for us to accept.
const BACKLOG: u32 = 1_024;

/// What the kernel keeps for a client that does not read: without a bound it would be megabytes for each.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// What happened to devices and was not heard of yet; who is further behind misses the oldest.
const DEVICE_EVENTS: usize = 64;

/// How often the last use of tokens is written down.
const USES_INTERVAL: Duration = Duration::from_secs(60);

/// Pause after the system refused to accept, as it does when it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound port. Nothing is answered before [`Gateway::serve`].
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    metrics: Option<(TcpListener, SocketAddr)>,
    own_socket: Option<OwnSocket>,
    tls: Option<Arc<Tls>>,
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
        let tls = config.tls.map(Tls::load).transpose()?.map(Arc::new);
        let (listener, addr) = listen(config.addr)?;
        let metrics = config.metrics.map(listen).transpose()?;
        let own_socket = config
            .own_socket
            .as_deref()
            .map(|path| OwnSocket::bind(path).map_err(|source| BindError::OwnSocket { path: path.to_owned(), source }));
        let own_socket = own_socket.transpose()?;
        let tokens = config.tokens;
        let auth = Auth::new(config.token.as_ref(), Arc::clone(&tokens), Arc::clone(runtime.clock()), addr.port());
        let auth = if tls.is_some() { auth.over_tls() } else { auth };
        let links = LoginLinks { addr, scheme: if tls.is_some() { "https" } else { "http" }, auth: Arc::new(auth) };
        let admission = Admission::new(&config.proxies, Arc::clone(runtime.metrics()));
        let door = Door {
            links,
            tokens,
            devices: config.devices,
            device_events: broadcast::Sender::new(DEVICE_EVENTS),
            site: Site::new(&config.hosts, &config.origins, &config.proxies),
            runtime,
            assets,
            presence: Arc::default(),
            health: Health::default(),
            asking: Asking::new(config.rates),
            shown: config.shown,
            log: config.log,
        };
        Ok(Self { listener, metrics, own_socket, tls, addr, door: Arc::new(door), admission })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of the listener for metrics, if there is one.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, addr)| *addr)
    }

    /// An address for the browser of whoever started the daemon. Its code is good once, for
    /// [`LOGIN_CODE_LIFETIME`](crate::LOGIN_CODE_LIFETIME), and stands in the fragment, which browsers send to nobody.
    pub fn login_link(&self) -> String {
        self.door.links.make()
    }

    /// A handle for more of them while the gateway serves.
    pub fn login_links(&self) -> LoginLinks {
        self.door.links.clone()
    }

    /// Whether the head of a request shows a credential that is good now. Counts as an attempt like any other.
    #[cfg(feature = "test-util")]
    pub fn authenticates(&self, headers: &::http::HeaderMap, from: SocketAddr) -> bool {
        matches!(self.door.head(headers, false, Peer::Net(from)), crate::auth::Shown::Known(_))
    }

    /// Serves until the runtime's tasks are told to stop. Connections are tasks of the runtime: they say goodbye by
    /// themselves, and [`Runtime::shutdown`] waits for them.
    pub async fn serve(self) {
        let tasks = self.door.runtime.tasks().clone();
        let stop = tasks.token();
        if tasks.spawn("token uses", note_uses(Arc::clone(&self.door), tasks.token())).is_err() {
            return;
        }
        let health = openclaw::follow_health(Arc::clone(&self.door), tasks.token());
        if tasks.spawn("health", health).is_err() {
            return;
        }
        if let Some(tls) = &self.tls
            && tasks.spawn("TLS certificate", tls::follow(Arc::clone(tls), tasks.token())).is_err()
        {
            return;
        }
        loop {
            // All branches only wait: nothing is lost when another one wins.
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accept(Some(&self.listener)) => accepted.map(|(wire, peer)| (wire, peer, Entrance::Main)),
                accepted = accept(self.metrics.as_ref().map(|(listener, _)| listener)) => {
                    let is_local = self.metrics_addr().is_some_and(|addr| addr.ip().is_loopback());
                    accepted.map(|(wire, peer)| (wire, peer, Entrance::Metrics { is_local }))
                }
                accepted = own(self.own_socket.as_ref(), self.door.runtime.audit()) => {
                    accepted.map(|stream| (Wire::Unix(stream), Peer::Own, Entrance::Main))
                }
            };
            match accepted {
                Ok((stream, peer, entrance)) => {
                    let Some(place) = self.admission.admit(peer.source()) else {
                        let entry = Entry::new(What::Limit, "connect", Decision::Refused).from(peer.audited());
                        self.door.runtime.audit().note(entry.reason("all sockets are taken"));
                        continue;
                    };
                    let tls = self.tls.as_ref().filter(|_| entrance != Entrance::Metrics { is_local: true });
                    let tls = tls.map(|tls| tls.acceptor());
                    let connection = greet(tls, Arc::clone(&self.door), stream, peer, Arc::new(place), entrance);
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

/// Agrees on TLS, where it is spoken, and serves.
async fn greet(
    tls: Option<TlsAcceptor>,
    door: Arc<Door>,
    stream: Wire,
    peer: Peer,
    place: Arc<Place>,
    entrance: Entrance,
) {
    let stream = match (tls, stream) {
        (Some(tls), Wire::Tcp(stream)) => {
            let stop = door.runtime.tasks().token();
            // Whichever comes first, nothing has been said yet that would have to be kept.
            let agreed = tokio::select! {
                agreed = tokio::time::timeout(limits::HEADER_DEADLINE, tls.accept(stream)) => agreed,
                () = place.evicted() => return,
                () = stop.cancelled() => return,
            };
            match agreed {
                Ok(Ok(stream)) => Wire::Tls(Box::new(stream)),
                Ok(Err(error)) => {
                    if let Some(reason) = tls::refused_certificate(&error) {
                        let entry = Entry::new(What::Authentication, "client certificate", Decision::Refused);
                        door.runtime.audit().note(entry.from(peer.audited()).reason(reason));
                    }
                    return tracing::debug!(%peer, %error, "no agreement on TLS");
                }
                Err(_) => return tracing::debug!(%peer, "no agreement on TLS in time"),
            }
        }
        (_, stream) => stream,
    };
    http::serve(door, stream, peer, place, entrance).await;
}

/// The next connection of a listener; waits for ever where there is none.
async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(Wire, Peer)> {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, peer) = listener.accept().await?;
    // Fails only on a socket that is gone.
    drop(stream.set_nodelay(true));
    Ok((Wire::Tcp(stream), Peer::Net(peer)))
}

/// The next connection of the own socket; waits for ever where there is none.
async fn own(socket: Option<&OwnSocket>, audit: &Audit) -> std::io::Result<tokio::net::UnixStream> {
    match socket {
        Some(socket) => socket.accept(audit).await,
        None => std::future::pending().await,
    }
}

/// Writes down now and then when tokens and devices were used last, and once more at the end.
async fn note_uses(door: Arc<Door>, stop: CancellationToken) {
    let mut over = false;
    while !over {
        over = tokio::time::timeout(USES_INTERVAL, stop.cancelled()).await.is_ok();
        let door = Arc::clone(&door);
        match tokio::task::spawn_blocking(move || (door.tokens.flush(), door.devices.flush())).await {
            Ok((tokens, devices)) => {
                tokens.err().into_iter().for_each(|error| tracing::warn!(%error, "note the use of tokens"));
                devices.err().into_iter().for_each(|error| tracing::warn!(%error, "note the use of devices"));
            }
            Err(error) => tracing::error!(%error, "note the use of tokens"),
        }
    }
}

/// Makes login links, also while the gateway serves.
#[derive(Debug, Clone)]
pub struct LoginLinks {
    addr: SocketAddr,
    scheme: &'static str,
    pub(crate) auth: Arc<Auth>,
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
        format!("{}://{addr}/#code={}", self.scheme, self.auth.new_code())
    }
}

/// A listener that takes a port over from a daemon which ended just now, and the address that it got.
fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let listener = try_listen(addr).and_then(|listener| listener.local_addr().map(|addr| (listener, addr)));
    listener.map_err(|source| BindError::Listen { addr, source })
}

fn try_listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
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
