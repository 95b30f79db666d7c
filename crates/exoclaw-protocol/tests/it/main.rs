//! Words and wire through the public API.
#![expect(clippy::unwrap_used, reason = "a test stops where its ground is wrong")]

mod errors;
mod events;
mod ids;
mod methods;
mod money;
mod openclaw;
mod params;
mod rpc;
mod session_keys;
mod specification;
