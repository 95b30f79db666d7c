//! What survives a restart: journals of sessions, what plugins keep, and credentials.

mod error;
mod record;
mod store;

pub use error::{AppendError, Cause, KvError, ReadError};
pub use record::{Entry, Record, RunOutcome};
pub use store::{Appended, KeyedRun, KvScope, OpenRun, Page, SessionSummary, Store};
