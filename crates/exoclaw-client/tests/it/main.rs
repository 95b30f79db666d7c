//! The client against a real WebSocket server.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod connection;
mod requests;
mod server;
