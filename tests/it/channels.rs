//! Channels, in the whole daemon: people on a platform write, and are answered there. The platforms are local fakes of their
//! public HTTP interfaces.

mod by_hand;
mod platform;
mod slack;
mod telegram;
