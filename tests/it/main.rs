//! The whole product, tested.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test stops where its ground is wrong")]

mod browser;
mod canaries;
mod channels;
mod chat;
mod cli;
mod clients;
mod durable;
mod hostile;
mod languages;
mod network;
mod openclaw;
mod recipe;
mod replace;
mod sessions;
mod telemetry;
mod tidy;
