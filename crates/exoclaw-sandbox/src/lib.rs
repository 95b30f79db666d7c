//! Runs code nobody trusts: WebAssembly components under grants and limits.
//!
//! A [`Sandbox`] loads a [`Plugin`] from a packed component. A [`Permit`] is what the plugin asked for as far as the operator's
//! [`Grants`] go, with its [`Limits`]; the default grants nothing. Each call runs in a fresh instance that is dropped at its
//! end, and tells what it cost. Whatever a guest does, the caller gets a [`Called`]: traps, deadlines and used-up budgets are
//! outputs with an error for the model and a [`CallError`] for the operator.
//!
//! The crate knows nothing of agents, sessions and configuration files. It spawns no tasks and owns two threads, which stop with
//! the last handle: one ends calls that run too long, one makes instances ahead for plugins that are called often. Both sleep
//! while there is nothing to do. It reads the files of plugins, and its
//! cache of compiled components if it is given one.
//!
//! ```no_run
//! use exoclaw_sandbox::{Grants, Host, Limits, Permit, Sandbox, SandboxConfig, ToolRequest};
//!
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::new(SandboxConfig::default())?;
//! let limits = Limits::default();
//! let plugin = sandbox.load("echo.wasm".as_ref(), None, &limits)?;
//! let permit = Permit::new(plugin.manifest(), &Grants::default(), &limits)?;
//! let request = ToolRequest {
//!     tool: "echo".parse()?,
//!     arguments: serde_json::json!({ "text": "hello" }),
//!     call_id: "call-1".parse()?,
//!     idempotency_key: "key-1".into(),
//!     agent: "main".parse()?,
//!     session: "session-1".into(),
//! };
//! let called = plugin.call(&permit, request, Host::default()).await;
//! assert!(!called.output.is_error, "{:?}", called.detail);
//! # Ok(())
//! # }
//! ```

mod adopt;
mod bindings;
mod cache;
mod channel;
mod compile;
pub mod corpus;
mod digest;
mod entry;
mod functions;
mod grants;
mod host;
mod http;
mod imports;
mod instance;
pub mod limits;
mod load;
mod outcome;
mod output;
mod permit;
mod plugin;
mod recording;
mod sandbox;
mod schema;
mod signature;
mod state;
mod stock;
mod ticker;
mod turns;

pub use adopt::{About, AdoptError};
pub use channel::{ChannelError, Inbound, Outbound, Reaction, Response, Webhook};
pub use digest::{DigestError, Sha256Digest};
pub use exoclaw_plugin_format::{
    Access, ByteSize, ComponentizeError, FormatError, FsRequest, HttpHost, HttpPattern, Kind, Manifest, ManifestError,
    PackError, Policy, PolicyError, Requests, SecretPlace, SecretRequest, ToolDecl, componentize, pack,
};
pub use grants::{FsGrant, Grants};
pub use host::{Denial, Host, KeyValue, KeyValueError, OnDenied, OnProgress};
pub use http::{HttpConfig, PrivateRange, PrivateRangeError, Resolve, SystemResolver};
pub use limits::{LimitError, Limits};
pub use load::LoadError;
pub use outcome::CallError;
pub use permit::{GrantError, Permit};
pub use plugin::{Asked, Called, Plugin, ToolRequest};
pub use recording::{Player, Recorder, Recording, Tape};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError};
pub use signature::{PublicKey, PublicKeyError, SignatureError, SigningKey, SigningKeyError, Trust, signers};
