//! Where one signal goes, and how it gets there.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{StatusCode, Url, header::HeaderMap};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// How long to wait before the second attempt; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(250);

/// Where one signal goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    /// Each is marked as a secret, so that `Debug` does not show it.
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) client: reqwest::Client,
}

/// A client that follows no redirect, uses no proxy, and trusts Mozilla's roots, or only those in a file.
pub(super) fn client(roots: Option<&Path>) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
    let mut trusted = rustls::RootCertStore::empty();
    match roots {
        None => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for root in CertificateDer::pem_file_iter(path)? {
                trusted.add(root?)?;
            }
        }
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("exoclaw/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .build()?;
    Ok(client)
}

impl Target {
    /// Tries a few times, as far as the collector says that it may help. Says whether it was taken.
    pub(super) async fn send(&self, body: &serde_json::Value) -> bool {
        let mut pause = PAUSE;
        for is_last in [false, false, true] {
            let request = self.client.post(self.url.clone()).timeout(self.timeout).headers(self.headers.clone());
            let problem = match request.json(body).send().await {
                Ok(answer) if answer.status().is_success() => return true,
                Ok(answer) if !is_last && is_worth_another(answer.status()) => None,
                Ok(answer) => Some(format!("it answered {}", answer.status())),
                Err(_) if !is_last => None,
                // Without its address, which may hold a password.
                Err(error) => Some(crate::error::chain(&error.without_url())),
            };
            if let Some(problem) = problem {
                let host = self.url.host_str().unwrap_or_default();
                tracing::warn!(host, problem, "the collector did not take telemetry");
                return false;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        false
    }
}

/// Those that the protocol names (OTLP specification, "Retryable Response Codes").
fn is_worth_another(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502..=504)
}
