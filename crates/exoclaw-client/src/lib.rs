//! One owner of one socket: request, subscribe, resume.
//!
//! A [`Client`] is a cheap handle; a single task, the driver, owns the WebSocket. The handle sends typed requests and hands
//! out streams of [`Push`]es. When the connection breaks, the driver connects again with growing pauses, subscribes to the
//! sessions that were watched from the last event that was seen, and says so where events were missed.
//!
//! The rules live in [`engine::Engine`], which does no I/O and has no clock; a [`transport::Transport`] brings both:
//! tokio natively, the browser's own on wasm32. The crate knows nothing of agents, of pages or of terminals.
//!
//! ```no_run
//! # #[cfg(not(target_arch = "wasm32"))]
//! # async fn example() -> Result<(), exoclaw_client::RequestError> {
//! use exoclaw_client::{Client, Endpoint, Options};
//! use exoclaw_protocol::{Secret, StatusParams};
//!
//! let endpoint = Endpoint::new("ws://127.0.0.1:7200/ws").with_token(Secret::new("…"));
//! let client = Client::connect(endpoint, Options::default());
//! let status = client.request(StatusParams {}).await?;
//! assert!(!status.agents.is_empty());
//! client.close().await;
//! # Ok(())
//! # }
//! ```

mod client;
mod driver;
mod endpoint;
pub mod engine;
mod error;
mod push;
mod state;
pub mod transport;

pub use client::{Client, REQUESTS};
pub use endpoint::{Endpoint, Options};
pub use error::RequestError;
pub use push::{PUSHES, Push, Pushes, States};
pub use state::{CloseReason, State};
