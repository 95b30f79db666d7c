//! TLS in process: certificate and key of the config, read again when they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where certificate and key lie, in PEM (RFC 7468).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients: who has no certificate of theirs is turned away before anything else is looked at.
    pub client_ca: Option<PathBuf>,
}

/// Certificates that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read, or is no PEM of that kind.
    #[error("read the {what} in {path}")]
    File {
        /// `certificate`, `key` or `client authorities`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// They do not fit together.
    #[error("use the certificate in {path}")]
    Unfit {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The authorities of clients are none.
    #[error("use the client authorities in {path}")]
    Clients {
        /// Their file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
}

/// What greets clients. Connections keep what they began with.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsConfig,
    /// What the files were like before they were read first.
    loaded: Vec<Stamp>,
    current: Mutex<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let loaded = stamps(&files);
        let current = Mutex::new(Arc::new(server(&files)?));
        Ok(Self { files, loaded, current })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }

    /// Reads the files again. What they hold is taken if it is whole; otherwise things stay as they are.
    fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(server(&self.files)?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn stamps(files: &TlsConfig) -> Vec<Stamp> {
    let paths = [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()];
    paths.into_iter().flatten().map(|path| stamp(path).ok()).collect()
}

/// Looks after the files until `stop`.
pub(crate) async fn follow(tls: Arc<Tls>, stop: CancellationToken) {
    let mut known = tls.loaded.clone();
    while tokio::time::timeout(LOOK_INTERVAL, stop.cancelled()).await.is_err() {
        let tls = Arc::clone(&tls);
        let before = known.clone();
        let look = tokio::task::spawn_blocking(move || {
            let now = stamps(&tls.files);
            let outcome = (now != before).then(|| tls.reload());
            (now, outcome)
        });
        match look.await {
            Ok((now, outcome)) => {
                known = now;
                match outcome {
                    Some(Ok(())) => tracing::info!("the new TLS certificate is in use"),
                    Some(Err(error)) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "the old TLS certificate stays in use"
                        );
                    }
                    None => {}
                }
            }
            Err(error) => tracing::error!(%error, "look at the TLS certificate"),
        }
    }
}

/// Why the client's certificate was not taken, if that is what a handshake failed for.
pub(crate) fn refused_certificate(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::NoCertificatesPresented => Some("no certificate"),
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
        ) => Some("it has expired"),
        rustls::Error::InvalidCertificate(_) => Some("of no authority of ours, or not valid"),
        _ => None,
    }
}

/// What changes with a file: when it was written, how long it is, and which one it is.
type Stamp = Option<(SystemTime, u64, u64)>;

fn stamp(path: &Path) -> io::Result<(SystemTime, u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len(), std::os::unix::fs::MetadataExt::ino(&metadata)))
}

fn server(files: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let TlsConfig { cert, key, client_ca } = files;
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = certificates(cert).map_err(failed("certificate", cert))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(failed("key", key))?;
    let unfit = |source| TlsError::Unfit { path: cert.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path).map_err(failed("client authorities", path))? {
                roots.add(root).map_err(unfit)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(|source| TlsError::Clients { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, secret).map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    let all = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() { Err(rustls::pki_types::pem::Error::NoItemsFound) } else { Ok(all) }
}
