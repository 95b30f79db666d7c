//! Numbered events of one session, kept for those who watch and those who come back.

mod ring;
mod subscription;

pub use ring::Published;
pub(crate) use ring::Ring;
pub use subscription::{Lagged, Subscription};
