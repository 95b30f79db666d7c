//! One turn of an agent: model, tools, model, until done.
//!
//! A [`Turn`] asks a [`Provider`] for a step, makes it durable through a [`Recorder`], runs the calls that the model asked
//! for through [`Tools`], and goes on until the model has answered. What happens is told through a bounded channel.
//! [`AnthropicProvider`] and [`OpenAiProvider`] speak to real servers; [`DemoProvider`] needs none.
//!
//! A turn that was cut off is taken up where its last record stands ([`Turn::recorded`]).
//!
//! The crate knows nothing of sessions, plugins or stores. It spawns no task: a turn is one future, and dropping it stops
//! the request to the model and every tool.
//!
//! ```
//! use std::sync::Arc;
//! use exoclaw_agent::{DemoProvider, Turn};
//! use exoclaw_protocol::Message;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), exoclaw_agent::TurnError> {
//! let turn = Turn::new(Arc::new(DemoProvider::default()), "demo");
//! let (events, mut watched) = tokio::sync::mpsc::channel(16);
//! let watch = async { while let Some(_event) = watched.recv().await {} };
//! let (end, ()) = tokio::join!(turn.run(vec![Message::user("hello")], events), watch);
//! assert!(end?.message.text().contains("demo"));
//! # Ok(())
//! # }
//! ```

mod turn;

mod event;
mod provider;
mod tools;

pub mod history;

mod demo;

mod anthropic;
mod openai;

mod http;
mod parts;
pub mod spans;
pub mod sse;
mod wire;

#[cfg(feature = "test-util")]
pub mod test_util;

pub use anthropic::AnthropicProvider;
pub use demo::DemoProvider;
pub use event::{TurnEnd, TurnEvent};
pub use http::{ConfigError, ProviderConfig};
pub use openai::OpenAiProvider;
pub use provider::{ModelEvent, ModelRequest, ModelStep, Provider, ProviderError, ProviderErrorKind};
pub use tools::{
    Approver, Asked, Decided, Inbox, Invocation, Meter, NoTools, OverBudget, Progress, RecordError, Recorder,
    ToolReturn, Tools, TurnRecord, Unasked, Undisturbed, Unmetered, Unrecorded,
};
pub use turn::{Jitter, RandomJitter, RecordedStep, Turn, TurnError, TurnLimits};
