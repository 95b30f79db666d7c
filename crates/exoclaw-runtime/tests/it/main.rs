//! The runtime through its public API.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "these tests need only some of the guests")]
#[path = "../../../exoclaw-sandbox/tests/it/guest.rs"]
mod guest;

mod abort;
mod events;
mod history;
mod interleavings;
mod recovery;
mod runs;
mod send;
mod shutdown;
mod start;
mod subscribe;
mod support;
mod tasks;
mod tools;
