//! What survives a restart: journals of sessions, what plugins keep, credentials, and the audit trail.
//!
//! A [`Store`] takes [`Record`]s into the journal of a session and answers when they are durable, not before. It keeps
//! sessions and open runs in step with the journal, so that a restart finds what was under way. [`SqliteStore`] is the
//! default, [`MemoryStore`] the reference; both pass the suite in `conformance` (feature `test-util`).
//!
//! The crate knows what is written down, not what it means: it starts no run, decides nothing about a tool, and has no
//! clock. It owns a few threads, which end when the store is closed or dropped, and spawns no tasks.
//!
//! ```
//! use exoclaw_protocol::{Message, RunId, SessionKey};
//! use exoclaw_store::{MemoryStore, Page, Record, Store};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = MemoryStore::new();
//! let session: SessionKey = "agent:main:main".parse()?;
//! let run_id: RunId = "run-1".parse()?;
//! let message = Message::user("hello");
//! let accepted = Record::accepted(run_id, message, "…");
//! store.append(&session, 1_700_000_000_000, vec![accepted]).await?;
//! assert_eq!(store.read(&session, 0, Page { entries: 10, bytes: 1 << 20 }).await?.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
#[cfg(feature = "test-util")]
pub mod conformance;
mod conversation;
mod credentials;
mod devices;
mod encoded;
mod error;
mod memory;
mod private;
mod record;
mod search;
mod spending;
mod sqlite;
mod store;
mod tokens;

pub use conversation::Conversation;
pub use credentials::{CredentialError, CredentialName, Credentials};
pub use devices::{Candidate, DEVICE_TOKEN, DeviceError, Devices, Paired};
pub use error::{AppendError, Cause, KvError, ReadError};
pub use memory::MemoryStore;
pub use record::{Entry, Record, RunOutcome};
pub use search::{Found, Hit, Search};
pub use sqlite::{OpenError, SqliteConfig, SqliteStore, upkeep};
pub use store::{
    Appended, Delivery, KeyedRun, KvScope, OpenRun, Page, RunSummary, SessionFilter, SessionSummary, Spending, Store,
    StoredJob,
};
pub use tokens::{Holder, OWNER, TOKENS, TokenError, Tokens};
