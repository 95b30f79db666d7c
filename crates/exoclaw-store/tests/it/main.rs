//! The store through its public API: every backend, and what only SQLite promises.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod audit;
mod credentials;
mod devices;
mod format;
mod memory;
mod sqlite;
mod tokens;
