//! TLS by rustls with ring, as in the rest of the daemon.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Greets a server that proves to be `host`: to the public authorities, or to those in PEM.
pub(super) async fn connect(stream: TcpStream, host: &str, pem: Option<&[u8]>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(wrong)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(wrong)?;
    let config = config.with_root_certificates(trusted(pem)?).with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn trusted(pem: Option<&[u8]>) -> io::Result<RootCertStore> {
    let Some(pem) = pem else {
        return Ok(RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()));
    };
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(pem) {
        roots.add(root.map_err(wrong)?).map_err(wrong)?;
    }
    Ok(roots)
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
