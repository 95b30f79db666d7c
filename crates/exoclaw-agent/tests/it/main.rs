//! Behaviour through the public API.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail where they stand")]

mod demo;
mod history;
mod providers;
mod recorded;
mod sse;
mod tools;
mod turn;
