//! What the tests share: real parts, on real sockets, in folders of their own.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr, reason = "a test stops at the first surprise")]

pub mod browser;
pub mod daemon;
pub mod model;
pub mod plugins;
pub mod random;
pub mod wait;
pub mod ws;
