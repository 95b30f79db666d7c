//! The sandbox through its public API, with components made from WebAssembly text.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod cache;
mod call;
mod channel;
mod corpus;
mod fs;
mod functions;
mod guest;
mod http;
mod imports;
mod limits;
mod load;
mod log;
mod permit;
mod reconcile;
mod secrets;
mod server;
mod signature;
mod stock;
mod turns;
