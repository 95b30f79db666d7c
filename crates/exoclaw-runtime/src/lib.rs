//! Sessions and runs, the product without a socket.
//!
//! A [`Runtime`] makes each message durable before it says so, answers the messages of a session one after the other, and
//! tells everyone who watches in numbered events. Each run ends in exactly one terminal event, whatever dies. The crate
//! knows nothing of sockets, frames and HTTP, and a run never depends on who listens.
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use exoclaw_agent::DemoProvider;
//! # use exoclaw_protocol::{AgentId, ChatSendParams};
//! # use exoclaw_router::Router;
//! # use exoclaw_runtime::{AgentConfig, Parts, Plugins, Runtime, RuntimeConfig, SystemClock};
//! # use exoclaw_store::MemoryStore;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let main: AgentId = "main".parse()?;
//! # let router = Router::new(vec![main.clone()], main.clone(), vec![])?;
//! let agent = AgentConfig::new(main, "demo", Arc::new(DemoProvider::default()), "demo");
//! let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(SystemClock));
//! let parts = Parts { router, store, plugins: Plugins::default(), clock };
//! let runtime = Runtime::start(RuntimeConfig::new(vec![agent]), parts).await?;
//!
//! let (sent, mut events) = runtime.send_and_subscribe(ChatSendParams::text("main".parse()?, "hello")).await?;
//! while !events.next().await?.event().event.is_terminal() {}
//! assert_eq!(events.session(), &sent.session);
//! assert!(runtime.shutdown(Duration::from_secs(5)).await);
//! # Ok(())
//! # }
//! ```

mod runtime;

mod config;

mod load;
mod session;
mod sessions;

mod hub;

mod approvals;
mod channels;
mod cron;
mod history;
mod journal;
mod keys;
mod live;
mod recordings;
mod recovery;
mod replay;
mod run;

mod plugins;
mod price;
mod spending;
mod tools;

mod clock;
pub mod metrics;
mod tasks;

pub use approvals::{ApprovalEvent, Outcome, Question};
pub use channels::{ChannelConfig, WebhookError};
pub use clock::{Clock, SystemClock};
pub use config::{AgentConfig, ApprovalConfig, Parts, RuntimeConfig, StartError};
pub use cron::{JobAction, JobEvent, text_of_time, time_of_text};
pub use exoclaw_sandbox::{Response, Webhook};
pub use hub::{Change, ChangeFeed, Lagged, Missed, Published, SessionChange, Subscription};
pub use journal::message_digest;
pub use plugins::{PluginSlot, Plugins, ReadyPlugin, Replaced};
pub use price::Price;
pub use recordings::{RecordedCalls, Recordings};
pub use replay::{ReplayError, ReplayedCall, replay};
pub use runtime::{Invoked, Runtime};
pub use spending::{Allowance, Budget, Budgets};
pub use tasks::{Stopped, Tasks};
pub use tools::{Selector, display_name, plugin_kv};
