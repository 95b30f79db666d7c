//! The client against a real WebSocket server, and on a network that counts and whose time the tests own.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod connection;
mod examples;
mod network;
mod owner;
mod requests;
mod server;
mod storm;
mod tls;
