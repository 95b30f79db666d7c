//! The frames of OpenClaw's gateway protocol, in both versions that its clients speak.
//!
//! Version 3 is that of early 2026, version 4 the present one. They share frames and handshake, and differ in who may connect,
//! in the words of refusals, and in what some methods take. Nothing here does I/O: [`decode`] reads a frame, [`Connect::parse`]
//! its first request, and [`Response`] and [`EventFrame`] are written by serde.

mod connect;
mod device;
mod frame;
mod hello;
mod method;
mod refusal;
mod scope;
pub mod shape;

pub use connect::{Auth, ClientInfo, Connect, Role};
pub use device::{Device, DeviceError, Signed};
pub use frame::{Decoded, EventFrame, Request, Response, StateVersion, decode};
pub use hello::{Features, HelloAuth, HelloOk, Policy, Server, SessionDefaults, Snapshot};
pub use method::Method;
pub use refusal::{Code, ErrorShape, Refusal};
pub use scope::OperatorScope;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// That of early 2026.
    V3,
    /// The present one.
    V4,
}

impl Version {
    /// The newest that a client takes which speaks `min` to `max`.
    pub fn negotiate(min: u64, max: u64) -> Option<Self> {
        [Self::V4, Self::V3].into_iter().find(|version| (min..=max).contains(&version.number()))
    }

    /// As it is written.
    pub fn number(self) -> u64 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}
