//! Hands messages over between tasks and processes: whoever takes one says when it is done, and until then the bus keeps it.
//!
//! [`Bus`] is the trait, [`InProcessBus`] the default without a server, and `conformance` (feature `test-util`) the suite
//! that every backend passes. A message is delivered at least once; the id of its envelope is what makes it count once. The
//! crate knows nothing of sessions or agents, spawns no task and has no clock.
//!
//! ```
//! # use exoclaw_bus::{Address, Bus, Envelope, Filter, InProcessBus};
//! # use exoclaw_protocol::{Block, Origin};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = InProcessBus::new();
//! let mut inbound = bus.subscribe(Filter::under(["in"])?).await?;
//!
//! let origin = Origin::channel("slack");
//! let to = Address::inbound(&origin)?;
//! bus.publish(to, Envelope::new("m-1".parse()?, origin, vec![Block::text("hello")])).await?;
//!
//! let delivery = inbound.next().await?;
//! assert_eq!(delivery.envelope().id.as_str(), "m-1");
//! delivery.done().await?; // not before the message is durable elsewhere
//! # Ok(()) }
//! ```

mod address;
mod bus;
#[cfg(feature = "test-util")]
pub mod conformance;
mod delivery;
mod envelope;
mod in_process;

pub use address::{Address, AddressError, Filter};
pub use bus::{Bus, PublishError, Published, SubscribeError, Subscription};
pub use delivery::{Closed, Delivery, Settle, SettleError, Settlement};
pub use envelope::Envelope;
pub use in_process::InProcessBus;

/// Bounds of a bus, with what they protect and from whom.
pub mod limits {
    /// Longest address in bytes: that of the longest origin fits, and it stays under what NATS reads in one line (4096).
    pub const ADDRESS_BYTES: usize = 3072;

    /// Messages that one bus keeps, waiting or handed out. When they are there, publishers are refused: nothing that was
    /// accepted is dropped for what comes later.
    pub const MESSAGES: usize = 16_384;

    /// Bytes that one bus keeps, as JSON. When they are there, publishers are refused.
    pub const BYTES: usize = 64 * 1024 * 1024;

    /// Messages of one filter that are handed out and not settled: a consumer that never settles must not drain the bus.
    /// When they are there, `next` waits.
    pub const IN_FLIGHT: usize = 256;

    /// Filters of one bus that are subscribed to at the same time; each message is compared with them.
    pub const FILTERS: usize = 1024;

    /// Ids that are remembered after their message was settled. The oldest one is forgotten first.
    pub const REMEMBERED_IDS: usize = 16_384;
}
