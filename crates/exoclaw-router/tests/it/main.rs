//! The router through its public API.
#![expect(clippy::unwrap_used, reason = "a test stops where its ground is wrong")]

mod build;
mod keys;
mod properties;
mod strategies;
mod table;
