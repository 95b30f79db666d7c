//! Sessions and runs, the product without a socket.
//!
//! A [`Runtime`] makes each message durable before it says so, answers the messages of a session one after the other, and
//! tells everyone who watches in numbered events. Each run ends in exactly one terminal event, whatever dies. The crate
//! knows nothing of sockets, frames and HTTP, and a run never depends on who listens.

mod runtime;

mod config;

mod load;
mod session;
mod sessions;

mod hub;

mod history;
mod journal;
mod live;
mod recovery;
mod run;

mod plugins;
mod tools;

mod clock;
mod tasks;

pub use clock::{Clock, SystemClock};
pub use config::{AgentConfig, Parts, RuntimeConfig, StartError};
pub use hub::{Lagged, Published, Subscription};
pub use plugins::{PluginSlot, Plugins, ReadyPlugin};
pub use runtime::Runtime;
pub use tasks::{Stopped, Tasks};
