//! Numbered events of one session, kept for those who watch and those who come back.

mod changes;
mod ring;
mod subscription;

pub(crate) use changes::Changes;
pub use changes::{Change, ChangeFeed, Missed, SessionChange};
pub use ring::Published;
pub(crate) use ring::Ring;
pub use subscription::{Lagged, Subscription};
