//! One turn of an agent: model, tools, model, until done.

mod event;
mod provider;
mod tools;

pub use event::{TurnEnd, TurnEvent};
pub use provider::{ModelEvent, ModelRequest, ModelStep, Provider, ProviderError, ProviderErrorKind};
pub use tools::{Invocation, Progress, RecordError, Recorder, ToolReturn, Tools, TurnRecord};
