//! What all requests of a sandbox share.

use std::{fmt, io, net::IpAddr, sync::Arc};

use futures::{FutureExt, future::BoxFuture};

/// How plugins reach the network.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Looks up the names of hosts.
    pub resolver: Arc<dyn Resolve>,
    /// Certificates to trust beside Mozilla's roots, in DER (X.690).
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { resolver: Arc::new(SystemResolver), extra_roots: Vec::new() }
    }
}

/// Looks up the name of a host. Asked once for each request.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// All addresses of the name, best first.
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>>;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}
