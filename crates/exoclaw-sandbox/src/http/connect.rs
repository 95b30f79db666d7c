//! From a host's name to a connection: looked up once, every address checked, connected to a checked one.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use exoclaw_plugin_format::{Host, HttpScheme, HttpTarget};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use crate::http::{HttpConfig, PrivateRange, Resolve, address::is_global};

/// Addresses of one host that are tried.
const ATTEMPTS: usize = 4;

/// A connection, in the clear or over TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Addresses that may be connected to.
pub(super) struct Checked {
    addresses: Vec<SocketAddr>,
    /// All of them are the operator's own, by name.
    pub(super) private: bool,
}

/// Looks up names and makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub(super) fn new(config: HttpConfig) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for certificate in config.extra_roots {
            roots.add(certificate.into())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { resolver: config.resolver, tls: Arc::new(tls) })
    }

    /// The addresses of the host. One among them that may not be reached refuses them all: a name that also leads inside is
    /// no name of the public Internet.
    pub(super) async fn check(&self, target: &HttpTarget, private: &[PrivateRange]) -> Result<Checked, Error> {
        let found = match target.host() {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => self.resolver.resolve(name.to_owned()).await.map_err(|error| no_address(&error))?,
        };
        if found.is_empty() {
            return Err(no_address(&io::ErrorKind::NotFound.into()));
        }
        let own = |address: &IpAddr| private.iter().any(|range| range.contains(*address, target.port()));
        if !found.iter().all(|address| own(address) || is_global(*address)) {
            return Err(Error::DestinationIpProhibited);
        }
        let private = found.iter().all(own);
        let addresses = found.into_iter().take(ATTEMPTS).map(|address| SocketAddr::new(address, target.port()));
        Ok(Checked { addresses: addresses.collect(), private })
    }

    /// A connection to the first address that answers, each with its share of the time.
    pub(super) async fn connect(
        &self,
        target: &HttpTarget,
        checked: Checked,
        time: Duration,
    ) -> Result<Box<dyn Stream>, Error> {
        let share = time / u32::try_from(checked.addresses.len()).unwrap_or(1).max(1);
        let mut failed = Error::ConnectionRefused;
        for address in checked.addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(Error::Connect)?;
                    return match target.scheme() {
                        HttpScheme::Http => Ok(Box::new(stream)),
                        HttpScheme::Https => self.tls(target, stream).await,
                    };
                }
                Ok(Err(error)) => failed = not_connected(&error),
                Err(_) => failed = Error::ConnectionTimeout,
            }
        }
        Err(failed)
    }

    /// TLS with whoever proves to be the host that was asked for.
    async fn tls(&self, target: &HttpTarget, stream: TcpStream) -> Result<Box<dyn Stream>, Error> {
        let name = match target.host() {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        match TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(not_trusted(&error)),
        }
    }
}

fn no_address(error: &io::Error) -> Error {
    tracing::debug!(error = error as &dyn std::error::Error, "host not found");
    Error::DnsError { rcode: Some("name not resolved".to_owned()), info_code: None }
}

fn not_connected(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationUnavailable,
        _ => Error::ConnectionTerminated,
    }
}

fn not_trusted(error: &io::Error) -> Error {
    tracing::debug!(error = error as &dyn std::error::Error, "tls failed");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        _ => Error::TlsProtocolError,
    }
}
