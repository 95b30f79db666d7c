//! What a gateway is told.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use exoclaw_protocol::Secret;
use exoclaw_store::{Devices, Tokens};
use serde_json::Value;

use crate::{LogTail, Rates, TlsConfig, TlsError};

/// Shortest token that protects a port which others can reach, in bytes.
pub(crate) const TOKEN_BYTES: usize = 16;

/// What a gateway is told.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where it listens; port 0 takes a free one.
    pub addr: SocketAddr,
    /// What the owner shows. Without it whoever reaches the port is believed, so only a loopback address can do without.
    pub token: Option<Secret>,
    /// What others show: each token has a name and a scope.
    pub tokens: Arc<Tokens>,
    /// Devices that are let in by a key of their own.
    pub devices: Arc<Devices>,
    /// A Unix socket that serves programs of the user who runs the daemon, without a credential.
    pub own_socket: Option<PathBuf>,
    /// Speak TLS. Without it only a loopback address can be bound, or one that proxies alone can reach.
    pub tls: Option<TlsConfig>,
    /// A listener of its own that answers `GET /metrics` alone. A loopback address answers everyone without TLS; any other
    /// is under the rules of [`addr`](Self::addr).
    pub metrics: Option<SocketAddr>,
    /// Names under which the gateway may be addressed, beside IP addresses and `localhost`. A page that points another
    /// name at this machine (DNS rebinding) gets nothing.
    pub hosts: Vec<String>,
    /// Origins of pages that count as our own, such as `https://claw.example`, beside the one that was asked.
    pub origins: Vec<String>,
    /// Addresses of proxies whose `X-Forwarded-For` is believed; nobody else's is.
    pub proxies: Vec<IpAddr>,
    /// How much may be asked for in how short a time.
    pub rates: Rates,
    /// What the daemon was told at its start, for clients to look at.
    pub shown: ShownConfig,
    /// The last lines of its log, for clients that may do everything.
    pub log: Arc<LogTail>,
}

/// What the daemon was told at its start, as its clients may see it: without secrets.
#[derive(Debug, Clone, Default)]
pub struct ShownConfig {
    /// The file that was read, or would have been.
    pub path: String,
    /// The file is there.
    pub exists: bool,
    /// All values in force.
    pub values: Value,
    /// What can stand there, as the text of a JSON schema.
    pub schema: &'static str,
}

impl GatewayConfig {
    /// A gateway without token and names.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            token: None,
            tokens: Arc::new(Tokens::in_memory()),
            devices: Arc::new(Devices::in_memory()),
            own_socket: None,
            tls: None,
            metrics: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            proxies: Vec::new(),
            rates: Rates::default(),
            shown: ShownConfig::default(),
            log: Arc::default(),
        }
    }

    /// The same gateway, asking for this token.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    pub(crate) fn check(&self) -> Result<(), BindError> {
        [self.addr].into_iter().chain(self.metrics).try_for_each(|addr| self.check_address(addr))
    }

    fn check_address(&self, addr: SocketAddr) -> Result<(), BindError> {
        let local = addr.ip().is_loopback();
        match &self.token {
            None if !local => Err(BindError::NoToken { addr }),
            Some(token) if token.expose().trim().is_empty() => Err(BindError::EmptyToken),
            Some(token) if !local && token.expose().len() < TOKEN_BYTES => Err(BindError::ShortToken { addr }),
            Some(_) if !local && self.tls.is_none() && self.proxies.is_empty() => Err(BindError::NoTls { addr }),
            None | Some(_) => Ok(()),
        }
    }
}

/// A gateway that can't open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Others could reach the port, and nothing would be asked of them.
    #[error("{addr} can be reached from other machines and no token is set: set a token, or bind to 127.0.0.1")]
    NoToken {
        /// The address.
        addr: SocketAddr,
    },
    /// Others could read along.
    #[error(
        "{addr} can be reached from other machines and would speak without TLS: give it a certificate, bind to 127.0.0.1, \
         or name the proxy that speaks TLS for it"
    )]
    NoTls {
        /// The address.
        addr: SocketAddr,
    },
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A blank token is a mistake, not a wish for none.
    #[error("the gateway's token is empty: set one, or leave the setting out")]
    EmptyToken,
    /// Others could reach the port and guess the token.
    #[error(
        "{addr} can be reached from other machines and the token has fewer than {TOKEN_BYTES} bytes: set a longer one"
    )]
    ShortToken {
        /// The address.
        addr: SocketAddr,
    },
    /// The system does not give us the Unix socket.
    #[error("listen on {path}")]
    OwnSocket {
        /// Where it was to be.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The system does not give us the address.
    #[error("listen on {addr}; is another daemon running? choose another port otherwise")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}
