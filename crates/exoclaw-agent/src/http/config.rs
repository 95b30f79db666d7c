//! Where a provider is and how long it may be silent.

use std::{sync::Arc, time::Duration};

use exoclaw_protocol::Secret;
use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue},
};

/// One server that speaks a dialect.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// What people call it; begins its error messages.
    pub name: String,
    /// Where it is, such as `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// The key; servers of one's own often want none.
    pub api_key: Option<Secret>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Longest silence, before the first byte too: a local server may load a model and read a long prompt first.
    pub idle_timeout: Duration,
}

impl ProviderConfig {
    /// A server without a key, with 10 s to connect and 5 minutes of silence.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            api_key: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// A provider that can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is no `http` or `https` URL.
    #[error("provider {provider}: base_url must be an http or https address, such as http://127.0.0.1:11434/v1")]
    BaseUrl {
        /// The provider.
        provider: String,
    },
    /// The key holds characters that a header can't.
    #[error("provider {provider}: the key holds characters that no key has; was a line break copied with it?")]
    Key {
        /// The provider.
        provider: String,
    },
    /// TLS or the HTTP client can't be set up.
    #[error("provider {provider}: set up the HTTP client")]
    Client {
        /// The provider.
        provider: String,
        /// What failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ProviderConfig {
    /// The base address; `path` is put behind it.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ConfigError> {
        let error = || ConfigError::BaseUrl { provider: self.name.clone() };
        let mut url = Url::parse(self.base_url.trim()).map_err(|_| error())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(error());
        }
        let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        Ok(url)
    }

    /// The key as a header's value, which no `Debug` shows.
    pub(crate) fn credential(&self, prefix: &str) -> Result<Option<HeaderValue>, ConfigError> {
        let Some(key) = &self.api_key else { return Ok(None) };
        let error = |_| ConfigError::Key { provider: self.name.clone() };
        let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose())).map_err(error)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// A client that follows no redirect, asks nothing twice, uses no proxy of the environment and trusts Mozilla's roots.
    ///
    /// It brings its own TLS settings (rustls with ring), so the process needs no default crypto provider.
    pub(crate) fn client(&self, headers: HeaderMap) -> Result<reqwest::Client, ConfigError> {
        self.build(headers).map_err(|source| ConfigError::Client { provider: self.name.clone(), source })
    }

    fn build(&self, headers: HeaderMap) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
        let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers)
            .user_agent(concat!("exoclaw/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .build()?;
        Ok(client)
    }
}
