//! A door into the runtime: listener, auth, WebSocket, HTTP.
//!
//! A [`Gateway`] binds a port and serves the JSON-RPC dialect of `specs/protocol.md` at `/ws`, the page that [`Assets`]
//! holds, the login that turns a one-time link into a cookie, and the health of the daemon. Every connection is checked
//! before it is believed: the `Host` header against rebinding, the `Origin` header against foreign pages, then the
//! credential. Limits are those of [`exoclaw_protocol::limits`]; none is left to a library's default.
//!
//! The crate holds no state of a run: a socket that closes cancels nothing. It knows nothing of models, tools or stores.
//! Its tasks belong to the runtime's [`Tasks`](exoclaw_runtime::Tasks) and end with them.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use exoclaw_gateway::{Gateway, GatewayConfig, NoAssets};
//! use exoclaw_protocol::Secret;
//!
//! # async fn example(runtime: exoclaw_runtime::Runtime) -> Result<(), exoclaw_gateway::BindError> {
//! let config = GatewayConfig::new(([127, 0, 0, 1], 7200).into()).with_token(Secret::new("…"));
//! let gateway = Gateway::bind(config, runtime, Arc::new(NoAssets)).await?;
//! println!("open {}", gateway.login_link());
//! gateway.serve().await;
//! # Ok(())
//! # }
//! ```

mod config;
#[cfg(feature = "test-util")]
pub mod echo;
mod gateway;

mod admission;
mod auth;
mod invoke;
mod limiter;
mod log_tail;
mod meter;
mod own_socket;
mod rates;
mod site;
mod tls;
mod wire;

mod api;
mod http;
mod openclaw;
mod socket;
mod webhook;

pub use auth::{COOKIE_LIFETIME, LOGIN_CODE_LIFETIME};
pub use config::{BindError, GatewayConfig, ShownConfig};
pub use gateway::{Gateway, LoginLinks};
pub use http::{Asset, Assets, NoAssets};
pub use log_tail::LogTail;
pub use meter::Rate;
pub use rates::Rates;
pub use tls::{TlsConfig, TlsError};
