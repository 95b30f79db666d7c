//! HTTP requests: how a plugin asks for them, how an operator grants them, and whether one of them is meant.

mod host;
mod pattern;
mod target;

pub use host::{HttpHost, HttpHostError};
pub use pattern::{HttpPattern, PatternError};
pub use target::{HttpScheme, HttpTarget, TargetError};
