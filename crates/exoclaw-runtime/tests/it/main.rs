//! The runtime through its public API.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod abort;
mod approvals;
mod audit;
mod budgets;
mod channels;
mod cron;
mod effects;
mod engine;
mod events;
mod guest;
mod history;
mod interleavings;
mod queue;
mod recovery;
mod replace;
mod replay;
mod runs;
mod send;
mod sessions;
mod shutdown;
mod simulation;
mod start;
mod subscribe;
mod summary;
mod support;
mod tasks;
mod tools;
