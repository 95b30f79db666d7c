//! The bus through its public API.
#![expect(clippy::unwrap_used, reason = "a test stops where its ground is wrong")]

mod addresses;
mod bounds;
mod conformance;
