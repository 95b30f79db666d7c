//! Words and wire of exoclaw: what every layer names the same way, and how it is written down.
//!
//! The words are ids, origins, messages, tools and events. The wire is JSON-RPC 2.0 ([`rpc`]), the method table
//! ([`Call`]), the error table ([`ErrorCode`]) and the [`limits`]. The crate does no I/O, has no clock and no async, knows
//! nothing of sockets, and builds for wasm32, so that daemon, browser page and command line share it.
//!
//! ```
//! use exoclaw_protocol::{Call, Scope, rpc};
//!
//! let incoming = rpc::parse(br#"{"jsonrpc":"2.0","id":1,"method":"chat.send","params":{"text":"hi"}}"#);
//! let rpc::Incoming::One(Ok(request)) = incoming else { panic!("not a request") };
//! let call = Call::parse(&request.method, request.params.as_deref())?;
//! assert_eq!(call.scope(), Scope::Chat);
//! # Ok::<(), exoclaw_protocol::RpcError>(())
//! ```

mod approval;
mod attachment;
mod channel;
mod cron;
mod device;
mod error;
mod event;
mod id;
pub mod limits;
mod message;
mod method;
mod money;
pub mod openclaw;
mod origin;
mod params;
pub mod rpc;
mod run;
mod search;
mod secret;
mod session;
mod session_key;
mod spending;
pub mod telemetry;
mod token;
mod tool;

pub use approval::{
    Approval, ApprovalListParams, ApprovalListResult, ApprovalResolveParams, ApprovalResolveResult, Decision, Verdict,
};
pub use channel::{ChannelInfo, ChannelListParams, ChannelListResult};
pub use cron::*;
pub use device::*;
pub use error::{ErrorCode, RpcError};
pub use event::{AbortReason, Event, SessionEvent, StopReason, Usage};
pub use id::{
    AgentId, ApprovalId, CallId, ChannelName, DeviceId, IdError, IdempotencyKey, JobId, PluginName, RunId, TokenName,
    ToolName,
};
pub use message::{Block, Message, Omitted, Role};
pub use method::{Call, Method, MethodInfo, Scope};
pub use money::{Money, MoneyError};
pub use origin::{Origin, Peer, PeerKind};
pub use params::*;
pub use run::*;
pub use search::*;
pub use secret::Secret;
pub use session::*;
pub use session_key::{SessionKey, SessionRef};
pub use spending::{BudgetInfo, Period, SessionSpent, Spent, SpentBy, SpentLately, SpentOn, UsageParams, UsageResult};
pub use token::{
    LoginLinkParams, LoginLinkResult, Rotation, ShownOnce, TokenCreateParams, TokenCreateResult, TokenInfo,
    TokenListParams, TokenListResult, TokenRevokeParams, TokenRevokeResult, TokenRotateParams, TokenRotateResult,
};
pub use tool::{Effect, FailureKind, Metering, Reconciled, ToolCall, ToolContent, ToolOutput, ToolSpec};
