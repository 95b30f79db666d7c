//! The real gateway over a real runtime, spoken to in raw bytes and frames.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod api;
mod audit;
mod chat;
mod credentials;
mod http;
mod limits;
mod matrix;
mod metrics;
mod openclaw;
mod rpc;
mod spec;
mod support;
mod tls;
mod tokens;
